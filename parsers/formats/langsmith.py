"""LangSmith runs, as its SDK lists them and its exports write them.

    {"id":"…","trace_id":"…","run_type":"llm","name":"ChatOpenAI","start_time":"2026-01-01T00:00:00.000000",
     "end_time":"…","status":"success","error":null,"prompt_tokens":900,"completion_tokens":40,"total_tokens":940,
     "total_cost":"0.01","extra":{"metadata":{"ls_model_name":"gpt-4o","ls_provider":"openai"}}}

Only runs of the type `llm` (and `embedding`) are calls: a chain above them has the sum of their tokens. Times without
an offset are UTC, a run ends when its call finished. The prompt includes the cache, the completion its reasoning.
"""

import polars as pl

from parsers.blocks.format import apart
from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format, top_names


def _metadata(key: str) -> tuple[str, ...]:
    return (f"extra.metadata.{key}", f"metadata.{key}", key, f'"extra.metadata.{key}"', f'"metadata.{key}"')


_SHAPE = Shape(
    paths={
        "created_at": ("end_time",),
        "started_at": ("start_time",),
        "model": (
            *_metadata("ls_model_name"),
            "extra.invocation_params.model",
            "extra.invocation_params.model_name",
            "model",
            "model_name",
        ),
        "provider": (*_metadata("ls_provider"), "provider"),
        "request_tokens": ("prompt_tokens",),
        "response_tokens": ("completion_tokens",),
        "total_tokens": ("total_tokens",),
        "cache_read_tokens": ("prompt_token_details.cache_read",),
        "cache_write_tokens": ("prompt_token_details.cache_creation",),
        "reasoning_tokens": ("completion_token_details.reasoning",),
        "cost": ("total_cost",),
        "latency_s": ("latency",),
        "session_id": (*_metadata("session_id"), *_metadata("thread_id"), *_metadata("conversation_id")),
        "run_id": ("trace_id",),
        "request_id": ("id", "run_id"),
        "user_id": _metadata("user_id"),
        "temperature": (*_metadata("ls_temperature"), "extra.invocation_params.temperature"),
        "status": ("status",),
        "error": ("error",),
        "kind": ("run_type",),
        "name": ("name",),
    },
    meaning=Meaning(name="langsmith", dedupe="langsmith", latency="s"),
    internal=("kind", "latency_s"),
    counts=pl.col("kind").str.to_lowercase().is_in(["llm", "embedding"]),
)

_LINE = pl.col("line")

FORMAT = json_format(
    "LangSmith runs",
    _SHAPE,
    claims=_LINE.str.contains(r'"run_type"\s*:\s*"') & _LINE.str.contains(apart(r'"(?:prompt|total)_tokens"\s*:')),
    hints=('"run_type"',),
)

HEADER = json_header(FORMAT, (("run_type",), ("prompt_tokens", "total_tokens")), reads=top_names(_SHAPE))
