"""What time it was where a bot wrote local times without saying which zone.

Its rows also carry the time at which the database stored them, in UTC. Stored at once, the two
differ by the offset of the zone: a multiple of a quarter of an hour.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alpha.imports.rows import BadValue, SourceRow, Unreadable

_QUARTER = timedelta(minutes=15)
_STORED_WITHIN = timedelta(seconds=90)
_FARTHEST = timedelta(hours=14)
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")


def zone_named(text: str) -> tzinfo:
    """`UTC`, `Europe/Athens` or `+03:00`. Raises ValueError saying so."""
    found = _OFFSET.fullmatch(text)
    if found is not None:
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        if offset <= _FARTHEST:
            return timezone(offset if found[1] == "+" else -offset)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"expected a time zone such as UTC, Europe/Athens or +03:00, was {text!r}"
        ) from None


class LocalTimes:
    """Turns local times into UTC: by the zone that was told, else by the offset seen in the row
    that is nearest in time."""

    def __init__(self, told: tzinfo | None) -> None:
        self._told = told
        self._seen: list[tuple[datetime, timedelta]] = []

    def learn(self, rows: Iterable[SourceRow], column: str) -> None:
        """Looks at rows with a local time in `column` and UTC in `created_at`."""
        for row in rows:
            try:
                local, stored = row.written(column), row.moment("created_at").replace(tzinfo=None)
            except BadValue:
                continue
            if local.tzinfo is not None:
                continue
            offset = round((local - stored) / _QUARTER) * _QUARTER
            if abs(local - stored - offset) <= _STORED_WITHIN and abs(offset) <= _FARTHEST:
                self._seen.append((local, offset))
        self._seen.sort()

    def moment(self, row: SourceRow, column: str) -> datetime:
        """UTC. Raises BadValue, and Unreadable when nothing tells the zone."""
        local = row.written(column)
        if local.tzinfo is not None:
            return local.astimezone(UTC)
        return row.moment(column, self._told or self._nearest(row, local))

    def _nearest(self, row: SourceRow, local: datetime) -> tzinfo:
        if not self._seen:
            raise Unreadable(
                f"{row.table} {row.place}: expected created_at to tell the zone of the local "
                "times, it does not; say --source-tz; nothing was changed"
            )
        at = bisect_left(self._seen, (local, timedelta.min))
        near = self._seen[max(0, at - 1) : at + 1]
        return timezone(min(near, key=lambda seen: abs(seen[0] - local))[1])

    def notes(self) -> list[str]:
        """What was seen, for the report."""
        counts = Counter(_named(offset) for _, offset in self._seen)
        seen = ", ".join(f"{name} in {count} rows" for name, count in sorted(counts.items()))
        if self._told is None:
            return [f"local times are those of {seen}, as created_at shows"] if seen else []
        others = [
            local
            for local, offset in self._seen
            if local.replace(tzinfo=self._told).utcoffset() != offset
        ]
        if not others:
            return []
        return [f"local times are taken as told; created_at of {len(others)} rows shows {seen}"]


def _named(offset: timedelta) -> str:
    return datetime(2000, 1, 1, tzinfo=timezone(offset)).strftime("UTC%z") if offset else "UTC"
