"""Which rows of an answer cross a rule, and which crossings are over: plain values, no clock and no table."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from ingest.alerting.rules import Rule
from ingest.errors import IngestError
from parsers.values.messages import nearest, visible

MOST_BYTES = 60_000
"""A longer row is not sent: an environment variable holds 128 KiB."""


class Point(NamedTuple):
    """A row of an answer: of which key, when, and what the rule looks at."""

    key: str
    at: datetime
    value: float | None
    row: str


class Crossing(NamedTuple):
    """A value that crossed a rule."""

    rule: Rule
    point: Point

    @property
    def id(self) -> str:
        """What every message about it carries."""
        return f"{self.rule.name}/{self.point.key}/{self.point.at:%Y-%m-%dT%H:%M:%S.%fZ}"


class Last(NamedTuple):
    """The last crossing of a rule and key that is known."""

    id: str
    at: datetime
    cleared_at: datetime | None

    def is_before(self, at: datetime) -> bool:
        """Tell whether *at* is later than all that is known."""
        return at >= (self.cleared_at or self.at)


class Found(NamedTuple):
    """What a check found: the new crossings, which of the known and new ones are over, and how many are not."""

    new: Sequence[Crossing]
    cleared: Mapping[str, datetime]
    still_open: int


def points(rule: Rule, answer: pl.DataFrame, now: datetime) -> list[Point]:
    """Return what *rule* looks at in the rows of *answer*, in the order of time.

    Raises:
        IngestError: The answer has no such column, or one of another kind.
    """
    for column in (*rule.key, *(each for each in (rule.value, rule.at) if each)):
        if column not in answer.columns:
            raise IngestError(f"no column {column!r}{nearest(column, answer.columns)}")
    if rule.value and not answer[rule.value].dtype.is_numeric():
        raise IngestError(f"{rule.value} is no number")
    if rule.at and not answer[rule.at].dtype.is_temporal():
        raise IngestError(f"{rule.at} is no time")
    found = [_point(rule, row, now) for row in answer.iter_rows(named=True) if not rule.at or row[rule.at]]
    return sorted(found, key=lambda point: point.at)


def crossings(rule: Rule, seen: Sequence[Point], known: Mapping[str, Last], now: datetime) -> Found:
    """Return what crosses *rule* in *seen*, as *known* is the last crossing of each key.

    A rule fires once for each key, until its value rests, or the key is no longer in the answer.
    """
    last, new, cleared = dict(known), list[Crossing](), dict[str, datetime]()
    for point in seen:
        before = last.get(point.key)
        if before and not before.is_before(point.at):
            continue
        if before and before.cleared_at is None:
            if rule.rests(point.value):
                cleared[before.id] = point.at
                last[point.key] = before._replace(cleared_at=point.at)
        elif rule.crosses(point.value):
            crossing = Crossing(rule, point)
            if before is None or before.id != crossing.id:
                new.append(crossing)
                last[point.key] = Last(crossing.id, point.at, None)
    present = {point.key for point in seen}
    for key, each in last.items():
        if each.cleared_at is None and key not in present:
            cleared[each.id] = now
            last[key] = each._replace(cleared_at=now)
    return Found(new, cleared, sum(each.cleared_at is None for each in last.values()))


def _point(rule: Rule, row: Mapping[str, Any], now: datetime) -> Point:
    key = " ".join(visible(_text(row[name])) for name in rule.key)
    value = None if rule.value is None or row[rule.value] is None else float(row[rule.value])
    text = json.dumps(row, ensure_ascii=False, default=_plain)
    return Point(key, _utc(row[rule.at]) if rule.at else now, value, text if len(text) < MOST_BYTES else "{}")


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    return str(_plain(value)) if isinstance(value, date | Decimal) else str(value)


def _plain(value: object) -> object:
    """Return *value* as JSON has it: money as a number, times as text."""
    if isinstance(value, Decimal):
        return float(value)
    return _utc(value).isoformat() if isinstance(value, datetime) else str(value)


def _utc(value: date) -> datetime:
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
