"""What the price table says, as plain rows: every model, one model in full, and the calls that it can't price."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import takewhile
from typing import Any

import polars as pl

from ingest.errors import IngestError
from ingest.prices import match as price_match
from ingest.prices.entries import CHARGES, MILLION_EXPONENT, SEARCH, UNITS, Entry, Period, Rates, entry_of
from ingest.prices.price import Prices, changes, reprice
from parsers.values.messages import alike

RATES = CHARGES[:-1]
"""The kinds of tokens that have a price, as keys of every row: USD a million tokens."""


def listing(prices: Prices, provider: str | None, at: datetime) -> list[dict[str, Any]]:
    """Return a row per model with its shortest-prompt prices at *at*: own ones first, then those of genai-prices.

    Raises:
        IngestError: Neither table knows *provider*.
    """
    wanted = provider and (price_match.provider_id(provider) or provider.strip().lower())
    rows = [row for entry in _entries(prices) if not wanted or entry.provider == wanted for row in _now(entry, at)]
    if provider and not rows:
        near = ", ".join(alike(provider.lower(), _providers(prices), 5, least=0.4))
        hint = f"nearest: {near}" if near else "`ingest prices list` shows all"
        raise IngestError(f"no prices of provider {provider!r}; {hint}")
    return rows


def of_models(prices: Prices, models: Iterable[tuple[str | None, str]], at: datetime) -> list[dict[str, Any]]:
    """Return the prices at *at* of each provider and model, a row a tier; a row of NULLs where there are none."""
    rows: list[dict[str, Any]] = []
    for provider, model in models:
        entry = prices.entry(provider, model)
        known = periods(entry, at) if entry else [dict.fromkeys(("since", "daily_utc", "prompts_above", *RATES))]
        rows += ({"provider": provider, "model": model, **row} for row in known)
    return rows


def periods(entry: Entry, at: datetime | None) -> list[dict[str, Any]]:
    """Return a row per period and tier of *entry*, oldest first; only those that count at *at* when it is given.

    Beside `RATES`, a row has what the model prices in other units than text: USD a million, or a thousand searches.
    """
    named = {unit for period in entry.periods for tier in period.tiers for unit, _ in tier.rates.units}
    units = [unit for unit in UNITS if unit in named]
    counting = entry.periods if at is None else tuple(filter(None, [entry.period_at(at)]))
    return [
        {
            "since": None if period.start is None else period.start.isoformat(),
            "daily_utc": _window(period),
            "prompts_above": tier.above,
            **_usd(tier.rates),
            **{unit: _each(unit, dict(tier.rates.units).get(unit)) for unit in units},
        }
        for period in counting
        for tier in period.tiers
    ]


def find(prices: Prices, provider: str | None, model: str) -> Entry:
    """Return the prices of *model*.

    Raises:
        IngestError: There are none, or several; the message names the nearest models, or the providers.
    """
    entry = prices.entry(provider, model)
    if entry is not None:
        return entry
    sellers = sorted({match.provider.id for match in price_match.find(provider, model)})
    if len(sellers) > 1:
        raise IngestError(f"{model} has different prices at {', '.join(sellers)}: say which with --provider")
    where = f" of provider {provider}" if provider else ""
    near = ", ".join(similar(prices, provider, model)) or "none"
    raise IngestError(f"no price for {model}{where}; nearest names: {near}. Add your own with --prices FILE")


def similar(prices: Prices, provider: str | None, model: str) -> list[str]:
    """Return up to five models whose names resemble *model*, the most alike first."""
    wanted = provider and price_match.provider_id(provider)
    names = [entry.model for entry in _entries(prices) if not wanted or entry.provider == wanted]
    found = alike(model.lower(), dict.fromkeys(names), 20)
    return sorted(found, key=lambda name: _shared(name.lower(), model.lower()), reverse=True)[:5]


def _shared(one: str, other: str) -> int:
    """Return how many characters *one* and *other* begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def unpriced(calls: pl.LazyFrame, prices: Prices) -> pl.DataFrame:
    """Return a row per provider and model of *calls* that have tokens, no reported cost, and no price then.

    Columns: provider, model, reason, calls, request_tokens, response_tokens, first_day, last_day; most calls first.
    """
    # Own prices start at a UTC day, and nothing else makes a model lose its price: a day is all that matters.
    tokens = pl.any_horizontal(pl.col("request_tokens", "response_tokens").is_not_null())
    days = (
        calls.filter(tokens & pl.col("cost_reported_usd").is_null())
        .group_by("provider", "model", pl.col("created_at").dt.date().alias("day"))
        .agg(pl.len().alias("calls"), pl.sum("request_tokens", "response_tokens"))
        .collect()
    )
    reasons = [_reason(prices, *row) for row in days.select("provider", "model", "day").iter_rows()]
    return (
        days.with_columns(reason=pl.Series(reasons, dtype=pl.String))
        .drop_nulls("reason")
        .group_by("provider", "model", "reason")
        .agg(
            pl.sum("calls", "request_tokens", "response_tokens"),
            pl.min("day").alias("first_day"),
            pl.max("day").alias("last_day"),
        )
        .sort("calls", "provider", "model", descending=[True, False, False], nulls_last=True)
    )


