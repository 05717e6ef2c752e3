"""Portkey's exported logs without the provider's response: its own counts are all that there is.

    {"id":"…","trace_id":"…","created_at":"2026-01-01T00:00:00.000Z","is_success":true,"ai_org":"openai",
     "ai_model":"gpt-4o","req_units":100,"res_units":20,"total_units":120,"cost":0.045,"cost_currency":"USD",
     "response_time":1234,"response_status_code":200,"cache_status":"MISS"}

An export asks for fields, and often leaves out `request` and `response`. Rows that have a response with its usage are
read as that. `cost` is in cents; one in another currency than dollars isn't taken. Units are tokens. An answer from
Portkey's own cache is no call of a model: it is an event, `cache_hit`.
"""

import polars as pl

from parsers.blocks.format import apart
from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format, top_names

_SHAPE = Shape(
    paths={
        "created_at": ("created_at",),
        "model": ("ai_model", "request_model"),
        "provider": ("ai_org", "ai_provider"),
        "request_tokens": ("req_units", "request_units"),
        "response_tokens": ("res_units", "response_units"),
        "total_tokens": ("total_units",),
        "cost": ("cost",),
        "currency": ("cost_currency", "currency"),
        "latency": ("response_time",),
        "session_id": ("trace_id",),
        "user_id": ("metadata._user", "_user"),
        "request_id": ("id",),
        "succeeded": ("is_success",),
        "status": ("response_status_code",),
        "cache_status": ("cache_status",),
        "cache_type": ("cache_type",),
    },
    meaning=Meaning(name="portkey", cost=0.01, dedupe="portkey"),
    derived={
        "provider": pl.col("provider").str.to_lowercase(),
        "status": pl.when(pl.col("succeeded").str.to_lowercase() == "false").then(pl.lit("error")).otherwise("status"),
        "cost": pl.when(pl.col("currency").fill_null("USD").str.to_uppercase() == "USD").then("cost"),
    },
    internal=("succeeded", "currency", "cache_type"),
    from_cache=pl.col("cache_status").str.to_uppercase().str.contains(r"(?:^|[ _])HIT$"),
)

_LINE = pl.col("line")

FORMAT = json_format(
    "Portkey's exported logs without their responses",
    _SHAPE,
    claims=_LINE.str.contains(apart(r'"(?:req|request)_units"\s*:'))
    & _LINE.str.contains(r'"ai_model"\s*:')
    & ~_LINE.str.contains(r'"usage(?:Metadata)?"\s*:\s*\{'),
    hints=('_units"',),
)

HEADER = json_header(FORMAT, (("req_units", "request_units"), ("ai_model",)), reads=top_names(_SHAPE))
