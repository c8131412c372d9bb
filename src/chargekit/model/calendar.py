"""Virtual seconds and civil time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
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
        if aware.tzinfo is self.epoch.tzinfo:
            # Two times of one zone are subtracted by the clock on the wall: an hour off over a shift of it.
            aware = aware.astimezone(UTC)
            return (aware - self.epoch.astimezone(UTC)).total_seconds()
        return (aware - self.epoch).total_seconds()

    def parse(self, text: str) -> float:
        """Run time of an RFC 3339 text. ValueError if it can't be read."""
        return self.now_of(datetime.fromisoformat(text))

    def offset_s(self, now: float) -> float:
        """How far the zone's wall clock is ahead of UTC; 0 where there is no such date."""
        try:
            return _offset_s(self.utc(now), self.zone)
        except (OverflowError, ValueError):
            return 0.0

    def next_shift(self, now: float) -> float:
        """When the wall clock is next put forward or back; where that is more than a year away, a time before it."""
        later = now + 365.0 * 86_400.0
        try:
            at = self.utc(now)
            for year in (at.year, at.year + 1):
                for shift in _shifts(self.zone, year):
                    if shift > at:
                        return (shift - self.epoch).total_seconds()
        except (OverflowError, ValueError):
            pass
        return later


def _offset_s(at: datetime, zone: str) -> float:
    found = at.astimezone(ZoneInfo(zone)).utcoffset()
    return found.total_seconds() if found is not None else 0.0


@lru_cache(maxsize=256)
def _shifts(zone: str, year: int) -> tuple[datetime, ...]:
    """The instants of a year at which the zone's offset changes, to the second."""
    found = []
    day, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while day < end:
        low, high = day, day + timedelta(days=1)
        if _offset_s(low, zone) != _offset_s(high, zone):
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=int((high - low).total_seconds() / 2))
                if _offset_s(middle, zone) == _offset_s(low, zone):
                    low = middle
                else:
                    high = middle
            found.append(high)
        day += timedelta(days=1)
    return tuple(found)
