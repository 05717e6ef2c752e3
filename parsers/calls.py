"""Flat fields of text → rows of `llm_calls`: one meaning for each name, whichever format the fields came from.

A format says where its fields are (`fields.extract`, or the groups of a regex) and what they mean (`Meaning`); the
arithmetic, the checks and the reasons for a reject are here.

Fields are named as the columns of `llm_calls`, with these besides: `latency` (in `Meaning.latency`'s unit), `cost`,
`status` (what says whether the call failed), `variant` (of the format), and `cache_write_5m_tokens` and
`cache_write_1h_tokens` (parts of the cache write). Other fields go to `metadata` when `Meaning.metadata` names them.

`created_at` is when the call finished. Where only `started_at` is known it is `started_at` plus the latency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from parsers.format import Parsed
from parsers.readings import count, duration_ms, time
from parsers.records import reject
from parsers.schema import EVENTS, polars_schema
from parsers.values import known, metadata, started, usd

TEXTS = (
    "session_id", "run_id", "step_id", "story_id", "task", "agent_id", "role", "state", "user_id", "account_id",
    "host", "provider", "model", "error", "error_type", "request_id", "prompt_version", "tool_used",
)  # fmt: skip
COUNTS = (
    "request_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens",
    "response_tokens", "reasoning_tokens", "total_tokens",
)  # fmt: skip
NUMBERS = ("attempt", "max_tokens", "temperature")
TIMES = ("created_at", "started_at")
FIELDS = (*TIMES, *TEXTS, *COUNTS, *NUMBERS, "latency", "cost", "status", "variant", "dedupe_key")
"""Every field that has a meaning here."""

FAILED = (
    r"^(?i:false|0|error|errored|err|fail|failed|failure|fatal|critical|exception|timeout|cancelled|50|60|[45]\d\d)$"
)
"""Values of `status` that mean failure: words, the levels of pino, HTTP codes."""


@dataclass(frozen=True)
class Meaning:
    """What the fields of a format mean.

    Attributes:
        name: of the format; goes to the column `format`, before the variant where there is one.
        time: how times are written: `auto`, a unit, or a `strptime` format.
        zone: the zone of times without an offset.
        latency: the unit of `latency` where it is a bare number.
        cost: what one unit of `cost` is worth in USD.
        request_includes_cache: whether `request_tokens` counts what was read from and written to the cache.
        response_includes_reasoning: whether `response_tokens` counts the reasoning.
        failed: a regex for the values of `status` that mean failure.
        requires: a record without one of these fields is a reject; of a tuple, one field is enough.
        metadata: fields without a column that are kept.
        dedupe: a record with a `request_id` gets the key `<dedupe>:<request_id>`; None when it is logged once only.
        token_source: who counted.
        constants: what a field is where the record doesn't say.
    """

    name: str
    time: str = "auto"
    zone: str = "UTC"
    latency: str = "ms"
    cost: float = 1.0
    request_includes_cache: bool = True
    response_includes_reasoning: bool = True
    failed: str = FAILED
    requires: tuple[str | tuple[str, ...], ...] = ("model", ("request_tokens", "response_tokens", "total_tokens"))
    metadata: tuple[str, ...] = ()
    dedupe: str | None = None
    token_source: str = "provider"  # noqa: S105 -- tokens of a language model
    constants: Mapping[str, str] = field(default_factory=dict)


def calls(fields: pl.DataFrame, meaning: Meaning) -> Parsed:
    """Return the call in each record of *fields*, or why there is none in it."""
    texts = fields.with_columns(_text(name, fields, meaning) for name in (*FIELDS, *meaning.metadata))
    typed = texts.with_columns(
        *(time(pl.col(name), meaning.time, meaning.zone).alias(f"_{name}") for name in TIMES),
        *(count(pl.col(name)).alias(f"_{name}") for name in COUNTS),
        _latency=duration_ms(pl.col("latency"), meaning.latency),
        _cost=pl.col("cost").str.strip_prefix("$").cast(pl.Float64, strict=False) * meaning.cost,
        _failed=pl.col("error").is_not_null() | pl.col("status").str.contains(meaning.failed).fill_null(value=False),
    )
    why = typed.select(_reason(meaning).alias("reason")).to_series()
    good = typed.filter(why.is_null()).with_columns(**_tokens(meaning))
    return Parsed(
        calls=good.select("source_offset", **_row(meaning)),
        events=pl.DataFrame(schema=polars_schema(EVENTS)),
        rejects=reject(typed.with_columns(why).filter(why.is_not_null()), pl.col("reason")),
    )


def _text(name: str, fields: pl.DataFrame, meaning: Meaning) -> pl.Expr:
    """Return a field: blank is unknown, and a constant stands in for what is unknown."""
    constant = pl.lit(meaning.constants.get(name), dtype=pl.String)
    return (pl.coalesce(known(pl.col(name)), constant) if name in fields.columns else constant).alias(name)


def _reason(meaning: Meaning) -> pl.Expr:
    """Return why a record is no call: a field that is there but can't be read, or one that must be there and isn't."""
    reasons = [
        pl.when(pl.col(name).is_not_null() & pl.col(f"_{name}").is_null()).then(
            pl.format(f"`{name}` is not a {kind}: {{}}", pl.col(name).str.head(60))
        )
        for kind, names in (("time", TIMES), ("count", COUNTS))
        for name in names
    ]
    for needed in meaning.requires:
        names = (needed,) if isinstance(needed, str) else needed
        absent = pl.all_horizontal(pl.col(name).is_null() for name in names)
        if set(names) <= set(COUNTS):
            absent &= ~pl.col("_failed")  # a call that failed has often no counts
        reasons.append(pl.when(absent).then(pl.lit("no " + " or ".join(f"`{name}`" for name in names))))
    return pl.coalesce(*reasons, pl.lit(None, dtype=pl.String))


def _tokens(meaning: Meaning) -> dict[str, pl.Expr]:
    """Return the schema's token columns.

    More cached than asked is impossible where the prompt includes the cache: then the application logged a count
    without it, as many do with Anthropic's. A failed call that counts zero on both sides was not measured.
    """
    read = pl.col("_cache_read_tokens")
    parts = [pl.col("_cache_write_5m_tokens"), pl.col("_cache_write_1h_tokens")]
    some = pl.any_horizontal(part.is_not_null() for part in parts)
    write = pl.coalesce("_cache_write_tokens", pl.when(some).then(pl.sum_horizontal(parts)))
    cached = read.fill_null(0) + write.fill_null(0)
    asked, answered = pl.col("_request_tokens"), pl.col("_response_tokens")
    if meaning.request_includes_cache:
        request = pl.when(cached > asked).then(asked + cached).otherwise(asked)
    else:
        request = pl.when(asked.is_not_null() | read.is_not_null() | write.is_not_null()).then(
            asked.fill_null(0) + cached
        )
    reasoning = pl.col("_reasoning_tokens")
    response = answered
    if not meaning.response_includes_reasoning:
        response = pl.coalesce(answered + reasoning.fill_null(0), reasoning)
    measured = ~(pl.col("_failed") & (request.fill_null(0) == 0) & (response.fill_null(0) == 0))
    return {
        "request_tokens": pl.when(measured).then(request),
        "cache_read_tokens": pl.when(measured).then(read),
        "cache_write_tokens": pl.when(measured).then(write),
        "response_tokens": pl.when(measured).then(response),
        "reasoning_tokens": pl.when(measured).then(reasoning),
        "total_tokens": pl.when(measured).then(pl.coalesce(request + response, "_total_tokens")),
    }


def _row(meaning: Meaning) -> dict[str, pl.Expr]:
    lasted = (pl.col("_created_at") - pl.col("_started_at")).dt.total_microseconds() / 1_000
    latency = pl.coalesce("_latency", pl.when(lasted >= 0).then(lasted))
    since = pl.duration(microseconds=(pl.col("_latency").fill_null(0) * 1_000).round().cast(pl.Int64))
    created = pl.coalesce("_created_at", pl.col("_started_at") + since)
    some = pl.any_horizontal(
        pl.col(name).is_not_null() for name in ("request_tokens", "response_tokens", "total_tokens")
    )
    key = pl.lit(None, dtype=pl.String)
    if meaning.dedupe is not None:
        key = pl.lit(f"{meaning.dedupe}:") + pl.col("request_id")
    kept = {name: pl.col(name) for name in meaning.metadata}
    return {
        "created_at": created,
        "started_at": pl.coalesce("_started_at", started(created, latency)),
        "ts_source": pl.when(created.is_not_null()).then(pl.lit("log")),
        **{name: pl.col(name) for name in (*TEXTS, *_TOKENS)},
        "token_source": pl.when(some).then(pl.lit(meaning.token_source)),
        "cost_reported_usd": usd(pl.when(pl.col("_cost") != 0).then(pl.col("_cost"))),
        "latency_ms": latency,
        "success": ~pl.col("_failed"),
        "attempt": count(pl.col("attempt")).cast(pl.Int32, strict=False),
        "temperature": pl.col("temperature").cast(pl.Float64, strict=False),
        "max_tokens": count(pl.col("max_tokens")),
        "metadata": metadata({**kept, "cache_write_1h_tokens": pl.col("_cache_write_1h_tokens")}),
        "dedupe_key": pl.coalesce("dedupe_key", key),
        "format": pl.concat_str(pl.lit(meaning.name), "variant", separator="/", ignore_nulls=True),
    }


_TOKENS = (
    "request_tokens", "cache_read_tokens", "cache_write_tokens", "response_tokens", "reasoning_tokens", "total_tokens",
)  # fmt: skip
