"""LiteLLM: the proxy's standard logging payload (`litellm/payload`) and rows of its SpendLogs table (`litellm/spend`).

    {"id": "chatcmpl-…", "call_type": "acompletion", "custom_llm_provider": "openai", "model": "gpt-4o",
     "startTime": 1750000000.1, "endTime": 1750000002.3, "prompt_tokens": 900, "completion_tokens": 40,
     "response_cost": 0.0029, "status": "success", "metadata": {"usage_object": {…}}, …}
    {"request_id": "chatcmpl-…", "spend": 0.0029, "startTime": "2026-01-01T00:00:00Z", "api_key": "88dc…", …}

LiteLLM adds the cache to `prompt_tokens` for all providers, and reasoning is part of `completion_tokens`. `endTime` is
when the call finished. A response from the proxy's own cache is no call: it is an event, `cache_hit`. A cost of zero is
what an unknown model gets: NULL. The id is that of the attempt, so a call that was retried has several rows; `attempt`
is one more than the retries before it.

The application gets its response under the same id: where that is unique, the key is the one that `responses` gives to
a response that the application logged itself, so that a call that passed the proxy counts once.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Known, Parsed, alone, apart
from parsers.jsonl.table_cells import has
from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, made, read, top_names
from parsers.rows.typed_tables import parsed
from parsers.rows.usage_objects import OPENAI, UNIQUE
from parsers.schema import EVENTS, conform
from parsers.values.lenient import time

_SHAPE = Shape(
    paths={
        "created_at": ("endTime", "end_time"),
        "started_at": ("startTime", "start_time"),
        "model": ("model", "model_group"),
        "provider": ("custom_llm_provider",),
        "cost": ("response_cost", "spend"),
        "latency": ("request_duration_ms",),
        "session_id": ("session_id", "trace_id"),
        "request_id": ("request_id", "id", "litellm_call_id"),
        "task": ("call_type",),
        "agent_id": ("agent_id",),
        "user_id": ("end_user", "user", "metadata.user_api_key_user_id"),
        "account_id": ("team_id", "metadata.user_api_key_team_id"),
        "status": ("status",),
        "error": ("error_str", "error_information.error_message", "metadata.error_information.error_message"),
        "error_type": ("error_information.error_class", "metadata.error_information.error_class"),
        "cache_hit": ("cache_hit",),
        "retries": ("metadata.attempted_retries",),
        "model_group": ("model_group",),
        "user_api_key_user_id": ("metadata.user_api_key_user_id", "user"),
    },
    passed_over=("completionStartTime", "response_time", "api_key"),
    meaning=Meaning(name="litellm"),
    usage=("", "metadata.usage_object.", "metadata.additional_usage_values."),
    families=(OPENAI,),
)


_UNIQUE_LENGTH = 20
"""From so many characters on an id is random, as LiteLLM's own are, and not one that an application counts up."""

_TIMES, _COUNTS = ("started_at", "created_at"), ("request_tokens", "response_tokens")


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    del context
    is_spend = has(records, "spend")
    fields, rejects = read(records, _SHAPE)
    fields = fields.with_columns(time(pl.col(name)).alias(f"_{name}") for name in _TIMES)
    fields = fields.with_columns(
        dedupe_key=_key(pl.col("request_id"), fields.columns),
        attempt=(pl.col("retries").cast(pl.Int64, strict=False) + 1).cast(pl.String),
        # Whose key it is, where that isn't who asked.
        user_api_key_user_id=pl.when(pl.col("user_api_key_user_id") != pl.col("user_id")).then("user_api_key_user_id"),
        variant=pl.when(is_spend).then(pl.lit("spend")).otherwise(pl.lit("payload")),
    )
    from_cache = (pl.col("cache_hit").str.to_lowercase() == "true").fill_null(value=False)
    # Asking for a response again costs nothing; LiteLLM writes what it had cost.
    retrieved = pl.col("task").is_in(["aget_responses", "get_responses"]).fill_null(value=False)
    parsed = made(fields.filter(~(from_cache | retrieved)).drop("cache_hit"), _SHAPE, rejects)
    hits = fields.filter(from_cache | retrieved).select(
        "source_offset",
        "session_id",
        "agent_id",
        "model",
        created_at="_created_at",
        kind=pl.when(from_cache).then(pl.lit("cache_hit")).otherwise(pl.lit("response_retrieved")),
        format=pl.lit("litellm/") + pl.col("variant"),
    )
    return replace(parsed, events=hits if not hits.is_empty() else conform(hits, EVENTS))


def _key(name: pl.Expr, columns: Sequence[str]) -> pl.Expr:
    """Return the key of the response *name*: the one of `responses` where it is unique in the world.

    Providers reuse other ids, or give none: there, when the call began and ended and what it took tell as well.
    """
    # The payload has seconds as a number, the table a text of milliseconds: one instant, spelled in two ways.
    times = (pl.col(f"_{column}").dt.epoch("ms").cast(pl.String) for column in _TIMES)
    witnesses = [*times, *(pl.col(column).cast(pl.String) for column in _COUNTS if column in columns)]
    known = [
        pl.when(name.str.contains(pattern)).then(pl.lit(f"{variant}:") + name) for variant, pattern in UNIQUE.items()
    ]
    own = pl.lit("litellm:") + name
    told = pl.concat_str(own, *witnesses, separator=":", ignore_nulls=True)
    reused = name.str.len_bytes() < _UNIQUE_LENGTH
    return pl.coalesce(*known, pl.when(reused).then(told).otherwise(own))


FORMAT = Format(
    name="litellm",
    title="LiteLLM standard logging payloads and spend logs",
    json=True,
    claims=pl.col("line").str.contains(apart(r'"(?:custom_llm_provider|model_group)"\s*:'))
    & pl.col("line").str.contains(r'"start_?[tT]ime"\s*:')
    & pl.col("line").str.contains(r'"prompt_tokens"\s*:'),
    parse=_parse,
    hints=('"custom_llm_provider"', '"model_group"'),
)

HEADER = json_header(
    FORMAT,
    (("startTime", "start_time"), ("prompt_tokens",), ("custom_llm_provider", "model_group", "spend")),
    reads=top_names(_SHAPE),
)

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
    result = FORMAT.parse(records, {})
    return parsed(result.calls, [result.rejects], events=result.events)


TABLE = Known(
    name="litellm/spend",
    tables=("LiteLLM_SpendLogs",),
    needs=("request_id", "model", "spend", "prompt_tokens", "completion_tokens", "startTime", "endTime"),
    reads=COLUMNS,
    key="request_id",
    times=("endTime", "startTime"),
    read=alone(calls_from_rows),
)