def differences(calls: pl.LazyFrame, prices: Prices) -> pl.DataFrame:
    """Return what pricing *calls* again with *prices* would change, as `price.changes` does; a day at a time.

    *calls* is `llm_calls` with its partition column `date`.
    """
    days = calls.select("date").unique().sort("date").collect()["date"]
    frames = (calls.filter(pl.col("date") == day).drop("date").collect() for day in days)
    found = [changes(frame, reprice(frame, prices)) for frame in frames]
    if not found:
        return pl.DataFrame()
    sums = pl.concat(found).group_by("provider", "model").agg(pl.all().sum())
    return sums.sort(pl.col("difference_usd").abs(), "provider", "model", descending=[True, False, False])


def _reason(prices: Prices, provider: str | None, model: str | None, day: date) -> str | None:
    if model is None:
        return "no model logged"
    entry = prices.entry(provider, model)
    if entry is not None:
        at = datetime.combine(day, time(), UTC)
        return None if entry.period_at(at) else "no price yet on these days"
    several = len(price_match.find(provider, model)) > 1
    return "several prices, and no provider logged" if several else "not in the price table"


def _entries(prices: Prices) -> Iterator[Entry]:
    for own in dict.fromkeys((o.provider, o.model) for o in prices.overrides):
        if entry := prices.entry(*own):
            yield entry
    for provider in price_match.providers():
        for model in provider.models:
            if entry := entry_of(price_match.Match(provider, model)):
                yield entry


def _providers(prices: Prices) -> list[str]:
    own = [o.provider for o in prices.overrides if o.provider]
    return [*own, *(provider.id for provider in price_match.providers())]


def _now(entry: Entry, at: datetime) -> Iterator[dict[str, Any]]:
    period = entry.period_at(at)
    if period is not None:
        tiered = len(period.tiers) > 1
        yield {"provider": entry.provider, "model": entry.model, **_usd(period.tiers[0].rates), "tiered": tiered}


def _usd(rates: Rates) -> dict[str, Decimal]:
    return {kind: _plain(Decimal(getattr(rates, kind)).scaleb(-MILLION_EXPONENT)) for kind in RATES}


def _each(unit: str, rate: int | None) -> Decimal | None:
    exponent = MILLION_EXPONENT + (3 if unit == SEARCH else 0)
    return None if rate is None else _plain(Decimal(rate).scaleb(-exponent))


def _plain(usd: Decimal) -> Decimal:
    return Decimal(format(usd.normalize(), "f"))


def _window(period: Period) -> str | None:
    return None if period.window is None else f"{period.window[0]:%H:%M}–{period.window[1]:%H:%M}"
