"""Tasks of Cline, Roo Code and Kilo Code: `tasks/<id>/ui_messages.json`, one array of what their panel showed.

    {"ts":1788000001000,"type":"say","say":"api_req_started","text":"{\\"request\\":\\"…\\",\\"tokensIn\\":120,
     \\"tokensOut\\":60,\\"cacheWrites\\":10,\\"cacheReads\\":30,\\"cost\\":0.015}",
     "modelInfo":{"providerId":"anthropic","modelId":"claude-sonnet-4-5","mode":"act"}}

A request is a call once its text has counts (older versions: that of `api_req_finished`); `tokensIn` leaves the cache
out. `ts` is when it began, the latency isn't told. Only Cline names the model. What a user deleted, and what sub-agents
used, is told as sums (`deleted_api_reqs`, `subagent_usage`): rows `cline/sum`. The array is written anew whenever
it grows: `dedupe_key` is `cline:<say>:<ts>`.
"""

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.jsonl.unknown_fields import LEFTOVERS
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, made, read
from parsers.schema import SESSION

_LINE = pl.col("line")

_MESSAGE = Shape(
    paths={
        "started_at": ("ts",),
        "say": ("say",),
        "model": ("modelInfo.modelId",),
        "provider": ("modelInfo.providerId",),
        "role": ("modelInfo.mode",),
        "text": ("text",),
    },
    meaning=Meaning(name="cline"),
)
_TEXT = Shape(
    paths={
        "request_tokens": ("tokensIn",),
        "response_tokens": ("tokensOut",),
        "cache_read_tokens": ("cacheReads",),
        "cache_write_tokens": ("cacheWrites",),
        "cost": ("cost",),
        "error_type": ("cancelReason",),
        "api_protocol": ("apiProtocol",),
    },
    meaning=Meaning(
        name="cline",
        request_includes_cache=False,
        requires=(("request_tokens", "response_tokens"),),
        failed="^streaming_failed$",
        dedupe=None,
    ),
)
_SUMS = ("deleted_api_reqs", "subagent_usage")


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    del context
    messages, rejects = read(records, _MESSAGE)
    told = messages.filter(pl.col("text").str.contains(r'"tokens(?:In|Out)"\s*:'))
    inner = told.select("source_offset", "source_end", line="text")
    counts, unread = read(inner, _TEXT)
    around = told.drop("source_end", "line", "text", LEFTOVERS)
    calls = counts.join(around, on="source_offset", how="left", maintain_order="left")
    is_sum = pl.col("say").is_in(_SUMS)
    calls = calls.with_columns(
        status="error_type",
        requests=pl.when(~is_sum).then(pl.lit("1")),
        task=pl.when(is_sum).then(pl.lit(SESSION)),
        variant=pl.when(is_sum).then(pl.lit("sum")),
        dedupe_key=pl.concat_str(pl.lit("cline"), "say", "started_at", separator=":"),
    )
    return made(calls.drop("say"), _TEXT, pl.concat([rejects, unread]))


FORMAT = Format(
    name="cline",
    title="tasks of Cline, Roo Code and Kilo Code",
    json=True,
    claims=_LINE.str.contains(r'"say"\s*:\s*"(?:api_req_started|api_req_finished|deleted_api_reqs|subagent_usage)"')
    & _LINE.str.contains(r'"ts"\s*:'),
    parse=_parse,
    hints=("api_req", "subagent_usage"),
)
