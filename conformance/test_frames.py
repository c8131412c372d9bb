"""Frames that should not be there: the station answers as specified, and its session and its charging go on."""

from chargekit.judge import Bench, case
from chargekit.judge.oddities import Oddities, at_work


@case("CK-FRM-001", covers={"P4 4.2.3", "RpcFrameworkError"}, area="frames")
async def test_an_unreadable_frame_disturbs_nothing(bench: Bench) -> None:
    """Text that is cut off is answered with an error under the message id -1 where the version has one for that; nothing else happens."""
    odd = Oddities(await at_work(bench))
    await odd.sends("unreadable")
    await odd.goes_on()


@case("CK-FRM-002", covers={"1.6J 4.2.3", "P4 4.3", "NotImplemented", "NotSupported"}, area="frames")
async def test_an_unknown_action_is_turned_down(bench: Bench) -> None:
    """A call of an action nobody knows is answered NotImplemented or NotSupported; nothing else happens."""
    odd = Oddities(await at_work(bench))
    await odd.sends("unknown action")
    await odd.goes_on()


@case("CK-FRM-003", covers={"1.6J 4.2.3", "P4 4.3", "TypeConstraintViolation", "FormatViolation"}, area="frames")
async def test_a_mistyped_payload_is_refused(bench: Bench) -> None:
    """A call with a number where a list belongs is answered with an error about its form; nothing else happens."""
    odd = Oddities(await at_work(bench))
    await odd.sends("mistyped")
    await odd.goes_on()


@case("CK-FRM-004", covers={"1.6J errata 3.1", "P4 4.1.4"}, area="frames")
async def test_a_repeated_call_is_answered_again(bench: Bench) -> None:
    """A call that comes again under its message id, because the CSMS missed the answer, is answered again."""
    odd = Oddities(await at_work(bench))
    await odd.sends_twice()
    await odd.goes_on()


@case("CK-FRM-005", covers={"1.6J 4.2.2", "P4 4.2.2"}, area="frames")
async def test_a_result_nobody_asked_for_disturbs_nothing(bench: Bench) -> None:
    """A result under a message id the station never used is not answered; nothing else happens."""
    odd = Oddities(await at_work(bench))
    await odd.sends("unasked result")
    await odd.goes_on()


@case("CK-FRM-006", covers={"1.6J 4.1.3", "P4 4.1.3", "P4 4.4", "MessageTypeNotSupported"}, area="frames")
async def test_an_unknown_message_type_disturbs_nothing(bench: Bench) -> None:
    """A message of a type nobody knows is ignored, or answered MessageTypeNotSupported where the version wants that; nothing else
    happens."""
    odd = Oddities(await at_work(bench))
    await odd.sends("unknown type")
    await odd.goes_on()
