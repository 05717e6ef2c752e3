"""Flat fields of text → rows of `llm_calls`: one meaning for each name, whichever format the fields came from.

A format says where its fields are (`fields.extract`, or the groups of a regex) and what they mean (`Meaning`); the
arithmetic, the checks and the reasons for a reject are here.

Fields are named as the columns of `llm_calls`, with these besides: `latency` (in `Meaning.latency`'s unit), `cost`,
`status` (what says whether the call failed), `variant` (of the format), and those of `token_counts.COUNTS` that are no
columns. Other fields go to `metadata` when `Meaning.metadata` names them, and so do the `LEFTOVERS` of JSON records. A
time that a format has read already is in `_created_at` or `_started_at` besides.

`created_at` is when the call finished. Where only `started_at` is known it is `started_at` plus the latency.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

import polars as pl

from parsers.blocks.format import Parsed
from parsers.blocks.lines import NONE_REJECTED, reject
from parsers.jsonl.unknown_fields import LEFTOVERS, joined
from parsers.rows.token_counts import COUNTS, TOKEN_COLUMNS, counted
from parsers.schema import EMPTY, UTC
from parsers.values.lenient import count, dollars, duration_ms, time
from parsers.values.privacy import shown
from parsers.values.providers import provider_of
from parsers.values.typed import known, metadata, started, usd

TEXTS = (
    "session_id", "run_id", "step_id", "story_id", "task", "agent_id", "role", "state", "user_id", "account_id",
    "project", "host", "provider", "model", "error", "error_type", "request_id", "prompt_version", "tool_used",
)  # fmt: skip
NUMBERS = ("attempt", "max_tokens", "temperature", "requests")
TIMES = ("created_at", "started_at")
FIELDS = (*TIMES, *TEXTS, *COUNTS, *NUMBERS, "latency", "cost", "status", "variant", "dedupe_key")
"""Every field that has a meaning here."""

FAILED = (
    r"^(?i:false|0|error|errored|err|fail|failed|failure|fatal|critical|exception|timeout|cancelled|50|60|[45]\d\d)$"
)
"""Values of `status` that mean failure: words, the levels of pino, HTTP codes."""

_AMOUNT = r"^[^{\[]{0,24}\d[^{\[]{0,24}$"


@dataclass(frozen=True, eq=False)
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


def calls(fields: pl.DataFrame, meaning: Meaning, *, clean: frozenset[str] = frozenset()) -> Parsed:
    """Return the call in each record of *fields*, or why there is none in it.

    Those of them that are *clean* are `known` texts already: to look at each again takes a tenth of the time.
    """
    plan = _plan(meaning, frozenset(fields.columns), clean)
    typed = fields.with_columns(plan.texts).with_columns(plan.typed)
    typed = typed.with_columns(plan.reason)
    refused = pl.col("reason").is_not_null()
    rejects = typed.filter(refused)
    good = (typed if rejects.is_empty() else typed.filter(~refused)).with_columns(plan.counts)
    good = counted(
        good,
        cache_inside=meaning.request_includes_cache,
        reasoning_inside=meaning.response_includes_reasoning,
        source=meaning.token_source,
    )
    return Parsed(
        calls=good.with_columns(_MEASURED).select("source_offset", *plan.row),
        events=EMPTY["llm_events"],
        rejects=NONE_REJECTED if rejects.is_empty() else reject(rejects, pl.col("reason")),
    )


_NOTHING = (pl.col("request_tokens").fill_null(0) == 0) & (pl.col("response_tokens").fill_null(0) == 0)
_MEASURED = [pl.when(~(pl.col("_failed") & _NOTHING)).then(pl.col(name)).alias(name) for name in TOKEN_COLUMNS]
"""A failed call with zero on both sides was not measured."""


class _Plan(NamedTuple):
    """The steps from fields to rows. Columns of the schema that can only be NULL are left out: each costs 0.3 ms."""

    texts: list[pl.Expr]
    typed: list[pl.Expr]
    reason: pl.Expr
    counts: list[pl.Expr]
    row: list[pl.Expr]


@lru_cache(maxsize=256)
def _plan(meaning: Meaning, columns: frozenset[str], clean: frozenset[str]) -> _Plan:
    names = columns | set(meaning.constants)
    have = [name for name in dict.fromkeys((*FIELDS, *meaning.metadata, LEFTOVERS)) if name in names]
    return _Plan(
        texts=[_text(name, meaning, columns, clean).alias(name) for name in have],
        typed=[
            *(
                time(pl.col(name), meaning.time, meaning.zone).alias(f"_{name}")
                for name in TIMES
                if name in have and f"_{name}" not in columns
            ),
            *(count(pl.col(name)).alias(f"_{name}") for name in COUNTS if name in have),
            *([duration_ms(pl.col("latency"), meaning.latency).alias("_latency")] if "latency" in have else []),
            *([_cost(meaning)] if "cost" in have else []),
            _failed(meaning, have).alias("_failed"),
        ],
        reason=_reason(meaning, have).alias("reason"),
        counts=[pl.col(f"_{name}").alias(name) for name in COUNTS if name in have],
        row=[expression.alias(name) for name, expression in _row(meaning, have).items()],
    )


def _text(name: str, meaning: Meaning, columns: frozenset[str], clean: frozenset[str]) -> pl.Expr:
    """Return a field: blank is unknown, and a constant stands in for what is unknown."""
    constant = [pl.lit(meaning.constants[name], dtype=pl.String)] if name in meaning.constants else []
    value = [pl.col(name) if name in clean else known(pl.col(name))] if name in columns else []
    return pl.coalesce(*value, *constant)


def _cost(meaning: Meaning) -> pl.Expr:
    return (dollars(pl.col("cost")) * meaning.cost).alias("_cost")


def _failed(meaning: Meaning, have: Sequence[str]) -> pl.Expr:
    failed = pl.col("error").is_not_null() if "error" in have else pl.lit(value=False)
    if "status" in have:
        failed |= pl.col("status").str.contains(meaning.failed).fill_null(value=False)
    return failed


def _reason(meaning: Meaning, have: Sequence[str]) -> pl.Expr:
    """Return why a record is no call: a field that is there but can't be read, or one that must be there and isn't."""
    reasons = [
        pl.when(pl.col(name).is_not_null() & pl.col(f"_{name}").is_null()).then(
            pl.format(f"`{name}` is not a {kind}: {{}}", shown(pl.col(name)))
        )
        for kind, names in (("time", TIMES), ("count", COUNTS))
        for name in names
        if name in have
    ]
    if "cost" in have:  # an object is no amount, and none that is wrong
        written = pl.col("cost").str.contains(_AMOUNT) & pl.col("_cost").is_null()
        reasons.append(pl.when(written).then(pl.format("`cost` is not in US dollars: {}", shown(pl.col("cost")))))
    for needed in meaning.requires:
        names = (needed,) if isinstance(needed, str) else needed
        absent = pl.all_horizontal(pl.lit(value=True), *(pl.col(name).is_null() for name in names if name in have))
        if set(names) <= set(COUNTS):
            absent &= ~pl.col("_failed")  # a failed call often has no counts
        reasons.append(pl.when(absent).then(pl.lit("no " + " or ".join(f"`{name}`" for name in names))))
    return pl.coalesce(*reasons, pl.lit(None, dtype=pl.String))


def _row(meaning: Meaning, have: Sequence[str]) -> dict[str, pl.Expr]:
    kept = {name: pl.col(name) for name in meaning.metadata if name in have}
    if "cache_write_1h_tokens" in have:
        kept["cache_write_1h_tokens"] = pl.col("cache_write_1h_tokens")
    row = {name: pl.col(name) for name in (*(text for text in TEXTS if text in have), *TOKEN_COLUMNS)}
    if "model" in have:
        named = provider_of(pl.col("model"))
        row["provider"] = pl.coalesce("provider", named) if "provider" in have else named
    row |= _when(have)
    row["success"] = ~pl.col("_failed")
    if "cost" in have:
        row["cost_reported_usd"] = usd(pl.when(pl.col("_cost") != 0).then(pl.col("_cost")))
    if "attempt" in have:
        row["attempt"] = count(pl.col("attempt")).cast(pl.Int32, strict=False)
    if "temperature" in have:
        row["temperature"] = pl.col("temperature").cast(pl.Float64, strict=False)
    row |= {name: count(pl.col(name)) for name in ("requests", "max_tokens") if name in have}
    if kept or LEFTOVERS in have:
        row["metadata"] = joined(metadata(kept), pl.col(LEFTOVERS)) if LEFTOVERS in have else metadata(kept)
    if "dedupe_key" in have:
        row["dedupe_key"] = pl.col("dedupe_key")
    elif meaning.dedupe is not None and "request_id" in have:
        row["dedupe_key"] = pl.lit(f"{meaning.dedupe}:") + pl.col("request_id")
    name = pl.lit(meaning.name)
    row["format"] = pl.concat_str(name, "variant", separator="/", ignore_nulls=True) if "variant" in have else name
    return row


def _when(have: Sequence[str]) -> dict[str, pl.Expr]:
    """Return the columns of time: what is not logged follows from what is, where that is possible."""
    finish = pl.col("_created_at") if "created_at" in have else pl.lit(None, dtype=UTC)
    start = pl.col("_started_at") if "started_at" in have else None
    latency = pl.col("_latency") if "latency" in have else None
    if start is not None:
        lasted = (finish - start).dt.total_microseconds() / 1_000
        took = pl.lit(0.0) if latency is None else latency.fill_null(0)
        since = pl.duration(microseconds=(took * 1_000).round().cast(pl.Int64))
        latency = pl.coalesce(*([] if latency is None else [latency]), pl.when(lasted >= 0).then(lasted))
        finish = pl.coalesce(finish, start + since)
    columns = {"created_at": finish, "ts_source": pl.when(finish.is_not_null()).then(pl.lit("log"))}
    if latency is not None:
        began = started(finish, latency)
        columns |= {"started_at": began if start is None else pl.coalesce(start, began), "latency_ms": latency}
    return columns


@dataclass(frozen=True, eq=False)
class Checks:
    """Pairs of what is wrong with a record where it is true (unknown counts as true), and the reason for its reject."""

    pairs: tuple[tuple[pl.Expr, str], ...]

    def apart(self, records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return those of *records* that pass, and the others as `REJECTED` with the first check that each fails."""
        failing = records.select(self._fails).to_series()
        if not failing.any():
            return records, NONE_REJECTED
        return records.filter(~failing), reject(records.filter(failing), self._reason)

    @cached_property  # made once: making so many expressions again for each block takes as long as a thousand records
    def _fails(self) -> pl.Expr:
        return pl.any_horizontal(wrong for wrong, _ in self.pairs).fill_null(value=True)

    @cached_property
    def _reason(self) -> pl.Expr:
        return pl.coalesce(pl.when(wrong.fill_null(value=True)).then(pl.lit(why)) for wrong, why in self.pairs)
