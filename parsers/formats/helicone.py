"""Helicone requests, as its query language and its export give them, one JSON object a line.

    {"request_id":"…","request_created_at":"2026-01-01T00:00:00Z","request_model":"gpt-4o","provider":"OPENAI",
     "prompt_tokens":900,"prompt_cache_read_tokens":0,"completion_tokens":40,"cost":0.01,"latency":2200,"status":200}

`request_created_at` is when the call began, `latency` is in milliseconds: it finished that much later. `status` is
the HTTP code. The API of requests has the longer names: `response_status`, `delay_ms`, `costUSD`, `request_user_id`,
`request_properties`. `cache_reference_id` names the request whose stored answer was given again, where it is not the
UUID of zeros: such an answer is no call but an event, `cache_hit`. `cache_enabled` only says that there is a cache.

Whether prompts include the cache isn't documented: they are taken to, as OpenAI counts, unless more was
read from the cache than the prompt has.
"""

import polars as pl

from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format, top_names

_SHAPE = Shape(
    paths={
        "started_at": ("request_created_at",),
        "model": ("request_model", "response_model", "model"),
        "provider": ("provider",),
        "request_tokens": ("prompt_tokens",),
        "cache_read_tokens": ("prompt_cache_read_tokens",),
        "cache_write_tokens": ("prompt_cache_write_tokens",),
        "response_tokens": ("completion_tokens",),
        "total_tokens": ("total_tokens",),
        "cost": ("cost", "cost_usd", "costUSD"),
        "latency": ("latency", "delay_ms"),
        "session_id": ('properties."Helicone-Session-Id"', 'request_properties."Helicone-Session-Id"'),
        "user_id": ("user_id", "request_user_id"),
        "answer_of": ("cache_reference_id",),
        "request_id": ("request_id",),
        "status": ("status", "response_status"),
    },
    meaning=Meaning(name="helicone", dedupe="helicone"),
    derived={"provider": pl.col("provider").str.to_lowercase()},
    from_cache=pl.col("answer_of").str.contains("[1-9a-fA-F]"),
    internal=("answer_of",),
    passed_over=("cache_enabled",),
)

FORMAT = json_format(
    "Helicone requests",
    _SHAPE,
    claims=pl.col("line").str.contains(r'"request_created_at"\s*:')
    & pl.col("line").str.contains(r'"prompt_tokens"\s*:'),
    hints=('"request_created_at"',),
)

HEADER = json_header(FORMAT, (("request_created_at",), ("prompt_tokens",)), reads=top_names(_SHAPE))
