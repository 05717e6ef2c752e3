"""Kimi CLI sessions: `~/.kimi/sessions/**/wire.jsonl`, of which status updates hold usage; and those of Kimi Code.

    {"timestamp":1770983426.42,"message":{"type":"StatusUpdate","payload":{"context_usage":0.024,
     "token_usage":{"input_other":1562,"output":2463,"input_cache_read":9000,"input_cache_creation":0},
     "message_id":"chatcmpl-…"}}}

One update is one step of the agent, that is one call, and finished then; `input_other` leaves the cache out, so that
the prompt is the sum of the three. There is no latency, no cost and no model (it is in the CLI's own settings), hence
no provider. The session is only in the name of the folder. Updates without `token_usage` tell something else.

An update may come again with larger counts, and what a sub-agent does is in the session of its parent too, as a
`SubagentEvent` around its event: `dedupe_key` is `kimi:<message_id>`, where there is none the time.

Kimi Code, the successor (`~/.kimi-code/**/wire.jsonl`, format `kimi/code`), names the model. Its records have no
identifier: time, model and counts are the key of a copy.

    {"type":"usage.record","model":"kimi-code/kimi-for-coding","usage":{"inputOther":1163,"output":352,
     "inputCacheRead":22272,"inputCacheCreation":0},"usageScope":"turn","time":1780410897480}
"""

import polars as pl

from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format

_COUNTS = {
    "request_tokens": ("input_other", "inputOther"),
    "cache_read_tokens": ("input_cache_read", "inputCacheRead"),
    "cache_write_tokens": ("input_cache_creation", "inputCacheCreation"),
    "response_tokens": ("output", "output"),
}
_PAYLOAD = "message.payload."
_EVENT = "message.payload.event.payload."

_code = pl.col("type") == "usage.record"
_key = pl.concat_str(
    pl.when(_code).then(pl.concat_str("created_at", "model", *_COUNTS, separator=":", ignore_nulls=True)),
    pl.when(~_code.fill_null(value=False)).then(pl.coalesce("request_id", "created_at")),
    ignore_nulls=True,
)

_SHAPE = Shape(
    paths={
        "created_at": ("timestamp", "time"),
        "model": ("model",),
        **{
            name: (f"{_PAYLOAD}token_usage.{wire}", f"{_EVENT}token_usage.{wire}", f"usage.{code}")
            for name, (wire, code) in _COUNTS.items()
        },
        "agent_id": (f"{_PAYLOAD}agent_id", "agentId"),
        "role": (f"{_PAYLOAD}subagent_type",),
        "request_id": (f"{_PAYLOAD}message_id", f"{_EVENT}message_id"),
        "type": ("type",),
    },
    passed_over=("message.type", "message.payload.event.type"),
    meaning=Meaning(
        name="kimi",
        request_includes_cache=False,
        requires=(("request_tokens", "response_tokens"),),
    ),
    derived={
        "dedupe_key": pl.lit("kimi:") + _key,
        "variant": pl.when(_code).then(pl.lit("code")),
    },
    internal=("type",),
)

FORMAT = json_format(
    "Kimi CLI and Kimi Code sessions",
    _SHAPE,
    claims=(
        pl.col("line").str.contains(r'"type"\s*:\s*"StatusUpdate"')
        & pl.col("line").str.contains(r'"token_usage"\s*:\s*\{')
    )
    | (pl.col("line").str.contains(r'"type"\s*:\s*"usage\.record"') & pl.col("line").str.contains(r'"inputOther"\s*:')),
    hints=("StatusUpdate", "usage.record"),
)
