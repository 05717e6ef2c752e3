"""Langfuse observations as JSON lines: its export (`langfuse/export`), and its API and older exports (`langfuse/api`).

    {"id":"…","trace_id":"…","type":"GENERATION","start_time":"2026-01-01 00:00:00.000000","end_time":"…",
     "provided_model_name":"gpt-4o","usage_details":{"input":900,"input_cached_tokens":800,"output":40},
     "total_cost":0.01,"latency":2.2,"level":"DEFAULT"}

Only generations (and embeddings) are calls. Buckets of `usage_details` are exclusive by convention: the prompt is
`input` and the cached parts, the response `output` and its reasoning, unless the total says that a part is inside.
Names are free: what else has `input` or `output` in its name, such as audio, is of that side. A provider's own names
mean what they mean there. Times without an offset are UTC. `id` is global.
"""

import re
from dataclasses import replace
from functools import lru_cache

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.jsonl.table_cells import CELLS
from parsers.rows import json_shape
from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, top_names
from parsers.rows.usage_objects import FAMILIES, KEYS

_OBJECTS = ("usage_details", "usageDetails")


def _usage(*names: str) -> tuple[str, ...]:
    return tuple(f"{where}.{name}" for where in _OBJECTS for name in names)


_SHAPE = Shape(
    paths={
        "created_at": ("end_time", "endTime"),
        "started_at": ("start_time", "startTime"),
        "model": ("provided_model_name", "model", "model_id"),
        "request_tokens": (*_usage("input"), "promptTokens", "prompt_tokens", "usage.input"),
        "cache_read_tokens": _usage("input_cached_tokens", "input_cache_read", "cache_read_input_tokens"),
        "cache_write_tokens": _usage("input_cache_creation", "cache_creation_input_tokens"),
        "response_tokens": (*_usage("output"), "completionTokens", "completion_tokens", "usage.output"),
        "cache_write_5m_tokens": _usage("input_cache_creation_5m"),
        "cache_write_1h_tokens": _usage("input_cache_creation_1h"),
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
        "trace_of_export": ("trace_id",),
        "environment": ("environment",),
    },
    passed_over=("latency", "usage.unit"),
    meaning=Meaning(name="langfuse", request_includes_cache=False, response_includes_reasoning=False),
    internal=("status_message", "kind", "trace_of_export"),
    usage=("usage_details.", "usageDetails."),
    families=tuple(f for f in FAMILIES if f.name in ("openai-chat", "anthropic", "gemini", "gemini-snake")),
    derived={
        "variant": pl.when(pl.col("trace_of_export").is_not_null()).then(pl.lit("export")).otherwise(pl.lit("api")),
        # Of an OpenTelemetry span it is an observation, and has its ids.
        "dedupe_key": pl.when(
            pl.col("request_id").str.contains(r"^[0-9a-f]{16}$") & pl.col("run_id").str.contains(r"^[0-9a-f]{32}$")
        )
        .then(pl.concat_str(pl.lit("otlp"), "run_id", "request_id", separator=":"))
        .otherwise(pl.lit("langfuse:") + pl.col("request_id")),
        "error": pl.when(pl.col("status") == "ERROR").then("status_message"),
    },
    counts=pl.col("kind").is_in(["GENERATION", "EMBEDDING"]),
)

_OBJECT = r'"usage_?[dD]etails"\s*:\s*(\{[^{}]*\})'
_BUCKET = r'"([^"\\]*(?:in|out)put[^"\\]*)"\s*:'
_NAMED = {place.rsplit(".", 1)[-1] for places in _SHAPE.paths.values() for place in places}.union(KEYS)


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    names = _details(records).unique().str.extract_all(_BUCKET).explode(empty_as_null=False).drop_nulls().unique()
    buckets = frozenset(re.findall(_BUCKET, " ".join(names.to_list()))) - _NAMED
    return json_shape.parse(_with_buckets(buckets) if buckets else _SHAPE, records, context)


def _details(records: pl.DataFrame) -> pl.Series:
    """Return the objects in which *records* have their buckets."""
    if CELLS not in records.columns:
        return records["line"].str.extract_all(_OBJECT).list.first()  # a group alone would take half as long again
    cells = records[CELLS].struct
    return pl.concat([pl.Series(dtype=pl.String), *(cells.field(name) for name in _OBJECTS if name in cells.fields)])


@lru_cache(maxsize=64)
def _with_buckets(buckets: frozenset[str]) -> Shape:
    """Return the shape in which further *buckets* are part of their side."""
    own = {name: _usage(f'"{name}"') for name in sorted(buckets)}
    sums = {}
    for side, word in (("tool_tokens", "input"), ("response_tokens", "output")):
        names = [name for name in own if word in name]
        counts = [pl.col(name).cast(pl.Int64, strict=False) for name in (*names, *_OWN_SIDE.get(side, ()))]
        some = pl.any_horizontal(pl.lit(value=False), *(value.is_not_null() for value in counts))
        sums[side] = pl.when(some).then(pl.sum_horizontal(pl.lit(0), *counts)).cast(pl.String)
    return replace(
        _SHAPE,
        paths={**_SHAPE.paths, **own},
        derived={**_SHAPE.derived, **sums},
        internal=(*_SHAPE.internal, *own),
    )


_OWN_SIDE = {"response_tokens": ("response_tokens",)}

_LINE = pl.col("line")

FORMAT = Format(
    name="langfuse",
    title="Langfuse observations",
    json=True,
    claims=_LINE.str.contains(r'"type"\s*:\s*"(?:GENERATION|EMBEDDING)"') & _LINE.str.contains(r'"trace(?:_i|I)d"\s*:'),
    parse=_parse,
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
