"""The table `replays` of the report `limits`: how near the calls of each provider and model came to its limits."""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files as resources
from typing import Any, NamedTuple

import duckdb
import numpy as np
import polars as pl

from queries.answers import token_buckets
from queries.connection.frames import create, frame
from queries.connection.own_limits import WINDOWS, Limit, Limits
from queries.errors import WordError

_ANSWERS: dict[str, type[pl.DataType]] = {
    "fixed_peak": pl.Int64,
    "rolling_peak": pl.Int64,
    "largest_call": pl.Int64,
    "throttled_calls": pl.Int64,
    "max_wait_s": pl.Float64,
    "total_wait_s": pl.Float64,
    "limit_for_none": pl.Int64,
    "limit_for_one_percent": pl.Int64,
}
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "provider": pl.String,
    "model": pl.String,
    "counts": pl.String,
    "counted": pl.String,
    "calls": pl.Int64,
    "failed_calls": pl.Int64,
    "charge": pl.String,
    "replayed_limit": pl.Int64,
    "stated_at": pl.Datetime("us", "UTC"),
    "limit_window": pl.String,
    "rules_as_of": pl.Date,
    **_ANSWERS,
}

_MODELS = (resources("queries") / "rated_models.sql").read_text(encoding="utf-8")
_DEMANDS = (resources("queries") / "rate_demands.sql").read_text(encoding="utf-8")
_BATCH = 1_000_000

Row = dict[str, Any]


@contextmanager
def replaying(connection: duckdb.DuckDBPyConnection, bound: Mapping[str, Any]) -> Iterator[None]:
    """Give *connection* the table while a report runs that takes the parameters `limit`, `charge`, `window`."""
    limit, charge, window = bound.get("limit"), bound.get("charge") or "end", bound.get("window")
    if limit is not None and int(limit) < 1:
        raise WordError(f"parameter limit takes a whole number from 1 on, not {limit}")
    if charge not in {"start", "end"}:
        raise WordError(f"parameter charge takes start or end of the call, not {charge!r}")
    if window not in {None, *WINDOWS}:
        raise WordError(f"parameter window takes bucket or fixed, not {window!r}")
    own = Limits([Limit(*row) for row in frame(connection.table("own_limits")).rows()])
    asked = _Asked(limit and int(limit), window, own, {} if limit else _stated(connection))
    rows = replays(connection, asked, charge)
    create(connection, "replays", pl.DataFrame(rows, schema=_SCHEMA))
    try:
        yield
    finally:
        connection.execute("drop table replays")


Stated = dict[tuple[str | None, str, str], tuple[int, datetime]]
"""The limits that providers stated, and when, by provider, model and dimension."""


class _Asked(NamedTuple):
    """Which limits to replay: the one *given* for all, else the account's *own*, else what was *stated*."""

    given: int | None
    window: str | None
    own: Limits
    stated: Stated

    def of(self, model: Row, counts: str) -> Row:
        """Return the limit of *model* on what *counts* says, if there is one, its window, and when it was stated."""
        own = self.own.of(model["provider"], model["model"], counts)
        limit, stated_at = self.given or (own and own.a_minute), None
        if limit is None:
            limit, stated_at = self.stated.get((model["provider"], model["model"], counts), (None, None))
        window = self.window or (own.window if own else "bucket")
        return {"replayed_limit": limit, "limit_window": window, "stated_at": stated_at}


def replays(connection: duckdb.DuckDBPyConnection, asked: _Asked, charge: str) -> list[Row]:
    """Return a row for each provider, model and rule that has calls, at the limits that are *asked* about."""
    connection.sql(_MODELS).create("rated")
    try:
        models = frame(connection.table("rated").order("id")).to_dicts()
        called = _by_model(connection, charge, [len(model["names"]) for model in models])
    finally:
        connection.execute("drop table rated")
    # As many models at once as cores, as each takes memory; all are in order, and smaller, before one is replayed.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        numbers = sorted((i for i in range(len(models)) if called[i].count), key=lambda i: called[i].count)
        list(threads.map(lambda i: called[i].put_in_order(), numbers))
        tasks = {i: threads.submit(_replayed, models[i], called[i], asked) for i in reversed(numbers)}
        rows = [row for i in sorted(tasks) for row in tasks[i].result()]
    return [row | {"charge": charge} for row in rows]


def _stated(connection: duckdb.DuckDBPyConnection) -> Stated:
    rows = frame(connection.sql("select provider, model, dimension, limit_value, stated_at from stated_limits")).rows()
    found: Stated = {(provider, model, dimension): (limit, at) for provider, model, dimension, limit, at in rows}
    # Google calls the tokens of a minute that it limits input tokens, as no others count.
    return {(p, m, "TPM" if p == "google" and d == "ITPM" else d): said for (p, m, d), said in found.items()}


