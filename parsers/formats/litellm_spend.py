"""LiteLLM's PostgreSQL table `LiteLLM_SpendLogs`: its rows read as the proxy's JSON lines of the same records are."""

import polars as pl

from parsers.blocks.format import Parsed
from parsers.formats import litellm
from parsers.rows.typed_tables import parsed

COLUMNS = (
    *("request_id", "call_type", "spend", "total_tokens", "prompt_tokens", "completion_tokens"),
    *("startTime", "endTime", "model", "model_group", "custom_llm_provider", "user", "end_user", "team_id", "agent_id"),
    *("session_id", "status", "cache_hit", "request_duration_ms", "metadata"),
)
"""What is read. `messages`, `response` and `proxy_server_request` hold prompts and responses: never read."""


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of the table; answers from the proxy's cache are events."""
    texts = [name for name in COLUMNS if name in rows and name != "metadata"]
    line = pl.struct(texts).struct.json_encode()
    if "metadata" in rows:
        # It is JSON already; encoded once more it would be text.
        nested = pl.lit(',"metadata":') + pl.col("metadata") + pl.lit("}")
        line = line.str.strip_suffix("}") + pl.coalesce(nested, pl.lit("}"))
    records = rows.select("source_offset", line=line, source_end=pl.col("source_offset") + 1)
    result = litellm.FORMAT.parse(records, {})
    return parsed(result.calls, [result.rejects], events=result.events)
