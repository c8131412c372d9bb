"""Settings by one name: what every version calls them is what a station of that version has."""

import pytest
from tests.emulator.kit import Talk

from chargekit.model.calendar import Calendar
from chargekit.wire import codec
from chargekit.wire.messages import Reset, SetSetting, Setting
from chargekit.wire.settings import key_of, keyed, name_of

CAL = Calendar(Talk("1.6", up=False).calendar.epoch)


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize("name", [n for n in Setting if n.name.startswith(("MESSAGE", "SAMPLE", "OFFLINE_THRESHOLD", "BACK_OFF"))])
def test_a_station_takes_each_setting(version: str, name: Setting) -> None:
    key = key_of(version, name)
    if not key:
        assert version == "1.6" and name.name.startswith(("OFFLINE_THRESHOLD", "BACK_OFF"))
        with pytest.raises(ValueError, match=r"1\.6 has no setting"):
            keyed(version, SetSetting(name, "5"))
        return
    assert name_of(version, key.upper()) is name
    Talk(version).set(key, key, "5")


def test_the_names_of_both_versions() -> None:
    assert key_of("1.6", Setting.MESSAGE_ATTEMPTS) == "TransactionMessageAttempts"
    assert key_of("2.1", Setting.MESSAGE_ATTEMPTS) == "OCPPCommCtrlr.MessageAttempts.TransactionEvent"
    assert name_of("1.6", "") is None
    with pytest.raises(ValueError):
        key_of("1.6", "colour")


def test_the_reset_of_one_evse() -> None:
    """B11.FR.08: 2.x names the EVSE, 1.6 has no word for it."""
    assert codec("2.0.1").write_command(Reset(True, evse=2), CAL) == ("Reset", {"type": "Immediate", "evseId": 2})
    assert codec("2.1").write_command(Reset(False), CAL) == ("Reset", {"type": "OnIdle"})
    with pytest.raises(ValueError, match=r"1\.6 has no reset of one EVSE"):
        codec("1.6").write_command(Reset(True, evse=2), CAL)
