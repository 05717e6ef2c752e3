"""Copilot CLI's sessions: `~/.copilot/session-state/<session>/events.jsonl`, which end with their sums by model.

    {"type":"session.start","timestamp":"…","data":{"sessionId":"…","context":{"cwd":"…"}}}
    {"type":"assistant.message","timestamp":"…","data":{"content":"…","model":"claude-sonnet-4.5","outputTokens":210}}
    {"type":"session.shutdown","id":"…","timestamp":"…","data":{"modelMetrics":{"claude-sonnet-4.5":{
     "requests":{"count":2,"cost":1},"usage":{"inputTokens":20000,"outputTokens":400,"cacheReadTokens":15000,
     "cacheWriteTokens":3000,"reasoningTokens":0}}}}}

The input includes the cache, the output the reasoning and what the messages told. One row a model, `copilot/sum`, of
`requests` as told, at each end: a session that is resumed ends again, and tells what it used since. Until it ends,
nothing tells what it used: messages tell their output only, and are no calls. `requests.cost` counts premium requests,
not money. The session is named by its first line.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.rows.by_model import MEMBER, MODEL, by_model
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, made, read
from parsers.schema import SESSION

_LINE = pl.col("line")
_USAGE = f"{MEMBER}.usage."

_SHAPE = Shape(
    paths={
        "type": ("type",),
        "created_at": ("timestamp",),
        "model": (MODEL,),
        "requests": (f"{MEMBER}.requests.count",),
        "premium_requests": (f"{MEMBER}.requests.cost",),
        "request_tokens": (f"{_USAGE}inputTokens",),
        "cache_read_tokens": (f"{_USAGE}cacheReadTokens",),
        "cache_write_tokens": (f"{_USAGE}cacheWriteTokens",),
        "response_tokens": (f"{_USAGE}outputTokens",),
        "reasoning_tokens": (f"{_USAGE}reasoningTokens",),
        "session_id": ("data.sessionId",),
        "project": ("data.context.cwd",),
        "request_id": ("id",),
    },
    meaning=Meaning(name="copilot", constants={"variant": "sum", "task": SESSION}),
    derived={
        "dedupe_key": pl.concat_str(
            pl.lit("copilot"), "session_id", "request_id", "model", separator=":", ignore_nulls=True
        )
    },
    internal=("type",),
)
_CARRIED = ("session_id", "project")


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    each, bad = by_model(records.filter(~_LINE.str.contains(_MESSAGE)), ("data", "modelMetrics"))
    fields, rejects = read(each, _SHAPE)
    before = {name: pl.lit(context.get(name), dtype=pl.String) for name in _CARRIED}
    fields = fields.with_columns(
        pl.coalesce(pl.col(name).forward_fill(), before[name]).alias(name) for name in _CARRIED
    )
    # A session that used nothing ends without models.
    ends = fields.filter((pl.col("type") == "session.shutdown") & pl.col("model").is_not_null())
    parsed = made(ends.with_columns(**_SHAPE.derived).drop(_SHAPE.internal), _SHAPE, pl.concat([bad, rejects]))
    last = fields.tail(1)
    after = {name: last[name][0] for name in _CARRIED if len(last) and last[name][0]}
    return replace(parsed, context={**context, **after})


_MESSAGE = r'"type"\s*:\s*"assistant\.message"'
_SESSION = _LINE.str.contains(r'"type"\s*:\s*"session\.(?:start|resume)"')

FORMAT = Format(
    name="copilot",
    title="Copilot CLI sessions",
    json=True,
    claims=(
        _SESSION
        | (_LINE.str.contains(r'"type"\s*:\s*"session\.shutdown"') & _LINE.str.contains(r'"modelMetrics"\s*:'))
        | (_LINE.str.contains(_MESSAGE) & _LINE.str.contains(r'"outputTokens"\s*:'))
    )
    & _LINE.str.contains(r'"data"\s*:\s*\{'),
    parse=_parse,
    sets_context=_SESSION,
    hints=("session.start", "session.resume", "session.shutdown", "assistant.message"),
)
