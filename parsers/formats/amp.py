"""Amp's threads: `~/.local/share/amp/threads/T-*.json`, one document each.

    {"id":"T-…","messages":[{"role":"assistant","messageId":1,"content":[…],"usage":{"model":"claude-…",
     "inputTokens":10,"outputTokens":178,"cacheCreationInputTokens":986,"cacheReadInputTokens":11372,
     "totalInputTokens":12368,"timestamp":"2026-01-19T11:42:10.652Z"}}],
     "usageLedger":{"events":[{"id":"…","timestamp":"…","model":"claude-…","credits":1.5,
     "tokens":{"input":10,"output":178},"operationType":"inference","fromMessageId":0,"toMessageId":1}]}}

Messages of the assistant with a usage are calls; where the thread has a ledger, its events are, with what the message
that an event led to says of the cache. The input leaves the cache out. A thread is written anew whenever it grows:
`dedupe_key` is `amp:<thread>:<message>`, or the event's id.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Parsed, apart
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, made, read

_LINE = pl.col("line")
_CACHE = {
    "cache_read_tokens": "usage.cacheReadInputTokens",
    "cache_write_tokens": "usage.cacheCreationInputTokens",
}

_SHAPE = Shape(
    paths={
        "created_at": ("usage.timestamp", "timestamp", "meta.sentAt"),
        "model": ("usage.model", "model"),
        "request_tokens": ("usage.inputTokens", "tokens.input"),
        **{name: (place,) for name, place in _CACHE.items()},
        "response_tokens": ("usage.outputTokens", "tokens.output"),
        "total_tokens": ("usage.totalTokens", "tokens.total"),
        "thread": ("id",),
        "role": ("role",),
        "message_id": ("messageId",),
        "answered": ("toMessageId",),
        "operation": ("operationType",),
        "credits": ("usage.credits", "credits"),
    },
    meaning=Meaning(name="amp", request_includes_cache=False),
    internal=("thread", "role", "answered"),
)


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    fields, rejects = read(records, _SHAPE)
    is_thread = _LINE.str.contains(_THREAD_ID) & pl.col("request_tokens").is_null() & pl.col("total_tokens").is_null()
    threads = fields.filter(is_thread)["thread"].tail(1).to_list()
    thread = threads[0] if threads else context.get("thread")
    rest = fields.filter(~is_thread)
    events = rest.filter(pl.col("role").is_null())
    messages = rest.filter(pl.col("role") == "assistant")
    if len(events):
        led_to = messages.select(pl.col("message_id").alias("answered"), *(pl.col(n).alias(f"led_{n}") for n in _CACHE))
        told = events.join(
            led_to.drop_nulls("answered").unique("answered", keep="last"),
            on="answered",
            how="left",
            maintain_order="left",
        )
        called = told.with_columns(pl.coalesce(name, f"led_{name}").alias(name) for name in _CACHE)
        called = called.with_columns(request_id=pl.col("thread")).drop(f"led_{name}" for name in _CACHE)
    else:
        called = messages.with_columns(request_id=pl.lit(None, pl.String))
    session = pl.lit(thread, pl.String)
    called = called.with_columns(
        session_id=session,
        dedupe_key=pl.concat_str(
            pl.lit("amp"), session, pl.coalesce("request_id", "message_id", "created_at"), separator=":"
        ),
    )
    parsed = made(called.drop(_SHAPE.internal), _SHAPE, rejects)
    return replace(parsed, context={"thread": thread} if thread else {})


_THREAD_ID = r'"id"\s*:\s*"T-'
_THREAD = _LINE.str.contains(_THREAD_ID) & ~_LINE.str.contains(apart(r'"tokens"\s*:|"usage"\s*:'))
_MESSAGE = (
    _LINE.str.contains(r'"role"\s*:\s*"assistant"')
    & _LINE.str.contains(apart(r'"cacheCreationInputTokens"\s*:|"totalInputTokens"\s*:'))
    & _LINE.str.contains(r'"usage"\s*:\s*\{')
    & ~_LINE.str.contains(r'"metadata"\s*:\s*\{')
)
_EVENT = (
    _LINE.str.contains(r'"tokens"\s*:\s*\{')
    & _LINE.str.contains(apart(r'"(?:toMessageId|operationType|credits)"\s*:'))
    & _LINE.str.contains(r'"timestamp"\s*:')
    & ~_LINE.str.contains(r'"role"\s*:')
)

FORMAT = Format(
    name="amp",
    title="Amp threads",
    json=True,
    claims=_THREAD | _MESSAGE | _EVENT,
    parse=_parse,
    sets_context=_THREAD,
    hints=('"T-', 'InputTokens"', '"tokens"'),
)
