"""Cases, expectations, always-on checks, verdicts."""

from chargekit.judge.bench import Bench, Charger, SiteUnder
from chargekit.judge.case import Case, case
from chargekit.judge.verdict import Failed, Measured, NotApplicable, Unclear, Verdict

__all__ = ["Bench", "Case", "Charger", "Failed", "Measured", "NotApplicable", "SiteUnder", "Unclear", "Verdict", "case"]
