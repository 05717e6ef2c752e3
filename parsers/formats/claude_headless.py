"""What `claude -p --output-format json` prints, and the last line of `stream-json`: the sum of a run.

    {"type":"result","subtype":"success","is_error":false,"duration_ms":4000,"num_turns":3,"result":"…",
     "session_id":"…","total_cost_usd":0.0123,"usage":{"input_tokens":10,"output_tokens":20,…},
     "modelUsage":{"claude-sonnet-4-6":{"inputTokens":10,"outputTokens":20,"cacheReadInputTokens":300,
     "cacheCreationInputTokens":40,"webSearchRequests":0,"costUSD":0.0123}},"uuid":"…"}

One row a model of the run, `claude-code/sum`; older versions tell no models: one row without a model. The input leaves
the cache out. It doesn't say of how many requests it is the sum: `num_turns` counts turns of the conversation. Where
the run's messages are there as well (lines of `stream-json`, elements of the array that `--verbose` prints, the session
itself), these are the calls, and the views leave the sum out.
"""

import polars as pl

from parsers.blocks.format import Context, Format, Parsed, apart
from parsers.rows.by_model import MEMBER, MODEL, by_model
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, made, read
from parsers.schema import SESSION

_LINE = pl.col("line")

_SHAPE = Shape(
    paths={
        "created_at": ("timestamp",),
        "model": (MODEL,),
        "request_tokens": (f"{MEMBER}.inputTokens", "usage.input_tokens"),
        "cache_read_tokens": (f"{MEMBER}.cacheReadInputTokens", "usage.cache_read_input_tokens"),
        "cache_write_tokens": (f"{MEMBER}.cacheCreationInputTokens", "usage.cache_creation_input_tokens"),
        "response_tokens": (f"{MEMBER}.outputTokens", "usage.output_tokens"),
        "own_cost": (f"{MEMBER}.costUSD",),
        "whole_cost": ("total_cost_usd", "cost_usd"),
        "session_id": ("session_id",),
        "request_id": ("uuid",),
        "is_error": ("is_error",),
        "subtype": ("subtype",),
        "num_turns": ("num_turns",),
        "duration_ms": ("duration_ms",),
        "web_search_requests": (f"{MEMBER}.webSearchRequests", "usage.server_tool_use.web_search_requests"),
    },
    passed_over=("type",),
    meaning=Meaning(
        name="claude-code",
        request_includes_cache=False,
        requires=(("request_tokens", "response_tokens"),),
        constants={"variant": "sum", "task": SESSION},
    ),
    derived={
        # The cost of a whole run that told no models; of one that did, each model has its own.
        "cost": pl.coalesce("own_cost", pl.when(pl.col("model").is_null()).then("whole_cost")),
        "status": pl.when(pl.col("is_error") == "true").then(pl.lit("error")),
        "error_type": pl.when(pl.col("is_error") == "true").then("subtype"),
        "requests": pl.lit(None, dtype=pl.String),
        "dedupe_key": pl.concat_str(
            pl.lit("claude-code:sum"),
            pl.coalesce("request_id", "session_id"),
            pl.col("model").fill_null(""),
            separator=":",
        ),
    },
    internal=("own_cost", "whole_cost", "is_error"),
)


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    del context
    each, bad = by_model(records, ("modelUsage",))
    fields, rejects = read(each, _SHAPE)
    return made(fields.with_columns(**_SHAPE.derived).drop(_SHAPE.internal), _SHAPE, pl.concat([bad, rejects]))


FORMAT = Format(
    name="claude-headless",
    title="Claude Code's headless output",
    json=True,
    claims=_LINE.str.contains(r'"type"\s*:\s*"result"')
    & _LINE.str.contains(apart(r'"(?:num_turns|total_cost_usd)"\s*:'))
    & _LINE.str.contains(r'"session_id"\s*:'),
    parse=_parse,
    hints=('"num_turns"', '"total_cost_usd"'),
)
