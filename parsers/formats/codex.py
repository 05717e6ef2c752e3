"""Codex rollouts: `~/.codex/sessions/**/rollout-*.jsonl`, of which `token_count` events hold usage.

    {"timestamp":"…","type":"session_meta","payload":{"id":"<session>","model_provider":"openai","forked_from_id":…}}
    {"timestamp":"…","type":"turn_context","payload":{"model":"gpt-5-codex",…}}
    {"timestamp":"…","type":"event_msg","payload":{"type":"token_count","info":{"last_token_usage":{"input_tokens":9000,
     "cached_input_tokens":8000,"output_tokens":300,"reasoning_output_tokens":120,"total_tokens":9300},
     "total_token_usage":{…}}}}

Prompts include the cache, what was read from it and what was written to it (`cache_read_input_tokens` is another name
of `cached_input_tokens`); output includes reasoning. `timestamp` is when the call finished; there is no latency. The
model is that of the record itself (`info.model`), else of the latest turn context or settings; unless named, it is
unknown. The folder is that of the latest line that names one, the tier of service that of the latest
`thread_settings_applied`: context of earlier lines. The session is that of the first session line. (A fork begins with
its own session line; those that it copied from its parent may follow.)

`last_token_usage` is the call. Where it is missing, the call is the growth of the running total. The event is repeated
while nothing new is used: one whose total is unchanged is not a call, nor is one without `info`.

A fork or a sub-agent begins with a copy of its parent's events, with their times or with its own. What it logs within
two seconds of its beginning, and without a pause after that, is such a copy, marked `"sidechain":true` in the metadata.
It names its parent, but that may be a fork itself, whose file need not be there: so `dedupe_key` of a copy is
`codex:copy:<totals>:<call>`, whoever copied it, and of a call of its own `codex:<session>:<totals>:<call>`, with the
session of the latest session line. The views count a copy where no session holds it as its own, and then once.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.jsonl.unknown_fields import LEFTOVERS
from parsers.rows.calls import Meaning, calls
from parsers.rows.json_shape import Shape, read
from parsers.values.lenient import time

_LAST = "payload.info.last_token_usage."
_TOTAL = "payload.info.total_token_usage."
_COUNTS = {
    "request_tokens": ("input_tokens",),
    "cache_read_tokens": ("cached_input_tokens", "cache_read_input_tokens"),
    "cache_write_tokens": ("cache_write_input_tokens",),
    "response_tokens": ("output_tokens",),
    "reasoning_tokens": ("reasoning_output_tokens",),
}
_SUMS = [f"sum_{name}" for name in _COUNTS]

_SHAPE = Shape(
    paths={
        "type": ("type",),
        "created_at": ("timestamp",),
        "own_model": ("payload.info.model",),
        "model": ("payload.model", "payload.thread_settings.model"),
        "provider": ("payload.model_provider",),
        "session": ("payload.id",),
        "parent": (
            "payload.forked_from_id",
            "payload.parent_thread_id",
            "payload.source.subagent.thread_spawn.parent_thread_id",
        ),
        "project": ("payload.cwd",),
        "settings": ("payload.type",),
        "service_tier": ("payload.thread_settings.service_tier", "payload.service_tier"),
        **{name: tuple(_LAST + key for key in keys) for name, keys in _COUNTS.items()},
        **{f"sum_{name}": tuple(_TOTAL + key for key in keys) for name, keys in _COUNTS.items()},
    },
    passed_over=(
        *(f"{usage}total_tokens" for usage in (_LAST, _TOTAL)),
        *("payload.info.model_context_window", "ordinal"),
    ),
    closed=("rate_limits",),
    meaning=Meaning(
        name="codex",
        constants={"provider": "openai"},
        requires=(("request_tokens", "response_tokens"),),
        metadata=("sidechain", "service_tier"),
    ),
)

_CARRIED = ("model", "provider", "root", "totals", "forked_at", "project", "service_tier")
"""What earlier lines say of later ones, besides the session."""


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    fields, rejects = read(records, _SHAPE)
    fields = _carried(fields, context)
    last = fields.tail(1)
    after = {name: last[name].to_list() for name in (*_CARRIED, "session_id", "line_at", "left_copies")}
    told = pl.any_horizontal(pl.col(name).is_not_null() for name in (*_SUMS, *_COUNTS))
    grown = pl.col("own").is_null() | pl.col("own").ne_missing(pl.col("before"))
    counted = fields.filter(pl.col("is_count") & told & grown)
    counted = counted.with_columns(model=pl.coalesce("own_model", "model"))
    parsed = calls(_since(counted).select(*records.columns, *_ROW), _SHAPE.meaning)
    marked = pl.col("metadata").str.replace('"sidechain":"true"', '"sidechain":true', literal=True)
    parsed = replace(parsed, calls=parsed.calls.with_columns(metadata=marked))
    kept = {name: value for name, values in after.items() for value in values if value is not None}
    return replace(parsed, rejects=pl.concat([rejects, parsed.rejects]), context={**context, **kept})


_ROW = (
    "created_at", "_created_at", "model", "provider", "session_id", "project", "service_tier", *_COUNTS, "dedupe_key",
    "sidechain", LEFTOVERS,
)  # fmt: skip
_REPLAYED = pl.duration(seconds=2)
_PAUSE = pl.duration(milliseconds=200)


def _carried(fields: pl.DataFrame, context: Context) -> pl.DataFrame:
    """Add what earlier lines say of each: see `_CARRIED`; whether it is a copy; and the totals before and after."""
    is_meta = pl.col("type") == "session_meta"
    is_count = (pl.col("type") == "event_msg") & (pl.col("settings") == "token_count")
    is_settings = pl.col("settings") == "thread_settings_applied"
    totals = pl.concat_str([pl.col(name).fill_null("") for name in _SUMS], separator="-")
    some = pl.any_horizontal(pl.col(name).is_not_null() for name in _SUMS)
    is_first = (is_meta.cum_sum() == 1) & pl.lit("session_id" not in context)
    own = fields.with_columns(
        is_count=is_count.fill_null(value=False),
        session_id=pl.when(is_meta).then("session"),
        root=pl.when(is_meta).then("session"),
        provider=pl.when(is_meta).then("provider"),
        model=pl.when(~is_meta).then("model"),
        # Settings without a tier put the usual one back.
        service_tier=pl.when(is_settings)
        .then(pl.coalesce("service_tier", pl.lit("default")))
        .otherwise("service_tier"),
        totals=pl.when(is_count & some).then(totals),
        forked_at=pl.when(is_meta & is_first & pl.col("parent").is_not_null()).then("created_at"),
        line_at=pl.col("created_at"),
    ).with_columns(own="totals")
    earlier = {name: pl.lit(context.get(name), dtype=pl.String) for name in (*_CARRIED, "line_at", "left_copies")}
    carried = own.with_columns(
        *(pl.coalesce(pl.col(name).forward_fill(), earlier[name]).alias(name) for name in _CARRIED),
        session_id=pl.lit(context["session_id"])
        if "session_id" in context
        else pl.when(pl.col("session_id").is_not_null().cum_max()).then(pl.col("session_id").drop_nulls().first()),
    )
    carried = carried.with_columns(_created_at=time(pl.col("created_at")))
    at = pl.col("_created_at")
    is_next = pl.col("line_at").shift(1).is_not_null()
    paused = at - pl.when(is_next).then(at.shift(1)).otherwise(time(earlier["line_at"])) > _PAUSE
    begun = (at - time(pl.col("forked_at")) > _REPLAYED) & paused.fill_null(value=True)
    carried = carried.with_columns(
        before=pl.coalesce(pl.col("totals").shift(1), earlier["totals"]),
        left_copies=pl.when(begun.fill_null(value=False).cum_max())
        .then(pl.lit("true"))
        .otherwise(earlier["left_copies"]),
    )
    is_copy = pl.col("forked_at").is_not_null() & pl.col("left_copies").is_null()
    return carried.with_columns(sidechain=pl.when(is_copy).then(pl.lit("true")))


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
    owner = pl.when(pl.col("sidechain").is_not_null()).then(pl.lit("copy")).otherwise(pl.col("root").fill_null(""))
    key = pl.concat_str(pl.lit("codex"), owner, pl.coalesce("own", "created_at"), call, separator=":")
    return filled.with_columns(dedupe_key=key)


_LINE = pl.col("line")
_CONTEXT = _LINE.str.contains(r'"type"\s*:\s*"(?:session_meta|turn_context|thread_settings_applied)"')
_COUNT = _LINE.str.contains(r'"type"\s*:\s*"token_count"') & _LINE.str.contains(r'"event_msg"')
_CLAIMS = (_CONTEXT | _COUNT) & _LINE.str.contains(r'"payload"\s*:\s*\{')

FORMAT = Format(
    name="codex",
    title="Codex rollouts",
    json=True,
    claims=_CLAIMS,
    parse=_parse,
    sets_context=_CLAIMS,
    hints=("oken_count", "turn_context", "session_meta", "thread_settings_applied"),
)
