"""OpenInference spans as JSON lines, the way Phoenix exports them: attributes flat, below `attributes`, or nested.

    {"name":"ChatCompletion","span_kind":"LLM","start_time":"…","end_time":"…","status_code":"OK",
     "context":{"trace_id":"…","span_id":"…"},"attributes":{"llm.model_name":"gpt-4o","llm.token_count.prompt":900,…}}

Only spans of the kinds LLM and EMBEDDING are calls: those of agents and chains sum up the calls below them. The prompt
includes the cache, the completion its reasoning. A span ends when its call finished. The same span in OTLP-JSON has the
same `dedupe_key`.
"""

import polars as pl

from parsers.blocks.format import apart
from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format, top_names


def _places(name: str) -> tuple[str, ...]:
    return (f'attributes."{name}"', f"attributes.{name}", f'"attributes.{name}"', f'"{name}"')


_SHAPE = Shape(
    paths={
        "created_at": ("end_time", "endTime"),
        "started_at": ("start_time", "startTime"),
        "model": (*_places("llm.model_name"), *_places("embedding.model_name")),
        "provider": (*_places("llm.provider"), *_places("llm.system")),
        "request_tokens": _places("llm.token_count.prompt"),
        "cache_read_tokens": _places("llm.token_count.prompt_details.cache_read"),
        "cache_write_tokens": _places("llm.token_count.prompt_details.cache_write"),
        "response_tokens": _places("llm.token_count.completion"),
        "reasoning_tokens": _places("llm.token_count.completion_details.reasoning"),
        "total_tokens": _places("llm.token_count.total"),
        "cost": _places("llm.cost.total"),
        "session_id": _places("session.id"),
        "user_id": _places("user.id"),
        "request_id": ("context.span_id", '"context.span_id"', "span_id"),
        "run_id": ("context.trace_id", '"context.trace_id"', "trace_id"),
        "status": ("status_code",),
        "status_message": ("status_message",),
        "kind": ("span_kind", *_places("openinference.span.kind")),
    },
    passed_over=(*_places("input.value"), *_places("output.value")),
    meaning=Meaning(name="openinference"),
    internal=("status_message", "kind"),
    derived={
        "dedupe_key": pl.concat_str(pl.lit("otlp"), "run_id", "request_id", separator=":"),
        "error": pl.when(pl.col("status").str.to_uppercase() == "ERROR").then("status_message"),
    },
    counts=pl.col("kind").str.to_uppercase().is_in(["LLM", "EMBEDDING"]),
)

_LINE = pl.col("line")

FORMAT = json_format(
    "OpenInference spans, as Phoenix exports them",
    _SHAPE,
    claims=_LINE.str.contains(r'llm\.token_count\.|"token_count"\s*:\s*\{')
    & _LINE.str.contains(r'span_id"\s*:')
    & _LINE.str.contains(apart(r'"(?:span_kind|attributes|(?:attributes\.)?openinference\.span\.kind)"\s*:')),
    hints=('span_id"',),
)

HEADER = json_header(
    FORMAT,
    (
        ("attributes.llm.token_count.prompt", "llm.token_count.prompt", "attributes"),
        ("context.span_id", "span_id", "context"),
        ("span_kind", "attributes.openinference.span.kind", "openinference.span.kind"),
    ),
    reads=top_names(_SHAPE),
)
