"""Codex rollouts: `~/.codex/sessions/**/rollout-*.jsonl`, of which `token_count` events hold usage.

    {"timestamp":"…","type":"session_meta","payload":{"id":"<session>","model_provider":"openai","forked_from_id":…}}
    {"timestamp":"…","type":"turn_context","payload":{"model":"gpt-5-codex",…}}
    {"timestamp":"…","type":"event_msg","payload":{"type":"token_count","info":{"last_token_usage":{"input_tokens":9000,
     "cached_input_tokens":8000,"output_tokens":300,"reasoning_output_tokens":120,"total_tokens":9300},
     "total_token_usage":{…}}}}

Prompts include the cache, output includes reasoning. `timestamp` is when the call finished; there is no latency. The
model is that of the latest turn context, the session that of the first session line: context of earlier lines. (A fork
begins with its own session line; those that it copied from its parent follow.)

`last_token_usage` is the call. Where it is missing, the call is the growth of the running total. The event is repeated
while nothing new is used: one whose total is unchanged is not a call, nor is one without `info`.

A fork copies the events of its parent, and writes them with its own time. They are told by the running total:
`dedupe_key` is `codex:<root>:<totals>:<call>`, where the root is the session that the latest session line names as its
parent, else that session. A copy in `archived_sessions` has the same key. What a fork logs within two seconds of its
beginning is such a copy, marked `"sidechain":true` in the metadata: its time is not that of the call, so that the
parent's own record is the call where both are there.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.rows.calls import Meaning, calls
from parsers.rows.json_shape import Shape, read
from parsers.values.lenient import time

_LAST = "payload.info.last_token_usage."
_TOTAL = "payload.info.total_token_usage."
_COUNTS = {
    "request_tokens": "input_tokens",
    "cache_read_tokens": "cached_input_tokens",
    "response_tokens": "output_tokens",
    "reasoning_tokens": "reasoning_output_tokens",
}
_SUMS = [f"sum_{name}" for name in _COUNTS]

_SHAPE = Shape(
    paths={
        "type": ("type",),
        "created_at": ("timestamp",),
        "model": ("payload.model",),
        "provider": ("payload.model_provider",),
        "session": ("payload.id",),
        "parent": ("payload.forked_from_id", "payload.parent_thread_id"),
        **{name: (_LAST + key,) for name, key in _COUNTS.items()},
        **{f"sum_{name}": (_TOTAL + key,) for name, key in _COUNTS.items()},
    },
    meaning=Meaning(name="codex", constants={"provider": "openai"}, metadata=("sidechain",)),
)


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    fields, rejects = read(records, _SHAPE)
    fields = _carried(fields, context)
    last = fields.tail(1)
    after = {name: last[name].to_list() for name in ("model", "provider", "session_id", "root", "totals", "forked_at")}
    told = pl.any_horizontal(pl.col(name).is_not_null() for name in (*_SUMS, *_COUNTS))
    grown = pl.col("own").is_null() | pl.col("own").ne_missing(pl.col("before"))
    counted = fields.filter(pl.col("is_count") & told & grown)
    parsed = calls(_since(counted).select(*records.columns, *_ROW), _SHAPE.meaning)
    marked = pl.col("metadata").str.replace('"sidechain":"true"', '"sidechain":true', literal=True)
    parsed = replace(parsed, calls=parsed.calls.with_columns(metadata=marked))
    kept = {name: value for name, values in after.items() for value in values if value is not None}
    return replace(parsed, rejects=pl.concat([rejects, parsed.rejects]), context={**context, **kept})


_ROW = ("created_at", "model", "provider", "session_id", *_COUNTS, "dedupe_key", "sidechain")
_REPLAYED = pl.duration(seconds=2)


def _carried(fields: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Add what earlier lines say of each: model, provider, session, root, fork; and the totals before and after."""
    is_meta, is_count = pl.col("type") == "session_meta", pl.col("type") == "event_msg"
    totals = pl.concat_str([pl.col(name).fill_null("") for name in _SUMS], separator="-")
    some = pl.any_horizontal(pl.col(name).is_not_null() for name in _SUMS)
    is_first = (is_meta.cum_sum() == 1) & pl.lit("session_id" not in context)
    own = fields.with_columns(
        is_count=is_count.fill_null(value=False),
        session_id=pl.when(is_meta).then("session"),
        root=pl.when(is_meta).then(pl.coalesce("parent", "session")),
        provider=pl.when(is_meta).then("provider"),
        model=pl.when(~is_meta).then("model"),
        totals=pl.when(is_count & some).then(totals),
        forked_at=pl.when(is_meta & is_first & pl.col("parent").is_not_null()).then("created_at"),
    ).with_columns(own="totals")
    names = ("model", "provider", "root", "totals", "forked_at")
    earlier = {name: pl.lit(context.get(name), dtype=pl.String) for name in names}
    carried = own.with_columns(
        *(pl.coalesce(pl.col(name).forward_fill(), value).alias(name) for name, value in earlier.items()),
        session_id=pl.lit(context["session_id"])
        if "session_id" in context
        else pl.when(pl.col("session_id").is_not_null().cum_max()).then(pl.col("session_id").drop_nulls().first()),
    )
    replayed = time(pl.col("created_at")) - time(pl.col("forked_at")) <= _REPLAYED
    return carried.with_columns(
        before=pl.coalesce(pl.col("totals").shift(1), earlier["totals"]),
        sidechain=pl.when(replayed).then(pl.lit("true")),
    )


def _since(counted: pl.DataFrame) -> pl.DataFrame:
    """Return the calls: the last usage, else how much the totals grew, or the totals themselves after a reset."""
    before = pl.col("before").str.split_exact("-", len(_COUNTS) - 1)
    growth = {}
    for i, name in enumerate(_COUNTS):
        total = pl.col(f"sum_{name}").cast(pl.Int64, strict=False)
        grown = total - before.struct.field(f"field_{i}").cast(pl.Int64, strict=False).fill_null(0)
        growth[name] = pl.when(grown >= 0).then(grown).otherwise(total).cast(pl.String)
    no_last = pl.all_horizontal(pl.col(name).is_null() for name in _COUNTS)
    filled = counted.with_columns(
        pl.when(no_last).then(value).otherwise(pl.col(name)).alias(name) for name, value in growth.items()
    )
    call = pl.concat_str([pl.col(name).fill_null("") for name in _COUNTS], separator="-")
    key = pl.concat_str(pl.lit("codex"), "root", pl.coalesce("own", "created_at"), call, separator=":")
    return filled.with_columns(dedupe_key=key)


_CONTEXT = pl.col("line").str.contains(r'"type"\s*:\s*"(?:session_meta|turn_context)"')
_COUNT = pl.col("line").str.contains(r'"type"\s*:\s*"token_count"') & pl.col("line").str.contains(r'"event_msg"')

FORMAT = Format(
    name="codex",
    title="Codex rollouts",
    json=True,
    claims=(_CONTEXT | _COUNT) & pl.col("line").str.contains(r'"payload"\s*:\s*\{'),
    parse=_parse,
    sets_context=(_CONTEXT | _COUNT) & pl.col("line").str.contains(r'"payload"\s*:\s*\{'),
    hints=("oken_count", "turn_context", "session_meta"),
)
