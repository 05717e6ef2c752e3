"""What `gemini --output-format json` prints, and the last line of `stream-json`: the sums of a run by model.

    {"session_id":"…","response":"…","stats":{"models":{"gemini-2.5-pro":{"api":{"totalRequests":2,"totalErrors":0},
     "tokens":{"prompt":1000,"candidates":50,"total":1060,"cached":400,"thoughts":10,"tool":0}}},"tools":{},"files":{}}}

    {"type":"init","session_id":"…","model":"gemini-2.5-pro","timestamp":"…"}
    {"type":"result","timestamp":"…","stats":{"total_tokens":1060,"input_tokens":1000,"output_tokens":60,"cached":400,
     "models":{"gemini-2.5-pro":{"total_tokens":1060,"input_tokens":1000,"output_tokens":60,"cached":400}}}}

One row a model, `gemini-cli/sum`, with `requests` where it is told. Cached input is part of the prompt, what tools used
and the thoughts are beside prompt and candidates. Where the session itself is there, its calls count, not the sums.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Parsed, apart
from parsers.rows.by_model import MEMBER, MODEL, by_model
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, made, read
from parsers.schema import SESSION

_LINE = pl.col("line")
_TOKENS = f"{MEMBER}.tokens."

_SHAPE = Shape(
    paths={
        "created_at": ("timestamp",),
        "type": ("type",),
        "session_id": ("session_id", "sessionId"),
        "model": (MODEL, "model"),
        "requests": (f"{MEMBER}.api.totalRequests",),
        "failed_requests": (f"{MEMBER}.api.totalErrors",),
        "request_tokens": (f"{_TOKENS}prompt", f"{MEMBER}.input_tokens", "stats.input_tokens"),
        "tool_tokens": (f"{_TOKENS}tool",),
        "cache_read_tokens": (f"{_TOKENS}cached", f"{MEMBER}.cached", "stats.cached"),
        "response_tokens": (f"{_TOKENS}candidates", f"{MEMBER}.output_tokens", "stats.output_tokens"),
        "reasoning_tokens": (f"{_TOKENS}thoughts",),
    },
    meaning=Meaning(
        name="gemini-cli",
        response_includes_reasoning=False,
        requires=(("request_tokens", "response_tokens"),),
        constants={"variant": "sum", "task": SESSION},
    ),
    internal=("tool_tokens", "type"),
)


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    each, bad = by_model(records, ("stats", "models"))
    fields, rejects = read(each, _SHAPE)
    is_init = pl.col("type") == "init"
    carried = [
        pl.coalesce(name, pl.when(is_init).then(name).forward_fill(), pl.lit(context.get(name), dtype=pl.String))
        for name in ("session_id", "model")
    ]
    fields = fields.with_columns(carried)
    sums = fields.filter(is_init.ne_missing(pl.lit(value=True))).with_columns(
        request_tokens=_added("request_tokens", "tool_tokens"),
        dedupe_key=pl.concat_str(
            pl.lit("gemini-cli:sum"), "session_id", "model", "created_at", separator=":", ignore_nulls=True
        ),
    )
    sums = sums.with_columns(dedupe_key=pl.when(pl.col("session_id").is_not_null()).then("dedupe_key"))
    parsed = made(sums.drop(_SHAPE.internal), _SHAPE, pl.concat([bad, rejects]))
    inits = fields.filter(is_init).tail(1)
    after = {name: inits[name][0] for name in ("session_id", "model") if len(inits) and inits[name][0]}
    return replace(parsed, context={**context, **after})


def _added(count: str, other: str) -> pl.Expr:
    both = pl.col(count).cast(pl.Int64, strict=False) + pl.col(other).cast(pl.Int64, strict=False)
    return pl.coalesce(both.cast(pl.String), count)


_INIT = _LINE.str.contains(r'"type"\s*:\s*"init"') & _LINE.str.contains(r'"session_id"\s*:')
_STATS = _LINE.str.contains(r'"stats"\s*:\s*\{') & _LINE.str.contains(apart(r'"models"\s*:\s*\{|"input_tokens"\s*:'))

FORMAT = Format(
    name="gemini-headless",
    title="Gemini CLI's headless output",
    json=True,
    claims=_INIT | _STATS,
    parse=_parse,
    sets_context=_INIT,
    hints=('"stats"', '"init"'),
)
