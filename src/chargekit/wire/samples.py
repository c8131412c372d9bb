"""Meter samples and the sampled values of both versions.

A figure the peer did not send is NaN in the MeterSample: it is neither below nor above any limit.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal

from chargekit.model.calendar import Calendar
from chargekit.model.limit import PhaseAmps
from chargekit.model.metering import MeterSample

from .fields import figure, iso, moment, number, opt_table, opt_text, opt_whole, rows, shown
from .protocol import Payload, Unreadable

Context = Literal["Sample.Periodic", "Sample.Clock", "Transaction.Begin", "Transaction.End", "Trigger"]
Write = Callable[[float, str, str, "str | None", str], Payload]
"""(value, context, measurand, phase, unit) to one sampledValue."""

ENERGY: Final = "Energy.Active.Import.Register"
POWER: Final = "Power.Active.Import"
CURRENT: Final = "Current.Import"
VOLTAGE: Final = "Voltage"
SOC: Final = "SoC"

_CONTEXTS: Final[dict[str, Context]] = {
    "Sample.Periodic": "Sample.Periodic",
    "Sample.Clock": "Sample.Clock",
    "Transaction.Begin": "Transaction.Begin",
    "Transaction.End": "Transaction.End",
    "Trigger": "Trigger",
}
_UNITS: Final[dict[str, dict[str, float]]] = {
    ENERGY: {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6},
    POWER: {"W": 1.0, "kW": 1e3, "MW": 1e6},
    CURRENT: {"A": 1.0, "mA": 1e-3, "dA": 0.1, "kA": 1e3},
    VOLTAGE: {"V": 1.0, "mV": 1e-3, "dV": 0.1, "kV": 1e3},
    SOC: {"Percent": 1.0, "%": 1.0},
}
_LINES: Final = ("L1", "L2", "L3")
_LINES_TO_N: Final = ("L1-N", "L2-N", "L3-N")
_LARGEST: Final = 1e12
_SCALES: Final = {(measurand, unit): scale for measurand, units in _UNITS.items() for unit, scale in units.items()}
_PHASES: Final = {None: "", "L1": "L1", "L2": "L2", "L3": "L3", "L1-N": "L1", "L2-N": "L2", "L3-N": "L3"}
_FIGURES: Final = frozenset({float, int, str})
_NOTHING: Final[PhaseAmps] = (math.nan, math.nan, math.nan)

Found = dict[tuple[str, str], float]
"""Figures by measurand and phase ("" for none)."""


# --- writing ----------------------------------------------------------------------------------------------------


def as_text(value: float, context: str, measurand: str, phase: str | None, unit: str) -> Payload:
    """A sampledValue of 1.6: the figure is text."""
    written: Payload = {"value": _shortest(value), "context": context, "measurand": measurand, "unit": unit}
    if phase:
        written["phase"] = phase
    return written


@lru_cache(maxsize=4096)
def _shortest(value: float) -> str:
    # A steady session shows the same currents and voltages again and again.
    return f"{figure(value):.3f}".rstrip("0").rstrip(".")


def as_number(value: float, context: str, measurand: str, phase: str | None, unit: str) -> Payload:
    """A sampledValue of 2.0.1: the figure is a number."""
    written: Payload = {
        "value": figure(value),
        "context": context,
        "measurand": measurand,
        "unitOfMeasure": {"unit": unit},
    }
    if phase:
        written["phase"] = phase
    return written


def write(samples: tuple[MeterSample, ...], context: str, cal: Calendar, how: Write) -> list[Payload]:
    """`meterValue` of both versions. Figures that are NaN are left out. ValueError when nothing is left."""
    written = [{"timestamp": iso(cal, s.t), "sampledValue": _sampled(s, context, how)} for s in samples]
    if not written or not all(row["sampledValue"] for row in written):
        raise ValueError("meter values without a figure can't be written")
    return written


def _sampled(sample: MeterSample, context: str, how: Write) -> list[Payload]:
    written = [how(amps, context, CURRENT, line, "A") for line, amps in zip(_LINES, sample.current_a, strict=True) if amps == amps]
    written += [how(v, context, VOLTAGE, line, "V") for line, v in zip(_LINES_TO_N, sample.voltage_v, strict=True) if v == v]
    if sample.power_w == sample.power_w:
        written.append(how(sample.power_w, context, POWER, None, "W"))
    if sample.energy_wh == sample.energy_wh:
        written.append(how(sample.energy_wh, context, ENERGY, None, "Wh"))
    if sample.soc_percent is not None:
        written.append(how(sample.soc_percent, context, SOC, None, "Percent"))
    return written


def write_register(register_wh: float, at: float, context: str, cal: Calendar, how: Write) -> list[Payload]:
    """`meterValue` with the energy register alone (start and end of a transaction)."""
    return [{"timestamp": iso(cal, at), "sampledValue": [how(register_wh, context, ENERGY, None, "Wh")]}]


# --- reading ----------------------------------------------------------------------------------------------------


def read(payload: Payload, cal: Calendar) -> tuple[tuple[MeterSample, ...], Context]:
    """The samples of `meterValue` and the context of the first figure. Currents without a phase count for all three."""
    values = rows(payload, "meterValue")
    samples = tuple(_sample(row, cal) for row in values)
    word = next((opt_text(each, "context") for row in values for each in rows(row, "sampledValue")), None)
    return samples, _CONTEXTS.get(word or "", "Sample.Periodic")


def read_register(payload: Payload, context: str) -> float:
    """The import register (Wh) among the meter values of a transaction's start or end, the figure of that context
    first; NaN if there is none."""
    if payload.get("meterValue") is None:
        return math.nan
    last = math.nan
    for row in rows(payload, "meterValue"):
        for each in rows(row, "sampledValue"):
            if (opt_text(each, "measurand") or ENERGY) != ENERGY or opt_text(each, "phase") or _is_signed(each):
                continue
            if each.get("location") == "Upstream":
                continue
            last = _scaled(each, ENERGY)
            if opt_text(each, "context") == context:
                return last
    return last


def _sample(row: Payload, cal: Calendar) -> MeterSample:
    found = _figures(row)
    current, voltage = _by_line(found, CURRENT), _by_line(found, VOLTAGE)
    power = _total(found, POWER)
    if power != power and _lines_given(found, CURRENT) and _lines_given(found, VOLTAGE):
        power = sum(a * v for a, v in zip(current, voltage, strict=True))
    return MeterSample(moment(row, "timestamp", cal), current, voltage, power, _total(found, ENERGY), found.get((SOC, "")))


def _figures(row: Payload) -> Found:
    """The figures of one meterValue; those at the outlet go before those taken elsewhere."""
    found: Found = {}
    elsewhere: Found = {}
    for each in rows(row, "sampledValue"):
        if _plain(each, found):
            continue
        measurand = opt_text(each, "measurand") or ENERGY
        if measurand not in _UNITS or _is_signed(each) or each.get("location") == "Upstream":
            continue  # Upstream (2.1) is the premises' grid meter
        at_outlet = measurand == SOC or (opt_text(each, "location") or "Outlet") == "Outlet"
        phase = (opt_text(each, "phase") or "").removesuffix("-N")
        (found if at_outlet else elsewhere)[measurand, "" if measurand == SOC else phase] = _scaled(each, measurand)
    return elsewhere | found if elsewhere else found


def _plain(each: Payload, found: Found) -> bool:
    """Take a figure in the form nearly all have, quickly; False for any other, however slightly odd: `_scaled` judges it."""
    get: Callable[..., Any] = each.get
    value, measure = get("value"), get("unitOfMeasure", each)
    if type(value) not in _FIGURES or type(measure) is not dict or "multiplier" in measure or "format" in each or "location" in each:
        return False
    try:
        measurand, phase = get("measurand"), _PHASES[get("phase")]
        figure_read = float(value) * _SCALES[measurand, measure["unit"]]
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    if not -_LARGEST <= figure_read <= _LARGEST or (measurand == SOC and phase):
        return False
    found[measurand, phase] = figure_read
    return True


def _is_signed(each: Payload) -> bool:
    return each.get("format") == "SignedData"


def _scaled(each: Payload, measurand: str) -> float:
    units = _UNITS[measurand]
    measure = opt_table(each, "unitOfMeasure") or each
    unit = opt_text(measure, "unit")
    scale = 1.0 if unit is None else units.get(unit) or {k.lower(): v for k, v in reversed(units.items())}.get(unit.lower())
    if scale is None:
        raise Unreadable("property", f"unit: {shown(unit)} does not measure {measurand}")
    power = opt_whole(measure, "multiplier") or 0
    if abs(power) > 12:
        raise Unreadable("property", f"multiplier: {power} is out of range")
    value = number(each, "value") * scale * 10.0**power
    if abs(value) > _LARGEST:
        raise Unreadable("property", f"value: {shown(each['value'])} is too large")
    return value


def _lines_given(found: Found, measurand: str) -> bool:
    return any((measurand, line) in found for line in _LINES)


def _by_line(found: Found, measurand: str) -> PhaseAmps:
    """By terminal; one without a figure is 0 beside others that have one, and a figure without a phase is for all."""
    one, two, three = found.get((measurand, "L1")), found.get((measurand, "L2")), found.get((measurand, "L3"))
    if one is not None or two is not None or three is not None:
        return 0.0 if one is None else one, 0.0 if two is None else two, 0.0 if three is None else three
    alone = found.get((measurand, ""))
    return (alone, alone, alone) if alone is not None else _NOTHING


def _total(found: Found, measurand: str) -> float:
    alone = found.get((measurand, ""))
    if alone is not None:
        return alone
    return sum(found.get((measurand, line), 0.0) for line in _LINES) if _lines_given(found, measurand) else math.nan
