"""When and at what length of prompt prices change → a number for each call, within which all rates are constant.

Dates, daily windows and tiers then need no case of their own: each slot is looked up once, and its rates are joined.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

import polars as pl

from ingest.prices.entries import Entry, Rates

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
    """Return the rates of each slot, one column a kind of token; NULL where a model has none then."""
    rows = [_rates(number, entries, steps) or (None,) * len(Rates._fields) for number in slots]
    columns = zip(*rows, strict=True) if rows else ([] for _ in Rates._fields)
    names = (f"rate_{name}" for name in Rates._fields)
    return pl.DataFrame([pl.Series(n, c, dtype=pl.Int128) for n, c in zip(names, columns, strict=True)])


def _rates(number: int, entries: Sequence[Entry | None], steps: Steps) -> Rates | None:
    rest, prompts = divmod(number, len(steps.prompts) + 1)
    rest, times = divmod(rest, len(steps.times) + 1)
    key, instants = divmod(rest, len(steps.instants) + 1)
    entry = entries[key]
    if entry is None:
        return None
    day = steps.instants[instants - 1] if instants else _BEFORE_ALL
    at = _EPOCH + timedelta(microseconds=day + (steps.times[times - 1] if times else 0))
    return entry.rates_at(at, steps.prompts[prompts - 1] + 1 if prompts else 0)
