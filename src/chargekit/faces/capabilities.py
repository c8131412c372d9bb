"""Who sends and who answers each message of a version, as lines for people: `chargekit station --capabilities` and docs/protocol.md."""

from __future__ import annotations

from dataclasses import dataclass

from chargekit.controller import answers
from chargekit.emulator import capabilities
from chargekit.wire import VERSIONS, codec, schemas

BY_ITSELF = frozenset({"CertificateSigned"})
"""What the controller sends by itself outside the vocabulary."""


@dataclass(frozen=True, slots=True)
class Line:
    """`sender`: whose message it is by the texts: `station`, `CSMS` or `both`. The others: what our side does with it."""

    action: str
    sender: str
    station: str
    csms: str


def lines(version: str) -> list[Line]:
    """Every message of a version, by name. ValueError for another version."""
    return [
        Line(action, sender_of(version, action), _station(version, action), _csms(version, action))
        for action in sorted(schemas.actions(version))
    ]


def sender_of(version: str, action: str) -> str:
    told, asked = action in answers.answered(version), action in capabilities.answered(version)
    return "both" if told and asked else "station" if told else "CSMS"


def _station(version: str, action: str) -> str:
    words = []
    if action in answers.answered(version):
        when = capabilities.SENDS.get(action)
        words.append(f"sends: {when}" if when is not None else "never sends")
    if action in capabilities.answered(version):
        words.append(f"answers: {capabilities.answered_by(version, action)}")
    else:
        words.append(f"called, {capabilities.refused(version)[action]}")
    return "; ".join(words)


def _csms(version: str, action: str) -> str:
    words = []
    if action in capabilities.answered(version):
        plain = action in codec(version).COMMANDS or action in BY_ITSELF
        words.append("sends" if plain else "sends the payload it is given")
    if action not in answers.answered(version):
        words.append("called, NotSupported")
    else:
        row = answers.row_of(version, action)
        words.append(f"answers: {row.how} ({row.clause})" if action not in schemas.sends(version) else f"{row.how} ({row.clause})")
    return "; ".join(words)


def show(version: str | None) -> None:
    """Print the station's side of one version, or of all."""
    from chargekit.faces.tables import show_table

    for one in [version] if version else VERSIONS:
        show_table(("message", "sent by", "the station"), [(n.action, n.sender, n.station) for n in lines(one)], title=f"OCPP {one}")
