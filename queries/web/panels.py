"""What the page asks: its filters → the question of each panel, as addresses that are answered alike on disk."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import duckdb

from queries.answers import reports as saved
from queries.connection import connect
from queries.web import question as questions
from queries.web.question import Question

BY = ("model", "provider", "agent", "project", "user", "role", "tool", "host", "story", "session", "run")
"""What cost can be ranked by; the first of them are few enough to be stacked."""

_STACKED = BY[:7]
_PICKED = ("model", "agent", "project", "user", "provider")
"""The filters that the page offers values for."""

_GRAINS = {"hour": timedelta(days=4), "day": timedelta(days=120), "week": timedelta(days=800)}
"""The span up to which a picture of each grain has columns that can be told apart; longer ones are by month."""

_POINTS = 720
_EVERY = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720, 1440)
MOST_CALLS = 200
_ROWS = {"ranking": 25, "values": 300, "lines": 100, "points": 60_000}

Plan = dict[str, Any]  # as the page takes it: JSON


def plan(connection: duckdb.DuckDBPyConnection, asked: Question, warehouse: str) -> Plan:
    """Return which questions answer *asked*, a question without a report, over what *connection* sees."""
    usage = saved.run(connection, "usage").frame
    first, last = usage.select("first_at", "last_at").row(0) if usage.height else (None, None)
    span = last - first if first else timedelta(0)
    every = next((minutes for minutes in _EVERY if span / timedelta(minutes=minutes) <= _POINTS), _EVERY[-1])
    ((since, until),) = connection.execute(
        "select getvariable('filters').since, getvariable('filters').until"
    ).fetchall()
    return {
        "warehouse": warehouse,
        "filters": {name: list(values) for name, values in asked.filters},
        "zone": connect.zone(connection),
        "nothing": connect.why_nothing(connection, warehouse),
        "from": (since or first) and (since or first).isoformat(),
        "to": (until or last) and (until or last).isoformat(),
        "every": every,
        "usage": asked.about("usage").address,
        "tpm": asked.about("tpm").address,
        "series": asked.about("tpm-series", rows=_ROWS["points"], every=str(every)).address,
        "burst": asked.about("burst", rows=MOST_CALLS).address,
        "headroom": asked.about("headroom").address,
        "told": asked.about("rate-limited", rows=MOST_CALLS).address,
        "by": list(BY),
        "stacked": {
            by: {grain: _over_time(asked, by, grain).address for grain in (*_GRAINS, "month")} for by in _STACKED
        },
        "grain": next((grain for grain, most in _GRAINS.items() if span <= most), "month"),
        "ranking": {by: asked.about("cost-by", rows=_ROWS["ranking"], by=by).address for by in BY},
        "periods": [_period(asked, name, begin, last) for name, begin in _begins(last)],
        "performance": asked.about("performance", rows=_ROWS["lines"]).address,
        "unpriced": asked.about("unpriced", rows=_ROWS["lines"]).address,
        "limits": asked.about("limits").address,
        "errors": asked.about("errors", rows=_ROWS["lines"]).address,
        "retries": asked.about("retries", rows=_ROWS["lines"]).address,
        "coverage": asked.about("coverage", rows=_ROWS["lines"]).address,
        "values": {name: _values(asked, name).address for name in _PICKED},
    }


def _over_time(asked: Question, by: str, grain: str) -> Question:
    return asked.about("cost-over-time", rows=_ROWS["points"], by=by, grain=grain)


def _values(asked: Question, name: str) -> Question:
    """Return the question which values a filter may take: those in the window, whatever else is filtered."""
    window = tuple((key, values) for key, values in asked.filters if key in questions.ONCE)
    return replace(asked, filters=window).about("cost-by", rows=_ROWS["values"], by=name)


def _begins(last: datetime | None) -> Iterator[tuple[str, datetime]]:
    """Yield the day, the week and the month of the *last* call, and when each begins by its clock."""
    if last is None:
        return
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
    yield "day", midnight
    yield "week", midnight - timedelta(days=midnight.weekday())
    yield "month", midnight.replace(day=1)


def _period(asked: Question, name: str, begin: datetime, last: datetime | None) -> Plan:
    """Return the questions about a period: it begins where the calendar says, and the window ends it."""
    day = begin.date().isoformat()
    of_period = replace(asked, filters=tuple(sorted({**dict(asked.filters), "since": (day,)}.items())))
    return {
        "name": name,
        "begin": day,
        "today": last is not None and last.date() == datetime.now(last.tzinfo).date(),
        "usage": of_period.about("usage").address,
        "providers": of_period.about("cost-by", rows=_ROWS["lines"], by="provider").address,
    }
