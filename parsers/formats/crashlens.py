"""Crashlens traces: `startTime`, `endTime`, `input.model`, `usage` as OpenAI counts, `cost`, one JSON object a line.

    {"traceId":"…","startTime":"2026-01-01T00:00:00Z","endTime":"…","input":{"model":"gpt-4o","prompt":"…"},
     "usage":{"prompt_tokens":900,"completion_tokens":40},"cost":0.01}

A trace has several calls, and they have no identifier of their own.
"""

import polars as pl

from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format
from parsers.rows.usage_objects import OPENAI

_SHAPE = Shape(
    paths={
        "created_at": ("endTime",),
        "started_at": ("startTime",),
        "model": ("input.model",),
        "cost": ("cost",),
        "run_id": ("traceId",),
        "status": ("level",),
        "name": ("name",),
    },
    passed_over=("type",),
    meaning=Meaning(name="crashlens"),
    usage=("usage.",),
    families=(OPENAI,),
)

FORMAT = json_format(
    "crashlens traces",
    _SHAPE,
    claims=pl.col("line").str.contains(r'"input"\s*:\s*\{')
    & pl.col("line").str.contains(r'"traceId"\s*:')
    & pl.col("line").str.contains(r'"usage"\s*:\s*\{')
    & pl.col("line").str.contains(r'"prompt_tokens"\s*:')
    & ~pl.col("line").str.contains(r'"type"\s*:\s*"(?:GENERATION|EMBEDDING)"'),
    hints=('"traceId"',),
)
