"""Cases, expectations, always-on checks, verdicts."""

from chargekit.judge.bench import Bench, Charger
from chargekit.judge.case import Case, case
from chargekit.judge.premises import Arena, SiteUnder
from chargekit.judge.verdict import Failed, Measured, NotApplicable, Unclear, Verdict

__all__ = ["Arena", "Bench", "Case", "Charger", "Failed", "Measured", "NotApplicable", "SiteUnder", "Unclear", "Verdict", "case"]
