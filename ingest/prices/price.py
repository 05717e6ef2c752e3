"""Tokens → cost, by dated prices: one frame of calls at a time, exactly, and nothing guessed.

Costs are exact: every price is an integer of 10⁻²⁴ USD a token, products and sums are 128-bit integers, and one
rounding (half to even, to ten decimals) gives what `genai_prices.calc_price` gives.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import polars as pl

from ingest.prices import match, units
from ingest.prices import own as price_overrides
from ingest.prices.entries import CHARGES, Entry, Steps, rates_of, slot, steps_of, unit_rates_of
from ingest.prices.installed import Listed
from ingest.prices.own import Override
from ingest.prices.tiers import adjusted
from parsers.schema import SESSION, USD, UTC

MOST_TOKENS = 10**12
"""A call with more tokens than this is a broken record, and its cost would not fit its column."""

_TOKENS = ("request_tokens", "cache_read_tokens", "cache_write_tokens", "response_tokens", "reasoning_tokens")
_KINDS = CHARGES[:-1]
_HOUR = '"cache_write_1h_tokens":'
_HIT = r'"cache_hit":\s*(?i:"?true)'
_UNIT = 10**14  # 10⁻²⁴ USD in the tenth decimal of a USD


@dataclass(frozen=True)
class Prices:
    """A price table: genai-prices as installed, under the user's own prices. `version` names both."""

    version: str
    overrides: tuple[Override, ...] = ()
    listed: Listed = field(default_factory=Listed, compare=False, repr=False)
    _known: dict[tuple[str | None, str], Entry | None] = field(default_factory=dict, compare=False, repr=False)

    def entry(self, provider: str | None, model: str) -> Entry | None:
        """Return the prices of *model* at *provider*; None when no table has them, or several disagree."""
        key = (provider, model)
        if key not in self._known:
            self._known[key] = _resolve(provider, model.strip().lower(), self)
        return self._known[key]

    def load(self) -> None:
        """Read the installed table now (0.2 s) rather than when the first model is asked for."""
        self.listed.load()

    def keep(self) -> None:
        """Keep what the installed table said for the next run."""
        self.listed.keep()


def load_prices(overrides: Path | None = None, *, kept: Path | None = None) -> Prices:
    """Return the installed price table, under the own prices in the file *overrides*; see `price_overrides`.

    What the table says of a model is kept in the file *kept*, if there is one to be.

    Raises:
        IngestError: The file can't be read, or says something that isn't a price.
    """
    table = f"genai-prices/{version('genai-prices')}"
    if overrides is None:
        return Prices(table, listed=Listed(kept))
    own = price_overrides.load(overrides)
    return Prices(f"{table}+{hashlib.sha256(overrides.read_bytes()).hexdigest()[:8]}", own, Listed(kept))


