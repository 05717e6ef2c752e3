"""Dated, tiered prices as plain integers: what one entry of a price table charges per token, and when."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices

    from ingest.prices.match import Match

MILLION_EXPONENT = 18
"""Rates are integers of 10⁻²⁴ USD a token, which is 10⁻¹⁸ USD a million: every price of genai-prices is exact in it."""

_KEYS = {
    "input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
    "reasoning": "output_reasoning_mtok",
}
_UNITS = {
    "input_audio": "input_audio_mtok",
    "cache_audio": "cache_audio_read_mtok",
    "output_audio": "output_audio_mtok",
    "input_image": "input_image_mtok",
    "cache_image": "cache_image_read_mtok",
    "output_image": "output_image_mtok",
    "input_video": "input_video_mtok",
    "output_video": "output_video_mtok",
}
SEARCH = "search"
"""Priced by the thousand."""

UNITS = (*_UNITS, SEARCH)
"""What may have a price of its own beside text: tokens of other kinds, and searches of the web."""


class Rates(NamedTuple):
    """What each kind of token costs, in 10⁻²⁴ USD a token; `request` is what a call costs besides, in 10⁻²⁴ USD.

    `units` are those of `UNITS` that have a price of their own, with it.
    """

    input: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    output: int
    reasoning: int
    request: int = 0
    units: tuple[tuple[str, int], ...] = ()


CHARGES = Rates._fields[:-1]
"""What is charged for each call by its counts: kinds of tokens, and the request."""


class Tier(NamedTuple):
    """Rates of all tokens of a call whose whole prompt is longer than *above* tokens."""

    above: int
    rates: Rates


class Period(NamedTuple):
    """When some rates apply: from a UTC day on, in a daily UTC window, or both open. Tiers ascend, the first from 0."""

    start: date | None
    window: tuple[time, time] | None
    tiers: tuple[Tier, ...]

    def active(self, when: datetime) -> bool:
        """Return whether the period holds at *when*, by the rules of genai-prices: windows may cross midnight."""
        moment = when.astimezone(UTC)
        if self.start is not None and moment.date() < self.start:
            return False
        if self.window is None:
            return True
        start, end = self.window
        if end < start:
            return moment.time() >= start or moment.time() < end
        return start <= moment.time() < end


class Entry(NamedTuple):
    """The prices of one model at one provider, and where they come from. The last active period counts."""

    provider: str
    model: str
    origin: str
    periods: tuple[Period, ...]

    def period_at(self, when: datetime) -> Period | None:
        """Return the period that counts at *when*; None before the first."""
        return next((period for period in reversed(self.periods) if period.active(when)), None)

    def rates_at(self, when: datetime, prompt: int) -> Rates | None:
        """Return the rates of a call at *when* with *prompt* tokens in; None before the first period.

        A tier applies to every token of a call whose prompt is longer than its start: the cliff of
        `genai_prices.types.TieredPrices`, where longer means that exactly at the start the lower tier still holds.
        """
        period = self.period_at(when)
        if period is None:
            return None
        return next(tier.rates for tier in reversed(period.tiers) if tier.above == 0 or prompt > tier.above)


def per_million(usd: Decimal) -> int:
    """Return a price of *usd* a million tokens as a rate.

    Raises:
        ValueError: The price has more than 18 decimals.
    """
    rate = usd.scaleb(MILLION_EXPONENT)
    if rate != rate.to_integral_value():
        raise ValueError(f"{usd} has more than {MILLION_EXPONENT} decimals")
    return int(rate)


def per_thousand(usd: Decimal) -> int:
    """Return a price of *usd* for a thousand as what one costs, in 10⁻²⁴ USD.

    Raises:
        ValueError: The price has more than 18 decimals.
    """
    return per_million(usd) * 1_000


def rates(usd: Mapping[str, Decimal], request: int = 0) -> Rates:
    """Return rates from prices in *usd* a million tokens, by the names of `Rates`; `input` and `output` must be there.

    Those of `UNITS` may be there, too; searches are priced by the thousand.

    What has no price of its own is charged as what it is a part of: cached tokens are input, 1-hour writes are writes,
    reasoning is output. This is the decomposition of genai-prices (`decompose.py`).

    Raises:
        ValueError: A price has more than 18 decimals.
    """
    own = {kind: per_thousand(price) if kind == SEARCH else per_million(price) for kind, price in usd.items()}
    writes = own.get("cache_write", own["input"])
    return Rates(
        input=own["input"],
        cache_read=own.get("cache_read", own["input"]),
        cache_write=writes,
        cache_write_1h=own.get("cache_write_1h", writes),
        output=own["output"],
        reasoning=own.get("reasoning", own["output"]),
        request=request,
        units=tuple((unit, own[unit]) for unit in UNITS if unit in own),
    )


def unanimous(matches: Iterable["Match"]) -> Entry | None:
    """Return the prices that all *matches* agree on; None when there are none, or they differ."""
    entries = [entry for match in matches if (entry := entry_of(match)) is not None]
    if not entries or any(entry.periods != entries[0].periods for entry in entries):
        return None
    return entries[0]


def entry_of(match: "Match") -> Entry | None:
    """Return the prices of a match in genai-prices; None when it has none for tokens.

    It lists models that are priced by the hour or the page, and models without any price: free ones, but also ones
    that a subscription includes or whose price nobody knows. Of these, only what calls itself `:free` costs zero.
    """
    from genai_prices.types import ModelPrice

    listed = match.model.prices
    if isinstance(listed, ModelPrice):
        periods: tuple[Period, ...] = (Period(None, None, _tiers(listed)),)
    else:
        periods = tuple(_period(price.constraint, price.prices, first=not i) for i, price in enumerate(listed))
    if not match.model.id.endswith(":free") and not any(_prices_tokens(price) for price in _listed(match.model)):
        return None
    return Entry(match.provider.id, match.model.id, "genai-prices", periods)


def _listed(model: "ModelInfo") -> "list[ModelPrice]":
    from genai_prices.types import ModelPrice

    return [model.prices] if isinstance(model.prices, ModelPrice) else [price.prices for price in model.prices]


def _prices_tokens(price: "ModelPrice") -> bool:
    return price.input_mtok is not None or price.output_mtok is not None


def _period(constraint: object, price: "ModelPrice", *, first: bool) -> Period:
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

    # genai-prices falls back on the first price when no constraint holds.
    if first or constraint is None:
        return Period(None, None, _tiers(price))
    if isinstance(constraint, StartDateConstraint):
        return Period(constraint.start_date, None, _tiers(price))
    if isinstance(constraint, TimeOfDateConstraint):
        return Period(None, (_utc(constraint.start_time), _utc(constraint.end_time)), _tiers(price))
    raise TypeError(f"genai-prices has a constraint that this version does not know: {constraint!r}")


def _utc(value: time) -> time:
    if value.tzinfo is None:
        return value
    return datetime.combine(date(1970, 1, 1), value).astimezone(UTC).time()


def _tiers(price: "ModelPrice") -> tuple[Tier, ...]:
    from genai_prices.types import TieredPrices

    tiered = [value for value in price.__dict__.values() if isinstance(value, TieredPrices)]
    starts = sorted({0, *(tier.start for value in tiered for tier in value.tiers)})
    return tuple(Tier(start, _rates(price, start)) for start in starts)


def _rates(price: "ModelPrice", above: int) -> Rates:
    """Return the rates of *price* for prompts just longer than *above*."""
    from genai_prices import types

    def at(price: "Decimal | TieredPrices") -> Decimal:
        if isinstance(price, types.TieredPrices):
            reached = [tier.price for tier in price.tiers if above and tier.start <= above]
            return reached[-1] if reached else price.base
        return price

    keys = _KEYS | _UNITS | {SEARCH: "web_searches_kcount"}
    usd = {kind: at(value) for kind, key in keys.items() if (value := getattr(price, key)) is not None}
    fee = Decimal(0) if price.requests_kcount is None else at(price.requests_kcount)
    return rates({"input": Decimal(0), "output": Decimal(0)} | usd, per_thousand(fee))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_DAY = 86_400_000_000  # µs


_BEFORE_ALL = -100_000 * _DAY


class Steps(NamedTuple):
    """Where prices of the models at hand change: at instants, at times of day (both in µs), above prompt lengths."""

    instants: tuple[int, ...]
    times: tuple[int, ...]
    prompts: tuple[int, ...]


def steps_of(entries: Iterable[Entry]) -> Steps:
    """Return every step in the prices of *entries*."""
    periods = {period for entry in entries for period in entry.periods}
    days = {(p.start - _EPOCH.date()).days * _DAY for p in periods if p.start is not None}
    times = {_micros(edge) for p in periods if p.window is not None for edge in p.window}
    prompts = {tier.above for p in periods for tier in p.tiers if tier.above}
    return Steps(tuple(sorted(days)), tuple(sorted(times)), tuple(sorted(prompts)))


def _micros(at: time) -> int:
    return (datetime.combine(_EPOCH.date(), at, UTC) - _EPOCH) // timedelta(microseconds=1)


def slot(steps: Steps) -> pl.Expr:
    """Return a number for (model, steps passed): within one, rates are constant. NULL when the time is unknown."""
    at = pl.col("created_at").to_physical()
    prompt = pl.col("request_tokens").fill_null(0)
    passed = (
        (steps.instants, [at >= edge for edge in steps.instants]),
        (steps.times, [at % _DAY >= edge for edge in steps.times]),
        (steps.prompts, [prompt > edge for edge in steps.prompts]),
    )
    numbered: pl.Expr = pl.when(pl.col("created_at").is_not_null()).then("key")
    for edges, conditions in passed:
        if edges:
            numbered = numbered * (len(edges) + 1) + pl.sum_horizontal(c.cast(pl.Int64) for c in conditions)
    return numbered


def rates_of(slots: pl.Series, entries: Sequence[Entry | None], steps: Steps) -> pl.DataFrame:
    """Return the rates of each slot, one column of `CHARGES` each; NULL where a model has none then."""
    found = [_rates_in(number, entries, steps) for number in slots]
    return pl.DataFrame(
        [
            pl.Series(f"rate_{name}", [rates and rates[place] for rates in found], dtype=pl.Int128)
            for place, name in enumerate(CHARGES)
        ]
    )


def unit_rates_of(
    slots: pl.Series, entries: Sequence[Entry | None], steps: Steps, fees: Mapping[tuple[str, str], int]
) -> pl.DataFrame:
    """Return the price of each of `UNITS` in each slot as `each_…`; NULL where it has none of its own, and no fee."""
    found = []
    for number in slots:
        entry, rates = entries[_key_in(number, steps)], _rates_in(number, entries, steps)
        own = {unit: fees.get((unit, entry.provider)) for unit in UNITS} if entry else {}
        found.append(own | dict(rates.units if rates else ()))
    return pl.DataFrame([pl.Series(f"each_{u}", [own.get(u) for own in found], dtype=pl.Int128) for u in UNITS])


def _key_in(number: int, steps: Steps) -> int:
    return number // ((len(steps.prompts) + 1) * (len(steps.times) + 1) * (len(steps.instants) + 1))


def _rates_in(number: int, entries: Sequence[Entry | None], steps: Steps) -> Rates | None:
    rest, prompts = divmod(number, len(steps.prompts) + 1)
    rest, times = divmod(rest, len(steps.times) + 1)
    key, instants = divmod(rest, len(steps.instants) + 1)
    entry = entries[key]
    if entry is None:
        return None
    day = steps.instants[instants - 1] if instants else _BEFORE_ALL
    at = _EPOCH + timedelta(microseconds=day + (steps.times[times - 1] if times else 0))
    return entry.rates_at(at, steps.prompts[prompts - 1] + 1 if prompts else 0)
