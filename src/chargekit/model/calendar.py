"""Virtual seconds and civil time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Calendar:
    """Maps run time (`now`, seconds since the start of the run) to UTC and to the site's zone.

    `epoch` is the UTC instant of `now == 0`; it must carry a time zone.
    """

    epoch: datetime
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.epoch.tzinfo is None:
            raise ValueError("Calendar.epoch needs a time zone")

    def utc(self, now: float) -> datetime:
        return self.epoch.astimezone(UTC) + timedelta(seconds=now)

    def local(self, now: float) -> datetime:
        return self.utc(now).astimezone(ZoneInfo(self.zone))

    def iso(self, now: float) -> str:
        """RFC 3339 in UTC with milliseconds and `Z`, as OCPP writes it."""
        return self.utc(now).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def now_of(self, moment: datetime) -> float:
        """Run time of an instant; a naive datetime is taken as UTC (1.6 chargers send those)."""
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - self.epoch).total_seconds()

    def parse(self, text: str) -> float:
        """Run time of an RFC 3339 text. ValueError if it can't be read."""
        return self.now_of(datetime.fromisoformat(text))
