"""agentic-runtime's table `steps` (SQLite `runtime.db`): one row per step, which may be many calls.

Columns were added over time: at first there was no usage, then `token_usage_json`, later `model_name` and `cost_usd`.
The usage is a sum over the turns of the step by each provider's own keys, so a step that used two providers adds both.
`model_name` is the model of the last turn. Only steps that called a model and have ended are rows: those of agents
(once called `model`), and whatever has usage. A failed step has lost its usage: NULL. `latency_ms` covers the whole
step, its tools included, and `attempt` is how many it took. `grain` in `metadata` is `step`.
"""

import polars as pl

from parsers.blocks.format import Known, Parsed, alone
from parsers.jsonl.decode import decode
from parsers.rows.by_header import Header
from parsers.rows.token_counts import TOKEN_COLUMNS
from parsers.rows.typed_tables import Columns, kept, parsed, typed
from parsers.rows.usage_objects import USAGE_DTYPE, details, summed_tokens
from parsers.schema import USD, UTC
from parsers.values.providers import provider_of

COLUMNS: Columns = {
    "id": pl.String,
    "run_id": pl.String,
    "step_id": pl.String,
    "type": pl.String,
    "status": pl.String,
    "error": pl.String,
    "last_error": pl.String,
    "execution_index": pl.Int64,
    "started_at": UTC,
    "finished_at": UTC,
    "duration_ms": pl.Float64,
    "handler_duration_ms": pl.Float64,
    "tool_duration_ms": pl.Float64,
    "attempts": pl.Int64,
    "token_usage_json": pl.String,
    "model_name": pl.String,
    "cost_usd": USD,
}
_OPEN = ("PENDING", "RUNNING")


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the steps among *rows* that called a model, as calls."""
    rows, rejects = typed(rows, COLUMNS)
    used = pl.any_horizontal(pl.col(name).is_not_null() for name in ("token_usage_json", "model_name", "cost_usd"))
    ours = used | pl.col("type").is_in(["agent", "model"])
    ended = ~pl.col("status").is_in(_OPEN).fill_null(value=False)
    rows = rows.filter((ours & ended).fill_null(value=False))
    text = pl.coalesce("token_usage_json", pl.lit("{}"))
    usage, unread = decode(rows.with_columns(line=text, row="line"), USAGE_DTYPE)
    rejects = pl.concat([rejects, _with_row(unread, rows)])
    return parsed(_calls(usage.rename({"record": "usage"})), [rejects])


def _calls(rows: pl.DataFrame) -> pl.DataFrame:
    rows = summed_tokens(rows, "usage")
    status = pl.col("status")
    failed = status == "FAILED"
    error = pl.coalesce("error", "last_error")
    return rows.select(
        *("source_offset", "started_at", "run_id", "step_id"),
        *TOKEN_COLUMNS,
        created_at="finished_at",
        ts_source=pl.when(pl.col("finished_at").is_not_null()).then(pl.lit("log")),
        provider=provider_of(pl.col("model_name")),
        model="model_name",
        cost_reported_usd="cost_usd",
        latency_ms="duration_ms",
        success=pl.when(failed)
        .then(pl.lit(value=False))
        .when(status.is_in(["COMPLETED", "SUCCEEDED"]))
        .then(pl.lit(value=True)),
        error=pl.when(failed).then(error),
        error_type=pl.when(failed).then(error.str.extract(r"^([A-Za-z_][\w.]*): ", 1)),
        attempt=pl.col("attempts").cast(pl.Int32, strict=False),
        request_id="id",
        metadata=kept(_metadata()),
        format=pl.lit("agentic-runtime/steps"),
    )


def _metadata() -> dict[str, pl.Expr]:
    succeeded = pl.col("status") != "FAILED"
    return {
        "grain": pl.lit("step"),
        "step_type": pl.col("type"),
        "execution_index": pl.col("execution_index"),
        "last_error": pl.when(succeeded).then("last_error"),
        "handler_duration_ms": pl.col("handler_duration_ms"),
        "tool_duration_ms": pl.col("tool_duration_ms"),
        **details(pl.col("usage")),
    }


def _with_row(unread: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rejects of the usage column with the whole row as their record."""
    whole = rows.select("source_offset", whole="line")
    columns = unread.columns
    return unread.join(whole, on="source_offset", how="left").with_columns(line="whole").select(columns)


TABLE = Known(
    name="agentic-runtime/steps",
    tables=("steps",),
    needs=("id", "run_id", "step_id", "type", "status", "started_at", "finished_at"),
    reads=tuple(COLUMNS),
    key="id",
    times=("finished_at", "started_at"),
    read=alone(calls_from_rows),
    rewritten=True,
    finished="\"status\" not in ('PENDING', 'RUNNING')",
)

HEADER = Header(
    "agentic-runtime/steps",
    (("run_id",), ("step_id",), ("execution_index",), ("attempts",)),
    calls_from_rows,
    tuple(COLUMNS),
)
