"""Sessions of the coding agents pi and openclaw: JSON lines, of which messages of the assistant hold usage.

    {"type":"message","id":"…","timestamp":"2026-01-01T00:00:00.000Z","message":{"role":"assistant","provider":"…",
     "model":"…","usage":{"input":5,"output":40,"cacheRead":900,"cacheWrite":20,"cost":{"total":0.01}},"stopReason":"stop"}}

`input` leaves the cache out; the prompt is the sum. The time is when the message was written. Resumed sessions may copy
messages: the message's id and time are the `dedupe_key`, since ids are short.
"""

import polars as pl

from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format

_SHAPE = Shape(
    paths={
        "created_at": ("timestamp", "message.timestamp"),
        "model": ("message.model",),
        "provider": ("message.provider",),
        "request_tokens": ("message.usage.input",),
        "cache_read_tokens": ("message.usage.cacheRead",),
        "cache_write_tokens": ("message.usage.cacheWrite",),
        "response_tokens": ("message.usage.output",),
        "cost": ("message.usage.cost.total",),
        "session_id": ("sessionId",),
        "request_id": ("id",),
        "status": ("message.stopReason",),
        "error": ("message.errorMessage",),
    },
    passed_over=("type", "parentId", "message.role"),
    meaning=Meaning(name="pi", request_includes_cache=False, failed="^(?:error|aborted)$"),
    derived={"dedupe_key": pl.concat_str(pl.lit("pi"), "request_id", "created_at", separator=":")},
)

FORMAT = json_format(
    "pi and openclaw sessions",
    _SHAPE,
    claims=pl.col("line").str.contains(r'"cacheRead"\s*:')
    & pl.col("line").str.contains(r'"message"\s*:\s*\{')
    & pl.col("line").str.contains(r'"role"\s*:\s*"assistant"'),
    hints=('"cacheRead"',),
)
