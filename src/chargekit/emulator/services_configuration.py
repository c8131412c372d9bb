"""GetConfiguration and ChangeConfiguration of 1.6 (sections 5.3, 5.8 and 9) on the table of `configuration`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chargekit.emulator.configuration import KEYS_OF_16, READINGS, Key, measurable
from chargekit.emulator.services import SETTERS, Payload, Refusal, service
from chargekit.wire.messages import SetKey
from chargekit.world.events import Effect, Save

if TYPE_CHECKING:
    from chargekit.emulator.station import Station

MOST_KEYS = int(KEYS_OF_16["GetConfigurationMaxKeys"].default)
_FREE = Key("")


def store(station: Station, key: str, value: str, now: float, out: list[Effect]) -> None:
    """Keep a setting that was checked, and tell who must know at once."""
    station.keys[key] = value
    out.append(Save("keys", {k: v for k, v in station.keys.items() if v != station.factory.get(k)}))
    for setter in SETTERS.get(key, ()):
        setter(station, now, out)


def known(station: Station) -> dict[str, str]:
    """Every key of this station with its value; what it cannot read out (`hidden`) is empty."""
    model = station.spec.model
    told = {
        "NumberOfConnectors": str(len(station.outlets)),
        "ChargingScheduleAllowedChargingRateUnit": ",".join(w for w, u in (("Current", "A"), ("Power", "W")) if u in model.rate_units),
        "ConnectorSwitch3to1PhaseSupported": str(model.phase_switching).lower(),
    }
    fixed = {name: key.default for name, key in KEYS_OF_16.items() if key.readonly}
    return {**{k: v for k, v in station.keys.items() if k in KEYS_OF_16}, **fixed, **told, **station.security_keys()}


@service("GetConfiguration", "1.6")
def get_configuration(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """All keys, or those asked for, whatever their case; the unknown ones by name (5.8)."""
    values = known(station)
    asked = payload.get("key") or list(values)
    if len(asked) > MOST_KEYS:
        return Refusal("occurrence", f"key: at most {MOST_KEYS} at once")
    names = {name.lower(): name for name in values}
    found, unknown = [], []
    for word in dict.fromkeys(asked):
        name = names.get(word.lower())
        if name is None:
            unknown.append(word)
            continue
        key = KEYS_OF_16.get(name, _FREE)
        row = {"key": name, "readonly": key.readonly}
        found.append(row if key.hidden else row | {"value": values[name][:500]})
    return {"configurationKey": found} | ({"unknownKey": unknown} if unknown else {})


@service("ChangeConfiguration", "1.6")
def change_configuration(station: Station, payload: Payload, now: float, out: list[Effect]) -> Payload | Refusal:
    """Rejected for what is read-only or no value of the key, NotSupported for a key unknown here (5.3)."""
    secured = station.set_security(SetKey(payload["key"], payload["value"]), now, out)
    if secured is not None:
        return {"status": secured.status}
    names = {name.lower(): name for name in known(station)}
    name = names.get(payload["key"].lower())
    if name is None:
        return {"status": "NotSupported"}
    key = KEYS_OF_16.get(name, _FREE)
    value = None if key.readonly else key.rule.read(payload["value"])
    if value is None or (key.rule.words == READINGS and not measurable(value, dc=station.dc)):
        return {"status": "Rejected"}
    store(station, name, value, now, out)
    return {"status": "RebootRequired" if key.reboot else "Accepted"}
