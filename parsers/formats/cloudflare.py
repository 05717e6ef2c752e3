"""Logs of Cloudflare's AI Gateway, as its API lists them, one JSON object a line or below `result`.

    {"id":"01J…","created_at":"2026-01-01T00:00:02.123Z","provider":"openai","model":"gpt-4o","cached":false,
     "cost":0.0031,"duration":1234,"status_code":200,"success":true,"tokens_in":100,"tokens_out":20,"step":0,…}

`duration` is in milliseconds. What is `cached` the gateway's own cache answered: no call but an event, `cache_hit`. A
cost of zero is what a model without a price gets: NULL. What caused a failure is known by its HTTP code alone.
"""

import polars as pl

from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format

_SHAPE = Shape(
    paths={
        "created_at": ("created_at",),
        "model": ("model",),
        "provider": ("provider",),
        "request_tokens": ("tokens_in",),
        "response_tokens": ("tokens_out",),
        "cost": ("cost",),
        "latency": ("duration",),
        "request_id": ("id",),
        "task": ("model_type",),
        "status": ("success",),
        "status_code": ("status_code",),
        "cached": ("cached",),
    },
    meaning=Meaning(name="cloudflare", dedupe="cloudflare"),
    derived={"error_type": pl.when(pl.col("status").str.to_lowercase() == "false").then("status_code")},
    from_cache=pl.col("cached").str.to_lowercase().is_in(["true", "1"]),
    internal=("status_code", "cached"),
)

_LINE = pl.col("line")

FORMAT = json_format(
    "logs of Cloudflare's AI Gateway",
    _SHAPE,
    claims=_LINE.str.contains(r'"tokens_in"\s*:')
    & _LINE.str.contains(r'"cached"\s*:')
    & _LINE.str.contains(r'"status_code"\s*:'),
    hints=('"tokens_in"',),
)
