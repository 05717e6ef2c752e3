"""maestro's PostgreSQL table `llm_calls` (its data plane): one row a call, with the counts of the provider.

Input, output, reasoning and both cache counts are kept apart, as in usage.jsonl, from which maestro imports them: the
prompt is the input (the cache is recorded and not added), the response is output + reasoning. A call without
`finished_at` is still open and no row.
Before migration 000016 the one cache column was `cached_tokens`, 0 where nobody had counted: not read.
"""

import polars as pl

from parsers.blocks.format import Known, Parsed, alone
from parsers.rows.typed_tables import Columns, kept, parsed, typed
from parsers.schema import USD, UTC

COLUMNS: Columns = {
    "llm_call_id": pl.String,
    "organization_id": pl.String,
    "user_id": pl.String,
    "principal_instance_id": pl.String,
    "product_id": pl.String,
    "feature_id": pl.String,
    "epic_id": pl.String,
    "story_id": pl.String,
    "provider": pl.String,
    "model": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "reasoning_tokens": pl.Int64,
    "cache_read_tokens": pl.Int64,
    "cache_write_tokens": pl.Int64,
    "cost_usd": USD,
    "started_at": UTC,
    "finished_at": UTC,
    "succeeded": pl.Boolean,
    "error_message": pl.String,
}


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the finished calls of *rows* of the table."""
    rows, rejects = typed(rows, COLUMNS, required=("model",))
    rows = rows.filter(pl.col("finished_at").is_not_null())
    request = pl.col("input_tokens")
    response = pl.col("output_tokens") + pl.col("reasoning_tokens").fill_null(0)
    took = (pl.col("finished_at") - pl.col("started_at")).dt.total_microseconds() / 1_000
    calls = rows.select(
        *("source_offset", "started_at", "story_id", "user_id", "provider", "model"),
        *("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"),
        created_at="finished_at",
        ts_source=pl.lit("log"),
        agent_id="principal_instance_id",
        account_id="organization_id",
        request_tokens=request,
        response_tokens=response,
        total_tokens=request + response,
        token_source=pl.when((request + response).is_not_null()).then(pl.lit("provider")),
        cost_reported_usd="cost_usd",
        latency_ms=pl.when(took >= 0).then(took),
        success="succeeded",
        error="error_message",
        request_id="llm_call_id",
        metadata=kept({name: pl.col(name) for name in ("product_id", "feature_id", "epic_id")}),
        format=pl.lit("maestro-plane/llm-calls"),
    )
    return parsed(calls, [rejects])


TABLE = Known(
    name="maestro-plane/llm-calls",
    tables=("llm_calls",),
    needs=("llm_call_id", "provider", "model", "input_tokens", "output_tokens", "started_at", "finished_at"),
    reads=tuple(COLUMNS),
    key="llm_call_id",
    times=("finished_at",),
    read=alone(calls_from_rows),
    rewritten=True,
    finished='"finished_at" is not null',
)
