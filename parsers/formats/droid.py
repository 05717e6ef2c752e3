"""Factory's Droid: `~/.factory/sessions/<session>.settings.json`, which holds the sum of its session's tokens.

    {"model":"claude-sonnet-4-5-20250929","providerLock":"anthropic","providerLockTimestamp":"2026-05-01T01:02:03.000Z",
     "tokenUsage":{"inputTokens":100,"outputTokens":50,"cacheCreationTokens":20,"cacheReadTokens":10,"thinkingTokens":0}}

The input leaves the cache out. One row, `droid/sum`, of unknown many requests. The session is only in the file's name;
the time is when its provider was chosen, the only one that is told, and tells the session: the file is written anew
as the sums grow, `dedupe_key` is `droid:<that time>:<model>`, and the largest counts are the sum.
"""

import polars as pl

from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format
from parsers.schema import SESSION

_LINE = pl.col("line")

_SHAPE = Shape(
    paths={
        "created_at": ("providerLockTimestamp",),
        "model": ("model",),
        "provider": ("providerLock",),
        "request_tokens": ("tokenUsage.inputTokens",),
        "cache_read_tokens": ("tokenUsage.cacheReadTokens",),
        "cache_write_tokens": ("tokenUsage.cacheCreationTokens",),
        "response_tokens": ("tokenUsage.outputTokens",),
        "reasoning_tokens": ("tokenUsage.thinkingTokens",),
    },
    meaning=Meaning(
        name="droid",
        request_includes_cache=False,
        requires=(("request_tokens", "response_tokens"),),
        constants={"variant": "sum", "task": SESSION},
    ),
    derived={
        "requests": pl.lit(None, dtype=pl.String),
        "dedupe_key": pl.concat_str(pl.lit("droid"), "created_at", pl.col("model").fill_null(""), separator=":"),
    },
)

FORMAT = json_format(
    "Droid's session settings",
    _SHAPE,
    claims=_LINE.str.contains(r'"tokenUsage"\s*:\s*\{') & _LINE.str.contains(r'"cacheCreationTokens"\s*:'),
    hints=('"tokenUsage"',),
)
