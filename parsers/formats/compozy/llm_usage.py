"""compozy's planned table `llm_usage`: database rows, JSON lines (keys as columns, or as Go writes them), or CSV.

    {"id":"…","execution_id":"…","provider":"openai","model":"gpt-4","prompt_tokens":900,"completion_tokens":40,
     "total_tokens":940,"cost_usd":0.0102,"timestamp":"2025-07-01T10:00:00Z","metadata":{}}
    {"ID":"…","ExecutionID":"…","Provider":"openai","Model":"gpt-4-turbo","PromptTokens":900, …}

Only successful calls are saved. A cost of 0 for tokens used is an unknown price. `metadata` of the row is kept without
its longer texts.
"""

import polars as pl

from parsers.blocks.format import Context, Format, Known, Parsed, alone, apart
from parsers.jsonl.unknown_fields import LEFTOVERS
from parsers.rows.by_header import Header
from parsers.rows.typed_tables import Columns, json_rows, kept, parsed, priced, typed
from parsers.schema import USD, UTC

_GO_NAMES = {
    "id": "ID",
    "execution_id": "ExecutionID",
    "provider": "Provider",
    "model": "Model",
    "prompt_tokens": "PromptTokens",
    "completion_tokens": "CompletionTokens",
    "total_tokens": "TotalTokens",
    "cost_usd": "CostUSD",
    "timestamp": "Timestamp",
}
COLUMNS: Columns = dict.fromkeys(("id", "execution_id", "provider", "model"), pl.String) | {
    "prompt_tokens": pl.Int64,
    "completion_tokens": pl.Int64,
    "total_tokens": pl.Int64,
    "cost_usd": USD,
    "timestamp": UTC,
}


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of the table."""
    rows, rejects = typed(rows, COLUMNS, required=("model",))
    total = pl.coalesce(pl.col("prompt_tokens") + pl.col("completion_tokens"), "total_tokens")
    calls = rows.select(
        *("source_offset", "provider", "model"),
        created_at="timestamp",
        ts_source=pl.when(pl.col("timestamp").is_not_null()).then(pl.lit("log")),
        run_id="execution_id",
        request_tokens="prompt_tokens",
        response_tokens="completion_tokens",
        total_tokens=total,
        token_source=pl.when(total.is_not_null()).then(pl.lit("provider")),
        cost_reported_usd=priced(pl.col("cost_usd"), total),
        success=pl.lit(value=True),
        request_id="id",
        metadata=kept({}),
        format=pl.lit("compozy-llm-usage/row"),
    )
    return parsed(calls, [rejects])


def _parse(records: pl.DataFrame, _context: Context) -> Parsed:
    rows, unread = json_rows(records, {**COLUMNS, **dict.fromkeys(_GO_NAMES.values(), pl.String)})
    rows = rows.with_columns(pl.coalesce(name, go).alias(name) for name, go in _GO_NAMES.items())
    kept_columns = (*records.columns, *COLUMNS, LEFTOVERS)
    result = calls_from_rows(rows.select(kept_columns))
    return parsed(result.calls, [unread, result.rejects])


_LINE = pl.col("line")

FORMAT = Format(
    name="compozy-llm-usage",
    title="rows of compozy's planned table llm_usage, as JSON lines",
    json=True,
    claims=_LINE.str.contains(apart(r'"(?:execution_id|ExecutionID)"\s*:'))
    & _LINE.str.contains(apart(r'"(?:prompt_tokens|PromptTokens)"\s*:'))
    & _LINE.str.contains(apart(r'"(?:completion_tokens|CompletionTokens)"\s*:')),
    parse=_parse,
    hints=('"execution_id"', '"ExecutionID"'),
)

TABLE = Known(
    name="compozy-llm-usage/row",
    tables=("llm_usage",),
    needs=("id", "execution_id", "provider", "model", "prompt_tokens", "completion_tokens", "timestamp"),
    reads=tuple(COLUMNS),
    key="id",
    times=("timestamp",),
    read=alone(calls_from_rows),
)

HEADER = Header(
    "compozy-llm-usage/row",
    (("execution_id",), ("prompt_tokens",), ("completion_tokens",)),
    calls_from_rows,
    tuple(COLUMNS),
)
