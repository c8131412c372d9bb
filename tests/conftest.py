"""Hypothesis profiles: the same examples every time; `HYPOTHESIS_PROFILE=deep` tries many more."""

import os

from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("fast", derandomize=True, deadline=None, max_examples=60, suppress_health_check=_QUIET)
settings.register_profile("deep", derandomize=True, deadline=None, max_examples=2000, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
