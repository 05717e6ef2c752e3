"""The function `replay` of the report `limits`: a list of calls → how near they came to a limit, for DuckDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import polars as pl
from duckdb.func import ARROW, SPECIAL
from duckdb.sqltypes import BIGINT, DOUBLE

from queries import buckets

_FIELDS = {
    "fixed_peak": BIGINT,
    "rolling_peak": BIGINT,
    "largest_call": BIGINT,
    "throttled_calls": BIGINT,
    "max_wait_s": DOUBLE,
    "total_wait_s": DOUBLE,
    "limit_for_none": BIGINT,
    "limit_for_one_percent": BIGINT,
}


@contextmanager
def replaying(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Give *connection* the function while a report runs; it is dear to keep, and complains when Python ends."""
    numbers = duckdb.list_type(BIGINT)
    answers = duckdb.list_type(duckdb.struct_type(_FIELDS))
    connection.create_function(
        "replay", _replay, [numbers, numbers, numbers, BIGINT], answers, type=ARROW, null_handling=SPECIAL
    )
    try:
        yield
    finally:
        connection.remove_function("replay")


def _replay(
    instants: Any, first: Any, second: Any, limits: Any
) -> Any:  # Arrow arrays in, one out: pyarrow has no types
    import pyarrow as pa

    answers = [
        _answers(pl.Series(when.values), [pl.Series(a.values) for a in asked if a.values], limit.as_py())
        for when, limit, *asked in zip(instants, limits, first, second, strict=True)
    ]
    fields = [(name, pa.int64() if kind == BIGINT else pa.float64()) for name, kind in _FIELDS.items()]
    return pa.array(answers, pa.list_(pa.struct(fields)))


def _answers(instants: pl.Series, amounts: list[pl.Series], limit: int | None) -> list[dict[str, float | None]]:
    """Answer for each of *amounts*, and last for the number of calls."""
    frame = pl.DataFrame([instants.alias("at"), *(asked.alias(f"{n}") for n, asked in enumerate(amounts))]).sort("at")
    requests = pl.lit(1, pl.Int64)
    return [_answer(buckets.in_order(frame, asked), limit) for asked in [*map(pl.col, frame.columns[1:]), requests]]


def _answer(calls: pl.DataFrame, limit: int | None) -> dict[str, float | None]:
    fixed, rolling = buckets.peaks(calls)
    largest: int = calls.select(pl.col("asked").max()).item()
    answer: dict[str, float | None] = dict.fromkeys(_FIELDS)
    answer |= {"fixed_peak": fixed, "rolling_peak": rolling, "largest_call": largest}
    if limit:
        seconds = buckets.waits(calls, limit).to_list()
        answer |= {
            "throttled_calls": len(seconds),
            "max_wait_s": max(seconds, default=0.0),
            "total_wait_s": sum(seconds),
        }
    elif rolling:
        # A limit as high as the rolling peak is enough: n minutes hold at most n peaks.
        # In less than a minute a bucket gives less than twice its limit, and never more than it to one call.
        surely = max(largest, -(-rolling // 2)) - 1
        none = buckets.smallest_limit(calls, may_wait=0, at_most=rolling, more_than=surely)
        few = buckets.smallest_limit(calls, may_wait=calls.height // 100, at_most=none)
        answer |= {"limit_for_none": none, "limit_for_one_percent": few}
    return answer
