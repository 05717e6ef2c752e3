"""The table `llm_calls` of a trading system: from its database, as JSON lines, or as CSV.

    {"id":1041,"pipeline_step_id":88213,"account_id":7,"provider":"anthropic","model":"claude-opus-4-7",
     "role":"execution","input_tokens":10432,"output_tokens":611,"total_tokens":11043,"cost_usd":0.202305,
     "duration_ms":8120,"created_at":"2026-05-01T12:00:00.123456Z"}

Input, output and cost are taken as logged. A `duration_ms` of 0 is the column's default: not measured. The table has
no column for success: a call with output has succeeded, of the others nobody knows. `created_at` is the time after the
call, or of all calls of a run.

Its database has the step that called, `pipeline_steps`, and the run of that: a call read there has the run's number and
the step's name.
"""

import polars as pl

from parsers.blocks.format import Beside, Context, Format, Known, Parsed, Related
from parsers.rows.by_header import Header
from parsers.rows.typed_tables import Columns, json_rows, kept, parsed, typed
from parsers.schema import USD, UTC
from parsers.values.typed import started

COLUMNS: Columns = {
    "id": pl.String,
    "pipeline_step_id": pl.String,
    "account_id": pl.String,
    "provider": pl.String,
    "model": pl.String,
    "role": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "total_tokens": pl.Int64,
    "cost_usd": USD,
    "duration_ms": pl.Float64,
    "created_at": UTC,
    "run_id": pl.String,
    "step_name": pl.String,
}


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of the table."""
    rows, rejects = typed(rows, COLUMNS, required=("model",))
    calls = rows.select(
        "source_offset",
        "created_at",
        "provider",
        "model",
        "role",
        "account_id",
        started_at=started(pl.col("created_at"), _latency_ms()),
        ts_source=pl.when(pl.col("created_at").is_not_null()).then(pl.lit("log")),
        run_id="run_id",
        step_id=pl.coalesce("step_name", "pipeline_step_id"),
        request_tokens="input_tokens",
        response_tokens="output_tokens",
        total_tokens=pl.coalesce(pl.col("input_tokens") + pl.col("output_tokens"), "total_tokens"),
        cost_reported_usd="cost_usd",
        latency_ms=_latency_ms(),
        success=pl.when(pl.col("output_tokens").is_not_null()).then(pl.lit(value=True)),
        request_id="id",
        metadata=kept({"pipeline_step_id": pl.when(pl.col("step_name").is_not_null()).then("pipeline_step_id")}),
        format=pl.lit("trading/llm-calls"),
    )
    return parsed(calls, [rejects])


def calls_from_table(rows: pl.DataFrame, related: Related) -> Parsed:
    """Return the calls of *rows* of the table, of the steps that are *related*."""
    steps = related["pipeline_steps"].rename({"id": "pipeline_step_id"}).unique("pipeline_step_id")
    if steps.is_empty():
        return calls_from_rows(rows)
    return calls_from_rows(rows.join(steps, on="pipeline_step_id", how="left", maintain_order="left"))


def _latency_ms() -> pl.Expr:
    return pl.when(pl.col("duration_ms") > 0).then("duration_ms")


def _parse(records: pl.DataFrame, _context: Context) -> Parsed:
    rows, unread = json_rows(records, COLUMNS)
    result = calls_from_rows(rows)
    return parsed(result.calls, [unread, result.rejects])


FORMAT = Format(
    name="trading",
    title="rows of a trading system's table llm_calls, as JSON lines",
    json=True,
    claims=pl.all_horizontal(
        pl.col("line").str.contains(key, literal=True)
        for key in ('"pipeline_step_id"', '"duration_ms"', '"created_at"', '"input_tokens"')
    ),
    parse=_parse,
    hints=('"pipeline_step_id"',),
)

TABLE = Known(
    name="trading/llm-calls",
    tables=("llm_calls",),
    needs=("id", "provider", "model", "role", "input_tokens", "output_tokens", "duration_ms", "created_at"),
    reads=tuple(c for c in COLUMNS if c not in {"run_id", "step_name"}),
    key="id",
    times=("created_at",),
    read=calls_from_table,
    global_keys=False,
    beside=(Beside("pipeline_steps", "id", "pipeline_step_id", ("id", "run_id", "step_name")),),
)

HEADER = Header(
    "trading/llm-calls",
    (("pipeline_step_id",), ("input_tokens",), ("duration_ms",), ("created_at",)),
    calls_from_rows,
    tuple(COLUMNS),
)
