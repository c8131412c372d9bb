"""The cost domain: what energy costs by local time, what the highest quarter-hour costs, and whether charging is planned by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chargekit.model.located import BUILT_IN, BadInput, Located, Source

DAY_MIN: Final = 1440
STEP_MIN: Final = 15


@dataclass(frozen=True, slots=True)
class Band:
    """A price per kWh from one minute of the local day up to another; over midnight where it begins later than it ends."""

    begins_min: int
    ends_min: int
    price: float
    source: Source

    def holds(self, minute: int) -> bool:
        if self.begins_min < self.ends_min:
            return self.begins_min <= minute < self.ends_min
        return minute >= self.begins_min or minute < self.ends_min


@dataclass(frozen=True, slots=True)
class CostRules:
    """`price` per kWh where no band holds, `demand_charge` per kW of the period's highest quarter-hour mean, in one currency.
    `plan`: sessions that told their departure are shaped by it."""

    plan: bool = False
    price: float = 0.0
    bands: tuple[Band, ...] = ()
    demand_charge: float = 0.0
    source: Source = BUILT_IN

    def price_at(self, minute: int) -> float:
        """Per kWh, at a minute of the local day."""
        return next((band.price for band in self.bands if band.holds(minute)), self.price)


def cost_rules(plan: Located | None, price: Located | None, tariff: Located | None, demand_charge: Located | None) -> CostRules:
    """The cost rules of a site, each from where it was written. BadInput with file and line for bands that can't be or overlap."""
    bands: list[Band] = []
    for node in tariff.items() if tariff is not None else []:
        node.only("from", "to", "price")
        band = Band(_minute(node.need("from"), 0), _minute(node.need("to"), DAY_MIN), node.need("price").as_number(""), node.source)
        if band.begins_min == band.ends_min:
            raise BadInput(node.source, "a band ends when it begins", "from 00:00 to 24:00 is the whole day")
        for other in bands:
            if any(band.holds(m) and other.holds(m) for m in range(0, DAY_MIN, STEP_MIN)):
                raise BadInput(node.source, "two bands hold at the same time", f"the other is at {other.source}")
        bands.append(band)
    source = next((node.source for node in (plan, tariff, demand_charge, price) if node is not None), BUILT_IN)
    return CostRules(
        plan.as_flag() if plan is not None else False, price.as_number("") if price is not None else 0.0, tuple(bands),
        demand_charge.as_number("", least=0) if demand_charge is not None else 0.0, source,
    )  # fmt: skip


def _minute(node: Located, whole: int) -> int:
    """A local time on a quarter-hour as a minute of the day. YAML reads 17:00 without quotes as the number 1020."""
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool):
        minute = value
    else:
        hours, colon, minutes = node.as_text().partition(":")
        if not (colon and hours.isascii() and hours.isdigit() and minutes.isascii() and minutes.isdigit() and len(minutes) == 2):
            raise BadInput(node.source, f"a local time expected, found {str(value)[:20]!r}", 'as in "17:00"')
        if int(minutes) > 59:
            raise BadInput(node.source, f"a local time expected, found {str(value)[:20]!r}", 'as in "17:00"')
        minute = int(hours[:3]) * 60 + int(minutes)
    if not 0 <= minute <= DAY_MIN or minute % STEP_MIN or (minute == DAY_MIN and not whole):
        raise BadInput(node.source, f"a quarter-hour of the day expected, found {str(value)[:20]!r}", 'as in "17:00"')
    return minute