def price(calls: pl.DataFrame, prices: Prices) -> pl.DataFrame:
    """Return *calls* (columns of `parsers.schema.CALLS`) with their cost columns filled; everything else as it was.

    - `cost_computed_usd`: by the prices at `created_at`. NULL when the model has none then, when `request_tokens` is
      unknown, or when the counts contradict each other (cached parts beyond the prompt). An unknown `response_tokens`
      counts as none: embeddings, and calls that failed before an answer. A `cache_hit` in the metadata reached no
      provider: 0. Cache writes are 5-minute ones unless the metadata's `cache_write_1h_tokens` says how many aren't.
      A tier or a place that the metadata tells changes the price by the rules of `tiers`; what it counts beside text
      is charged by those of `units`.
    - `unpriced_units`: how many of these no price is known for; NULL when none.
    - `cost_usd`: reported, else computed; `cost_source` says which. `unpriced`: tokens are known, a cost is not. NULL:
      there are no tokens to price, as when a call failed.
    - `known_model`: whether there are prices for the model; NULL without a model. `pricing_version`: the table that
      was asked.
    """
    models = calls.select("provider", "model").unique()
    entries = [None if model is None else prices.entry(provider, model) for provider, model in models.rows()]
    keyed = models.with_columns(
        key=pl.Series(range(models.height), dtype=pl.Int64),
        known=pl.Series([entry is not None for entry in entries], dtype=pl.Boolean),
    )
    needed = calls.select("provider", "model", "created_at", *_TOKENS, "metadata", "cost_reported_usd")
    rows = needed.join(keyed, on=["provider", "model"], how="left", nulls_equal=True, maintain_order="left")
    steps = steps_of(entry for entry in entries if entry is not None)
    rows = rows.with_columns(slot=slot(steps))
    slots = rows.select("slot").unique().drop_nulls()
    rated = slots.hstack(rates_of(slots["slot"], entries, steps))
    rows = rows.join(rated, on="slot", how="left", maintain_order="left").with_columns(hour=_one_hour_writes())
    rows = rows.with_columns(_counts())
    rows = _with_units(rows.with_columns(total=_total()), entries, steps)
    rows = adjusted(rows, entries).with_columns(pl.col("total") + pl.col("beside"))
    rows = rows.with_columns(whole=pl.col("total") // _UNIT)
    rows = rows.with_columns(cost_computed_usd=_computed())
    return calls.with_columns(rows.select(_cost_columns(prices.version)))


def reprice(calls: pl.DataFrame, prices: Prices) -> pl.DataFrame:
    """Return priced *calls* with the costs of *prices*; where nothing changes, `pricing_version` stays as it was.

    Reported costs are not touched. The rows are the same in the same order, so that files can be replaced one by one.
    """
    after = price(calls, prices)
    costs = ("cost_computed_usd", "cost_usd", "cost_source", "known_model", "unpriced_units")
    changed = pl.any_horizontal(after[name].ne_missing(calls[name]).alias(name) for name in costs)
    stamps = after.select(pl.when(changed).then("pricing_version").otherwise(calls["pricing_version"]))
    return after.with_columns(stamps.to_series().alias("pricing_version"))


def changes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Return what pricing *before* again as *after* changed: a row per provider and model whose costs differ.

    Both hold the same calls in the same order; reported costs play no part. The dearest difference comes first.
    """
    old, new = pl.col("cost_computed_usd"), pl.col("after")
    return (
        before.select("provider", "model", "cost_computed_usd")
        .with_columns(after["cost_computed_usd"].alias("after"))
        .filter(old.ne_missing(new))
        .group_by("provider", "model")
        .agg(pl.len().alias("calls"), old.sum().alias("before_usd"), new.sum().alias("after_usd"))
        .with_columns(difference_usd=pl.col("after_usd") - pl.col("before_usd"))
        .sort(pl.col("difference_usd").abs(), "provider", "model", descending=[True, False, False])
    )


def _resolve(provider: str | None, model: str, prices: Prices) -> Entry | None:
    own = _own(provider, [o for o in prices.overrides if o.model == model])
    always = any(o.period.start is None for o in own)
    listed = None if always else prices.listed.entry(provider, model)
    if not own:
        return listed
    own.sort(key=lambda o: o.period.start or date.min)
    before = listed.periods if listed else ()
    name = provider or own[-1].provider or (listed.provider if listed else "")
    return Entry(name, model, "; ".join(dict.fromkeys(o.origin for o in own)), (*before, *(o.period for o in own)))


def _own(provider: str | None, named: list[Override]) -> list[Override]:
    """Return the own prices that apply: those for the provider, else those for any; without a provider, if just one."""
    if provider is None:
        makers = {o.provider for o in named}
        return named if len(makers) == 1 else [o for o in named if o.provider is None]

    def at(seller: str) -> list[Override]:
        return [o for o in named if o.provider is not None and _same(o.provider, seller)]

    stands_for = match.stands_for(provider, named[0].model) if named else None
    mine = (
        at(provider)
        or (at(stands_for) if stands_for else [])
        or [o for o in at("aws") if match.is_of_bedrock(o.model) and match.provider_id(provider)]
    )
    return mine or [o for o in named if o.provider is None]


def _same(one: str, other: str) -> bool:
    if one == other.strip().lower():
        return True
    known = match.provider_id(one)
    return known is not None and known == match.provider_id(other)


def _counts() -> list[pl.Expr]:
    """Return the counts of tokens that each rate applies to, as 128-bit integers; what is unknown counts as none."""
    prompt, read, written, response, reasoning = (pl.col(name).fill_null(0).cast(pl.Int128) for name in _TOKENS)
    hour = pl.col("hour").fill_null(0).cast(pl.Int128)
    thought = pl.min_horizontal(reasoning, response)
    return [
        (prompt - read - written).alias("input"),
        read.alias("cache_read"),
        (written - hour).alias("cache_write"),
        hour.alias("cache_write_1h"),
        (response - thought).alias("output"),
        thought.alias("reasoning"),
    ]


def _one_hour_writes() -> pl.Expr:
    """Return `cache_write_1h_tokens` of the metadata where the cache was written to."""
    metadata = pl.when(pl.col("cache_write_tokens") > 0).then("metadata")
    # A capturing regex over the whole text takes twice as long as the whole rest of the pricing.
    start = metadata.str.find(_HOUR, literal=True) + len(_HOUR)
    after = metadata.cast(pl.Binary).bin.slice(start).cast(pl.String)
    return after.str.extract(r"^ ?(\d+)", 1).cast(pl.Int64, strict=False)


def _total() -> pl.Expr:
    """Return the cost by the joined rates, in 10⁻²⁴ USD; NULL where it can't be told."""
    sound = [pl.col("request_tokens").is_not_null(), *(pl.col(kind).is_between(0, MOST_TOKENS) for kind in _KINDS)]
    charges = [pl.col(kind) * pl.col(f"rate_{kind}") for kind in _KINDS]
    return pl.when(pl.all_horizontal(sound)).then(sum(charges, start=pl.col("rate_request")))


def _with_units(rows: pl.DataFrame, entries: Sequence[Entry | None], steps: Steps) -> pl.DataFrame:
    """Return *rows* with what they count beside text in `total` or `beside` it, and as `unpriced_units`."""
    at = rows.select(units.counting()).to_series().arg_true()
    beside, unpriced = pl.lit(0, dtype=pl.Int128), pl.lit(None, dtype=pl.Int64)
    rows = rows.with_columns(beside=beside, unpriced_units=unpriced)
    if at.is_empty():
        return rows
    some = rows[at]
    slots = some.select("slot").unique().drop_nulls()
    rated = slots.hstack(unit_rates_of(slots["slot"], entries, steps, units.fees()))
    found = units.charged(some.join(rated, on="slot", how="left", maintain_order="left"))
    return rows.with_columns(
        total=rows["total"].scatter(at, some["total"] + found["more"]),
        beside=rows["beside"].scatter(at, found["beside"]),
        unpriced_units=rows["unpriced_units"].scatter(at, found["unpriced_units"]),
    )


def _computed() -> pl.Expr:
    """Return the total, cut to its tenth decimal and the rest rounded half to even, in USD; zero for a cache hit."""
    rest = 2 * (pl.col("total") - pl.col("whole") * _UNIT)
    up = (rest > _UNIT) | ((rest == _UNIT) & (pl.col("whole") % 2 == 1))
    usd = (pl.col("whole") + up.cast(pl.Int128)).cast(pl.Decimal(38, 0)) * pl.lit(Decimal("1e-10"))
    hit = pl.col("metadata").str.contains(_HIT)
    return pl.when(hit).then(pl.lit(Decimal(0), dtype=USD)).otherwise(usd.cast(USD, strict=False))


def _cost_columns(table: str) -> list[pl.Expr]:
    """Return the cost columns of the table from the reported and the computed cost."""
    reported, computed = pl.col("cost_reported_usd"), pl.col("cost_computed_usd")
    tokens = pl.any_horizontal(pl.col("request_tokens", "response_tokens").is_not_null())
    source = pl.when(reported.is_not_null()).then(pl.lit("reported")).when(computed.is_not_null())
    return [
        computed,
        pl.coalesce(reported, computed).alias("cost_usd"),
        source.then(pl.lit("computed")).when(tokens).then(pl.lit("unpriced")).alias("cost_source"),
        pl.when(pl.col("model").is_not_null()).then(pl.lit(table)).alias("pricing_version"),
        pl.when(pl.col("model").is_not_null()).then("known").alias("known_model"),
        pl.col("unpriced_units"),
    ]


def stamp(  # noqa: PLR0913 # the three tables of one commit go together
    calls: pl.DataFrame,
    events: pl.DataFrame,
    rejects: pl.DataFrame,
    *,
    prices: Prices,
    now: datetime,
    file_time: pl.Series | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the rows, which name their sources, with time and cost.

    A call without a time of its own gets that of its file, *file_time*, which has one for each call; else *now*.
    """
    calls, events, rejects = (
        frame.with_columns(ingested_at=pl.lit(now).cast(UTC)) for frame in (calls, events, rejects)
    )
    if calls["created_at"].null_count():
        missing = pl.col("created_at").is_null()
        file = pl.lit(None, dtype=UTC) if file_time is None else pl.lit(file_time)
        source = pl.when(file.is_null()).then(pl.lit("ingest")).otherwise(pl.lit("file"))
        calls = calls.with_columns(
            created_at=pl.coalesce("created_at", file, "ingested_at"),
            ts_source=pl.when(missing).then(source).otherwise("ts_source"),
        )
    one_side = pl.coalesce("request_tokens", "response_tokens")
    partial = pl.col("total_tokens").is_null() & one_side.is_not_null()
    calls = calls.with_columns(
        total_tokens=pl.coalesce("total_tokens", pl.col("request_tokens") + pl.col("response_tokens"), one_side),
        token_source=pl.when(partial & pl.any_horizontal(pl.col("request_tokens", "response_tokens").is_null()))
        .then(pl.lit("partial"))
        .otherwise("token_source"),
    )
    if calls["requests"].null_count():
        sums = pl.col("requests").is_null()
        calls = calls.with_columns(task=pl.when(sums).then(pl.lit(SESSION)).otherwise("task"))
    events, rejects = (f.with_columns(pl.col("created_at").fill_null(pl.col("ingested_at"))) for f in (events, rejects))
    return price(calls, prices), events, rejects
