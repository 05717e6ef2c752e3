"""Hermes' `state.db` (SQLite): one row a session, with the sums of its tokens and what it cost.

The input leaves the cache out, the output the reasoning. `actual_cost_usd` comes before the estimate. A row is the sum
of its session, `hermes/sum`; it changes as the session goes on: the largest counts are the sum.
"""

import polars as pl

from parsers.blocks.format import Known, Parsed, alone
from parsers.rows.calls import Meaning, calls
from parsers.rows.typed_tables import Columns, parsed, typed
from parsers.schema import SESSION

COLUMNS: Columns = dict.fromkeys(
    (
        "id", "source", "user_id", "model", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
        "reasoning_tokens", "billing_provider", "estimated_cost_usd", "actual_cost_usd", "cwd", "api_call_count",
    ),
    pl.String,
)  # fmt: skip

_MEANING = Meaning(
    name="hermes",
    request_includes_cache=False,
    response_includes_reasoning=False,
    requires=(("request_tokens", "response_tokens"),),
    metadata=("source",),
    constants={"variant": "sum", "task": SESSION},
)
_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the sums in *rows* of `sessions`; one that hasn't called yet has none."""
    rows, rejects = typed(rows, COLUMNS)
    sums = rows.filter(pl.max_horizontal(pl.col(name).cast(pl.Int64, strict=False) for name in _COUNTS) > 0).select(
        "source_offset",
        "source_end",
        "line",
        "user_id",
        "model",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
        "source",
        session_id="id",
        project="cwd",
        provider="billing_provider",
        request_tokens="input_tokens",
        response_tokens="output_tokens",
        cost=pl.coalesce(_positive("actual_cost_usd"), "estimated_cost_usd"),
        requests=_positive("api_call_count"),
    )
    made = calls(sums, _MEANING)
    return parsed(made.calls, [rejects, made.rejects])


def _positive(name: str) -> pl.Expr:
    """Return a number that is told: zero is what nobody has counted yet."""
    return pl.when(pl.col(name).cast(pl.Float64, strict=False) > 0).then(name)


TABLE = Known(
    name="hermes/sum",
    tables=("sessions",),
    needs=("id", "model", "started_at", "input_tokens", "output_tokens", "cache_read_tokens", "billing_provider"),
    reads=tuple(COLUMNS),
    key="id",
    times=("ended_at", "started_at"),
    read=alone(calls_from_rows),
    rewritten=True,
)
