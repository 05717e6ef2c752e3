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
    connection.create_function(
        "replay",
        _replay,
        [numbers, numbers, BIGINT],
        duckdb.struct_type(_FIELDS),
        type=ARROW,
        null_handling=SPECIAL,
    )
    try:
        yield
    finally:
        connection.remove_function("replay")


def _replay(instants: Any, amounts: Any, limits: Any) -> Any:  # Arrow arrays in, one out: pyarrow has no types
    import pyarrow as pa

    rows = [
        _answer(pl.Series(when.values), pl.Series(what.values), limit.as_py())
        for when, what, limit in zip(instants, amounts, limits, strict=True)
    ]
    return pa.array(rows, pa.struct([(n, pa.int64() if t == BIGINT else pa.float64()) for n, t in _FIELDS.items()]))


def _answer(instants: pl.Series, amounts: pl.Series, limit: int | None) -> dict[str, float | None]:
    if len(amounts) < len(instants):  # requests: each asks for the same
        amounts = pl.repeat(amounts[0], len(instants), dtype=pl.Int64, eager=True)
    calls = buckets.in_order(instants, amounts)
    peak = buckets.rolling_peak(calls)
    answer: dict[str, float | None] = dict.fromkeys(_FIELDS)
    largest: int = calls.select(pl.col("asked").max()).item()
    answer |= {"fixed_peak": buckets.fixed_peak(calls), "rolling_peak": peak, "largest_call": largest}
    if limit:
        waits = buckets.waits(calls, limit)
        seconds = waits.to_list()
        answer |= {
            "throttled_calls": len(seconds),
            "max_wait_s": max(seconds, default=0.0),
            "total_wait_s": sum(seconds),
        }
    elif peak:
        # A limit as high as the rolling peak is enough: n minutes hold at most n peaks.
        none = buckets.smallest_limit(calls, may_wait=0, at_most=peak)
        few = buckets.smallest_limit(calls, may_wait=calls.height // 100, at_most=none)
        answer |= {"limit_for_none": none, "limit_for_one_percent": few}
    return answer
