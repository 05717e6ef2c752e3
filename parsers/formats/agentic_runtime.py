"""agentic-runtime's log on standard output and its `debug_events.jsonl`: JSON lines without any time.

    {"event": "LLM_SUCCESS", "provider": "openai", "model": "gpt-4o-mini", "run_id": "0b0f", "step_id": "draft",
     "usage": {"prompt_tokens": 812, "completion_tokens": 96, "total_tokens": 908}}
    {"event": "STEP_RETRY", "payload": {"run_id": "0b0f", "step_id": "draft", "attempt": 1, "next_attempt": 2, …}}

`LLM_SUCCESS` and `LLM_ERROR` are calls, `LLM_START` is an event `call_started`. `usage` is the provider's own object,
or null. `created_at` and `ts_source` are NULL: the log has no times, so whoever reads the file supplies one. The text
around these lines, including the totals of a run, is ignored. Of the debug events, `STEP_RETRY` (`attempt` is the one
that failed) and `STEP_DEGRADED` are events, and `AGENT_MODEL_COMPLETE` is a call, whose model is written behind its
provider.
"""

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.jsonl.decode import OWN, decode
from parsers.jsonl.unknown_fields import joined, leftovers
from parsers.rows.token_counts import TOKEN_COLUMNS
from parsers.rows.typed_tables import parsed
from parsers.rows.usage_objects import USAGE_DTYPE, details, tokens
from parsers.values.typed import known, metadata

_PAYLOAD = pl.Struct(
    {
        "run_id": pl.String,
        "step_id": pl.String,
        "step_type": pl.String,
        "execution_index": pl.Int64,
        "attempt": pl.Int64,
        "next_attempt": pl.Int64,
        "max_attempts": pl.Int64,
        "error": pl.String,
        "backoff": pl.String,
        "delay_ms": pl.Float64,
        "model": pl.String,
        "usage": USAGE_DTYPE,
    }
)
_RECORD = pl.Struct(
    {
        "event": pl.String,
        "provider": pl.String,
        "model": pl.String,
        "run_id": pl.String,
        "step_id": pl.String,
        "usage": USAGE_DTYPE,
        "error": pl.String,
        "payload": _PAYLOAD,
    }
)
_DEBUG_CALL = "AGENT_MODEL_COMPLETE"
_CALLS = ("LLM_SUCCESS", "LLM_ERROR", _DEBUG_CALL)
_USAGE = pl.col("usage")


def _parse(records: pl.DataFrame, _context: Context) -> Parsed:
    decoded, rejects = decode(records, _RECORD)
    rows = decoded.with_columns(leftovers(decoded).alias("rest")).unnest("record")
    rows = _as_printed(rows)
    is_call = pl.col("event").is_in(_CALLS)
    return parsed(_calls(rows.filter(is_call)), [rejects], events=_events(rows.filter(~is_call)))


def _as_printed(rows: pl.DataFrame) -> pl.DataFrame:
    """Return *rows* with what a debug event of a call has in its payload where the line on standard output has it."""
    payload = pl.col("payload").struct
    debug = pl.col("event") == _DEBUG_CALL
    maker, slash, model = (payload.field("model").str.extract(r"^([^/]+)(/)(.+)$", group) for group in (1, 2, 3))
    told = {
        "run_id": payload.field("run_id"),
        "step_id": payload.field("step_id"),
        "provider": maker,
        "model": pl.when(slash.is_null()).then(payload.field("model")).otherwise(model),
        "usage": payload.field("usage"),
    }
    return rows.with_columns(
        pl.when(debug).then(value).otherwise(pl.col(name)).alias(name) for name, value in told.items()
    )


def _calls(rows: pl.DataFrame) -> pl.DataFrame:
    rows = tokens(rows, "usage")
    success = pl.col("event") != "LLM_ERROR"
    error = known(pl.col("error"))
    return rows.select(
        "source_offset",
        *TOKEN_COLUMNS,
        run_id=known(pl.col("run_id")),
        step_id=known(pl.col("step_id")),
        provider=known(pl.col("provider")),
        model=known(pl.col("model")),
        success=success,
        error=pl.when(~success).then(error),
        error_type=pl.when(~success).then(error.str.extract(r"^([A-Za-z_][\w.]*): ", 1)),
        metadata=joined(metadata(details(_USAGE)), pl.col("rest")),
        format=pl.when(pl.col("event") == _DEBUG_CALL)
        .then(pl.lit("agentic-runtime/debug"))
        .otherwise(pl.lit("agentic-runtime/stdout")),
    )


def _events(rows: pl.DataFrame) -> pl.DataFrame:
    payload = pl.col("payload").struct
    started = pl.col("event") == "LLM_START"
    fields = {
        "provider": known(pl.col("provider")),
        **{name: payload.field(name) for name in ("step_type", "execution_index", "next_attempt", "backoff")},
    }
    return rows.select(
        "source_offset",
        kind=pl.when(started).then(pl.lit("call_started")).otherwise(pl.col("event").str.to_lowercase()),
        run_id=known(pl.coalesce("run_id", payload.field("run_id"))),
        step_id=known(pl.coalesce("step_id", payload.field("step_id"))),
        model=known(pl.col("model")),
        attempt=_small(payload.field("attempt")),
        max_attempts=_small(payload.field("max_attempts")),
        wait_ms=payload.field("delay_ms"),
        reason=known(payload.field("error")),
        metadata=joined(metadata(fields), pl.col("rest")),
        format=pl.when(started).then(pl.lit("agentic-runtime/stdout")).otherwise(pl.lit("agentic-runtime/debug")),
    )


def _small(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.Int32, strict=False)


FORMAT = Format(
    name="agentic-runtime",
    title="agentic-runtime's log on standard output, and its debug_events.jsonl",
    json=True,
    claims=pl.col("line").str.contains(
        OWN + r'"event"\s*:\s*"(?:LLM_(?:START|SUCCESS|ERROR)".*"provider"'
        r'|(?:STEP_(?:RETRY|DEGRADED)|AGENT_MODEL_COMPLETE)".*"payload")\s*:'
    ),
    parse=_parse,
    hints=('"LLM_', '"STEP_', '"AGENT_MODEL_'),
)
