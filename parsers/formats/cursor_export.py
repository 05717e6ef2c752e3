"""Cursor's usage export, CSV: one row a call.

    Date,Kind,Model,Max Mode,Input (w/ Cache Write),Input (w/o Cache Write),Cache Read,Output Tokens,Total Tokens,Cost
    "2026-05-01T10:00:00.000Z","Included","claude-4.5-sonnet","No","1000","200","5000","300","6500","0.05"

`Total Tokens` says how the columns add up: the two inputs, the cache and the output; so the prompt is the first three,
and the first is what was written to the cache. Older exports lack `Kind` and `Max Mode`, have `Cost to you`, write
`$0.10`, and days instead of times. What a plan includes has a cost as well: what it would have been.
"""

import polars as pl

from parsers.blocks.format import Parsed
from parsers.rows.by_header import Header
from parsers.rows.typed_tables import Columns, kept, parsed, typed
from parsers.schema import UTC
from parsers.values.providers import provider_of
from parsers.values.typed import usd

_WRITTEN, _PLAIN, _READ = "Input (w/ Cache Write)", "Input (w/o Cache Write)", "Cache Read"

COLUMNS: Columns = {
    "Date": UTC,
    "User": pl.String,
    "Kind": pl.String,
    "Model": pl.String,
    "Max Mode": pl.String,
    _WRITTEN: pl.Int64,
    _PLAIN: pl.Int64,
    _READ: pl.Int64,
    "Output Tokens": pl.Int64,
    "Output": pl.Int64,
    "Total Tokens": pl.Int64,
    "Total": pl.Int64,
    "Cost": pl.String,
    "Cost ($)": pl.String,
}


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of the export."""
    is_day = pl.col("Date").str.contains(r"^\d{4}-\d\d-\d\d$")
    rows = rows.with_columns(Date=pl.when(is_day).then(pl.col("Date") + "T00:00:00Z").otherwise("Date"))
    rows, rejects = typed(rows, COLUMNS, required=("Date", "Model"))
    request = pl.sum_horizontal(_WRITTEN, _PLAIN, _READ)
    response = pl.coalesce("Output Tokens", "Output")
    cost = usd(pl.coalesce("Cost", "Cost ($)").str.replace_all(r"[$,\s]", "").cast(pl.Float64, strict=False))
    calls = rows.select(
        "source_offset",
        created_at="Date",
        ts_source=pl.lit("log"),
        user_id="User",
        provider=provider_of(pl.col("Model")),
        model="Model",
        request_tokens=request,
        cache_read_tokens=_READ,
        cache_write_tokens=_WRITTEN,
        response_tokens=response,
        total_tokens=pl.coalesce(request + response, "Total Tokens", "Total"),
        token_source=pl.lit("provider"),
        cost_reported_usd=pl.when(cost != 0).then(cost),
        success=~pl.col("Kind").str.contains("(?i)error").fill_null(value=False),
        metadata=kept({"kind": pl.col("Kind"), "max_mode": pl.col("Max Mode")}),
        format=pl.lit("cursor/csv"),
    )
    return parsed(calls, [rejects])


HEADER = Header("cursor/csv", (("Date",), ("Model",), (_PLAIN,), (_READ,)), calls_from_rows, tuple(COLUMNS))
