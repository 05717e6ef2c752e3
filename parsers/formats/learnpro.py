"""LearnPro's telemetry events and its table `agent_calls`: JSON lines, CSV, database rows, or the personal-data export.

    {"provider":"anthropic","model":"claude-sonnet-4-6","role":"tutor","session_id":"s1","task":"complete",
     "input_tokens":812,"output_tokens":140,"cost_usd":0.004536,"pricing_version":"2026-04-26","latency_ms":2140,
     "ok":true,"decided_at":"2026-04-27T08:15:02.114Z"}

An event has `decided_at`, a row of the table `called_at` (the same instant, the end of the call) and an `id`. Input and
output are taken as logged, with these exceptions, because the application writes zeros for what it doesn't know:

* a failed call (`ok` false) has no tokens and no cost;
* a stream has no input count, and its output is an estimate from the length of the text. Its cost then lacks the input:
  `cost_basis` in `metadata` says so;
* a cost of 0 for tokens used is an unknown price, except for local models (Ollama, price version `local`);
* a latency of 0 is the table's default.
"""

import polars as pl

from parsers.blocks.format import Context, Format, Known, Parsed, alone, apart
from parsers.rows.by_header import Header
from parsers.rows.typed_tables import Columns, json_rows, kept, parsed, priced, typed
from parsers.schema import USD, UTC
from parsers.values.typed import started

COLUMNS: Columns = {
    "id": pl.String,
    "org_id": pl.String,
    "user_id": pl.String,
    "session_id": pl.String,
    "episode_id": pl.String,
    "provider": pl.String,
    "model": pl.String,
    "role": pl.String,
    "task": pl.String,
    "prompt_version": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "cached_tokens": pl.Int64,
    "cost_usd": USD,
    "pricing_version": pl.String,
    "tool_used": pl.String,
    "latency_ms": pl.Float64,
    "ok": pl.Boolean,
    "called_at": UTC,
    "decided_at": UTC,
}


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of `agent_calls`, or of telemetry events."""
    rows, rejects = typed(rows, COLUMNS, required=("model",))
    ok, stream = pl.col("ok"), (pl.col("task") == "stream").fill_null(value=False)
    answered = ok.fill_null(value=True)
    blind = stream & (pl.col("input_tokens") == 0)
    rows = rows.with_columns(
        created_at=pl.coalesce("decided_at", "called_at"),
        request_tokens=pl.when(answered & ~blind.fill_null(value=False)).then("input_tokens"),
        response_tokens=pl.when(answered).then("output_tokens"),
        latency_ms=pl.when(pl.col("latency_ms") > 0).then("latency_ms"),
        cost_reported_usd=_cost(answered),
        pricing_version=pl.when(pl.col("pricing_version") != "unknown").then("pricing_version"),
    )
    calls = rows.select(
        *("source_offset", "created_at", "session_id", "task", "role", "user_id", "provider", "model"),
        *("request_tokens", "response_tokens", "cost_reported_usd", "latency_ms", "prompt_version", "tool_used"),
        started_at=started(pl.col("created_at"), pl.col("latency_ms")),
        ts_source=pl.when(pl.col("created_at").is_not_null()).then(pl.lit("log")),
        cache_read_tokens=pl.when(answered).then("cached_tokens"),
        total_tokens=pl.col("request_tokens") + pl.col("response_tokens"),
        token_source=pl.when(pl.col("response_tokens").is_not_null()).then(
            pl.when(stream).then(pl.lit("estimated")).otherwise(pl.lit("provider"))
        ),
        success=ok,
        request_id="id",
        metadata=kept(_metadata(blind, answered)),
        format=pl.when(pl.col("decided_at").is_not_null())
        .then(pl.lit("learnpro/telemetry"))
        .otherwise(pl.lit("learnpro/agent-calls")),
    )
    return parsed(calls, [rejects])


def _cost(answered: pl.Expr) -> pl.Expr:
    local = (pl.col("provider") == "ollama").fill_null(value=False) | (pl.col("pricing_version") == "local").fill_null(
        value=False
    )
    used = pl.col("input_tokens").fill_null(0) + pl.col("output_tokens").fill_null(0)
    return pl.when(answered).then(priced(pl.col("cost_usd"), used, free=local))


def _metadata(blind: pl.Expr, answered: pl.Expr) -> dict[str, pl.Expr]:
    return {
        "org_id": pl.col("org_id"),
        "episode_id": pl.col("episode_id"),
        "pricing_version": pl.col("pricing_version"),
        # A zero that its own price table wrote for a model that it doesn't know.
        "known_model": pl.when((pl.col("cost_usd") == 0) & pl.col("cost_reported_usd").is_null() & answered).then(
            pl.lit(value=False)
        ),
        "cost_basis": pl.when(blind & (pl.col("cost_reported_usd") > 0)).then(pl.lit("response only")),
    }


def _parse(records: pl.DataFrame, _context: Context) -> Parsed:
    rows, unread = json_rows(records, COLUMNS)
    result = calls_from_rows(rows)
    return parsed(result.calls, [unread, result.rejects])


_LINE = pl.col("line")

FORMAT = Format(
    name="learnpro",
    title="LearnPro's telemetry events and rows of agent_calls, as JSON lines",
    json=True,
    claims=_LINE.str.contains('"pricing_version"', literal=True)
    & _LINE.str.contains('"latency_ms"', literal=True)
    & _LINE.str.contains(apart(r'"(?:decided_at|called_at)"\s*:')),
    parse=_parse,
    hints=('"pricing_version"',),
)

TABLE = Known(
    name="learnpro/agent-calls",
    tables=("agent_calls",),
    needs=("id", "provider", "model", "task", "input_tokens", "output_tokens", "latency_ms", "ok", "called_at"),
    reads=tuple(c for c in COLUMNS if c != "decided_at"),
    key="id",
    times=("called_at",),
    read=alone(calls_from_rows),
)

HEADER = Header(
    "learnpro/agent-calls", (("pricing_version",), ("latency_ms",), ("called_at",)), calls_from_rows, tuple(COLUMNS)
)
