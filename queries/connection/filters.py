"""Which calls a user asks about: a span of time in a time zone, and values of some columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from parsers.values.messages import nearest
from queries.errors import WordError

COLUMNS = {
    "model": "model",
    "agent": "agent_id",
    "story": "story_id",
    "session": "session_id",
    "user": "user_id",
    "account": "account_id",
    "role": "role",
    "project": "project",
    "tool": "tool",
    "host": "host",
    "provider": "provider",
}
"""The filters on columns: name of the filter, and its column; `tool` is a part of the column `format`."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(rf"(\d{{1,6}})([{''.join(_UNITS)}])")
_DAYS_AGO = {"today": 0, "yesterday": 1}
_MOMENTS = "a date (2026-02-03, today, yesterday), a time (2026-02-03T14:00) or an age (24h, 7d)"
_LAST = date.max - timedelta(days=2)
"""The last day that ends before the end of time in every zone: who says 9999-12-31 means no end."""


@dataclass(frozen=True)
class Filters:
    """The calls with `since <= created_at < until` whose columns have one of the given values."""

    since: datetime | None
    until: datetime | None
    values: dict[str, list[str] | None]

    def variables(self) -> dict[str, object]:
        """Return the values as the views of the snapshot name them."""
        return {"since": self.since, "until": self.until, **{COLUMNS[k]: v for k, v in self.values.items()}}


def filters(
    *,
    since: str | date | None,
    until: str | date | None,
    zone: ZoneInfo,
    now: datetime,
    **values: str | Sequence[str] | None,
) -> Filters:
    """Read what a user wrote; a date means its midnight in *zone*, and as *until* the whole day."""
    begin = None if since is None else _moment("since", since, zone, now)
    end = None if until is None else _moment("until", until, zone, now, whole_day=True)
    if begin and end and begin >= end:
        raise WordError(f"--since {since} is not before --until {until}, so no call can lie between them")
    return Filters(begin, end, {name: _values(value) for name, value in values.items()})


def zone_called(name: str) -> ZoneInfo:
    """Return the time zone called *name*."""
    if name in {"Factory", "localtime"}:  # Python has them, DuckDB and Polars have not
        raise WordError(f"{name} is no time zone; without one it is the system's")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise WordError(f"no time zone called {name!r}{nearest(name, available_timezones())}") from error


def _moment(option: str, value: str | date, zone: ZoneInfo, now: datetime, *, whole_day: bool = False) -> datetime:
    if isinstance(value, datetime):
        return _utc(value, zone)
    if isinstance(value, date):
        return _midnight(value, zone, whole_day=whole_day)
    if (days := _DAYS_AGO.get(value.lower())) is not None:
        return _midnight(now.astimezone(zone).date() - timedelta(days), zone, whole_day=whole_day)
    try:
        if age := _AGE.fullmatch(value):
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        # ISO forms of a date have ten characters or fewer; everything longer has a time.
        if len(value) <= len("2026-02-03"):
            return _midnight(date.fromisoformat(value), zone, whole_day=whole_day)
        return _utc(datetime.fromisoformat(value), zone)
    except (ValueError, OverflowError) as error:
        raise WordError(f"--{option} takes {_MOMENTS}, not {value!r}") from error


def _midnight(day: date, zone: ZoneInfo, *, whole_day: bool) -> datetime:
    day = min(day, _LAST) + timedelta(days=whole_day)
    return _utc(datetime(day.year, day.month, day.day), zone)  # noqa: DTZ001 - the zone comes next


def _utc(moment: datetime, zone: ZoneInfo) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def _values(value: str | Sequence[str] | None) -> list[str] | None:
    if value is None or not value:
        return None
    return [value] if isinstance(value, str) else list(value)