class Calls:
    """The calls of one model: how many, their instants, their places in sources, and what they ask for by each rule."""

    def __init__(self, rules: int) -> None:
        self.count = self.failed = 0
        kinds = (np.int64, np.uint32, *[np.int32] * rules)
        self._columns: list[token_buckets.Array] = [np.zeros(0, kind) for kind in kinds]

    @property
    def at(self) -> token_buckets.Array:
        """The instants."""
        return self._columns[0]

    @property
    def asked(self) -> list[token_buckets.Array]:
        """What each asks for, by each rule."""
        return self._columns[2:]

    def add(self, columns: Sequence[token_buckets.Array], failed: int) -> None:
        """Add the calls of *columns*. What is there grows where it lies: to put parts together takes them twice."""
        begin, end = self.count, self.count + len(columns[0])
        for n, values in enumerate(columns):
            kept = self._columns[n]
            if int(values.max()) > np.iinfo(kept.dtype).max:  # no call of now asks for two billion tokens
                kept = self._columns[n] = kept.astype(np.int64)
            if end > len(kept):
                kept.resize(end + end // 4, refcheck=False)
            kept[begin:end] = values
        self.count, self.failed = end, self.failed + failed

    def put_in_order(self) -> None:
        """Put them in order of time, one column after the other, as they may be a hundred million.

        Those of one instant keep the order of their source; where that doesn't tell, of two sources, the smaller one
        comes first. So the answer is the same in whatever order threads brought them.
        """
        columns = self._columns
        for column in columns:
            column.resize(self.count, refcheck=False)
        if np.any(columns[0][1:] < columns[0][:-1]):
            by_time = np.argsort(columns[0], kind="stable")
            for n, column in enumerate(columns):
                columns[n] = column[by_time]
        same = columns[0][1:] == columns[0][:-1]
        if same.any():
            at_once = np.flatnonzero(np.append(same, False) | np.append(False, same))
            ordered = at_once[np.lexsort([column[at_once] for column in reversed(columns)])]
            for column in columns:
                column[at_once] = column[ordered]


def _replayed(model: Row, calls: Calls, limits: _Asked) -> list[Row]:
    """Return a row for each rule of *model*, which had these *calls*."""
    at = calls.at
    thirds = token_buckets.thirds_of(at)
    each = np.ones(len(at), np.int8)
    names = zip([*model["names"], "RPM"], [*model["meanings"], "requests"], [*calls.asked, each], strict=True)
    known = {name: model[name] for name in ("provider", "model", "rules_as_of")}
    known |= {"calls": calls.count - calls.failed, "failed_calls": calls.failed}
    rows = []
    for counts, counted, one in names:
        rule = {"counts": counts, "counted": counted} | limits.of(model, counts)
        limit, window = rule["replayed_limit"], rule["limit_window"]
        rows.append(known | rule | _answer(at, one, thirds, limit, window, smallest=limits.given is None))
    return rows


def _by_model(connection: duckdb.DuckDBPyConnection, charge: str, rules: list[int]) -> list[Calls]:
    """Return the calls of each model, of which *rules* has how many rules say what it asks for."""
    called = [Calls(count) for count in rules]
    for batch in connection.sql(_DEMANDS, params={"charge": charge}).to_arrow_reader(_BATCH):
        ids, failed, *columns = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
        # Small numbers are sorted by counting them.
        order = np.argsort(ids.astype(np.min_scalar_type(len(rules))), kind="stable")
        counts, failures = (np.bincount(some, minlength=len(rules)).tolist() for some in (ids, ids[failed]))
        ordered = [column[order] for column in columns]
        begin = 0
        for calls, count, lost, asked in zip(called, counts, failures, rules, strict=True):
            if count:
                calls.add([column[begin : begin + count] for column in ordered[: 2 + asked]], lost)
            begin += count
    return called


def _answer(  # noqa: PLR0913 # what a rule says
    at: token_buckets.Array,
    asked: token_buckets.Array,
    thirds: tuple[token_buckets.Array, token_buckets.Array],
    limit: int | None,
    window: str,
    *,
    smallest: bool,
) -> Row:
    fixed, rolling = token_buckets.peaks(at, asked, thirds)
    answer: Row = dict.fromkeys(_ANSWERS)
    # A count that begins anew each minute is a bucket that is filled at the beginning of each minute.
    filled = at - at % token_buckets.MINUTE if window == "fixed" else at
    answer |= {"fixed_peak": fixed, "rolling_peak": rolling, "largest_call": int(asked.max())}
    if limit:
        found = token_buckets.waiting(filled, asked, limit)
        seconds = found.until_next_minute(limit, at) if window == "fixed" else found.seconds(limit)
        answer["throttled_calls"] = len(seconds)
        answer["max_wait_s"] = float(seconds.max(initial=0.0))
        answer["total_wait_s"] = float(seconds.sum())
    if smallest and rolling:
        answer["limit_for_none"], answer["limit_for_one_percent"] = token_buckets.smallest_limits(filled, asked)
    return answer
