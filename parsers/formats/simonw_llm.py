"""simonw/llm's tables `responses` and `turns` (SQLite `logs.db`): one row a call; failed calls are not logged.

`input_tokens` and `output_tokens` are taken out of the provider's usage object, and `token_details` is the rest of it,
so the two together mean what that provider's usage means. `datetime_utc` is when the call began. `model` is what was
asked for, `resolved_model` what answered.
"""

import polars as pl

from parsers.blocks.format import Known, Parsed, alone
from parsers.blocks.lines import reject
from parsers.jsonl.decode import decode
from parsers.rows.token_counts import TOKEN_COLUMNS
from parsers.rows.typed_tables import Columns, kept, parsed, typed
from parsers.rows.usage_objects import USAGE_DTYPE, details, tokens
from parsers.schema import UTC
from parsers.values.providers import provider_of

COLUMNS: Columns = {
    "id": pl.String,
    "model": pl.String,
    "resolved_model": pl.String,
    "conversation_id": pl.String,
    "thread_id": pl.String,
    "duration_ms": pl.Float64,
    "datetime_utc": UTC,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "token_details": pl.String,
}


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of `responses` or `turns`."""
    rows, rejects = typed(rows, COLUMNS, required=("model",))
    decoded, unread = decode(
        rows.with_columns(line=pl.coalesce("token_details", pl.lit("{}")), row="line"), USAGE_DTYPE
    )
    usage = pl.col("record").struct.with_fields(
        input_tokens=pl.coalesce("input_tokens", pl.field("input_tokens")),
        output_tokens=pl.coalesce("output_tokens", pl.field("output_tokens")),
    )
    whole = unread.select("source_offset").join(rows, on="source_offset", how="left")
    return parsed(_calls(decoded.with_columns(usage=usage)), [rejects, reject(whole, "`token_details` can't be read")])


def _calls(rows: pl.DataFrame) -> pl.DataFrame:
    rows = tokens(rows, "usage")
    model = pl.coalesce("resolved_model", "model")
    took = pl.duration(microseconds=(pl.col("duration_ms").fill_null(0) * 1_000).round().cast(pl.Int64))
    requested = pl.when(pl.col("resolved_model").is_not_null() & (pl.col("resolved_model") != pl.col("model")))
    return rows.select(
        "source_offset",
        *TOKEN_COLUMNS,
        created_at=(pl.col("datetime_utc") + took).cast(UTC),
        started_at="datetime_utc",
        ts_source=pl.when(pl.col("datetime_utc").is_not_null()).then(pl.lit("log")),
        session_id=pl.coalesce("conversation_id", "thread_id"),
        provider=provider_of(model),
        model=model,
        latency_ms="duration_ms",
        success=pl.lit(value=True),
        request_id="id",
        metadata=kept({"requested_model": requested.then("model"), **details(pl.col("usage"))}),
        format=pl.lit("simonw-llm/row"),
    )


TABLE = Known(
    name="simonw-llm/row",
    tables=("responses", "turns"),
    needs=("id", "model", "duration_ms", "datetime_utc", "input_tokens", "output_tokens", "token_details"),
    reads=tuple(COLUMNS),
    key="id",
    times=("datetime_utc",),
    read=alone(calls_from_rows),
)
