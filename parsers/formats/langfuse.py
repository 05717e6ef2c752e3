"""Langfuse observations as JSON lines: its export (`langfuse/export`), and its API and older exports (`langfuse/api`).

    {"id":"…","trace_id":"…","type":"GENERATION","start_time":"2026-01-01 00:00:00.000000","end_time":"…",
     "provided_model_name":"gpt-4o","usage_details":{"input":900,"input_cached_tokens":800,"output":40},
     "total_cost":0.01,"latency":2.2,"level":"DEFAULT"}

Only generations (and embeddings) are calls. Buckets of `usage_details` are exclusive by convention: the prompt is
`input` and the cached parts, the response `output` and its reasoning. Times without an offset are UTC. `id` is global.
"""

import polars as pl

from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format, top_names


def _usage(*names: str) -> tuple[str, ...]:
    return tuple(f"{where}.{name}" for where in ("usage_details", "usageDetails") for name in names)


_SHAPE = Shape(
    paths={
        "created_at": ("end_time", "endTime"),
        "started_at": ("start_time", "startTime"),
        "model": ("provided_model_name", "model", "model_id"),
        "request_tokens": (*_usage("input"), "promptTokens", "prompt_tokens", "usage.input"),
        "cache_read_tokens": _usage("input_cached_tokens", "input_cache_read", "cache_read_input_tokens"),
        "cache_write_tokens": _usage("input_cache_creation", "cache_creation_input_tokens"),
        "response_tokens": (*_usage("output"), "completionTokens", "completion_tokens", "usage.output"),
        "reasoning_tokens": _usage("output_reasoning_tokens", "output_reasoning"),
        "total_tokens": (*_usage("total"), "totalTokens", "usage.total"),
        "cost": ("total_cost", "cost_details.total", "costDetails.total", "calculatedTotalCost"),
        "session_id": ("session_id", "sessionId"),
        "run_id": ("trace_id", "traceId"),
        "request_id": ("id",),
        "user_id": ("user_id", "userId"),
        "prompt_version": ("prompt_version", "promptVersion"),
        "status": ("level",),
        "status_message": ("status_message", "statusMessage"),
        "kind": ("type",),
        "environment": ("environment",),
    },
    meaning=Meaning(
        name="langfuse", request_includes_cache=False, response_includes_reasoning=False, dedupe="langfuse"
    ),
    internal=("status_message", "kind"),
    derived={
        "variant": pl.when(pl.col("line").str.contains(r'"trace_id"\s*:'))
        .then(pl.lit("export"))
        .otherwise(pl.lit("api")),
        "error": pl.when(pl.col("status") == "ERROR").then("status_message"),
    },
    counts=pl.col("kind").is_in(["GENERATION", "EMBEDDING"]),
)

_LINE = pl.col("line")

FORMAT = json_format(
    "Langfuse observations",
    _SHAPE,
    claims=_LINE.str.contains(r'"type"\s*:\s*"(?:GENERATION|EMBEDDING)"') & _LINE.str.contains(r'"trace(?:_i|I)d"\s*:'),
    hints=('"GENERATION"', '"EMBEDDING"'),
)

HEADER = json_header(
    FORMAT,
    (
        ("trace_id", "traceId"),
        ("usage_details", "usageDetails", "promptTokens"),
        ("provided_model_name", "model"),
        ("start_time", "startTime", "end_time", "endTime"),
    ),
    reads=top_names(_SHAPE),
)
