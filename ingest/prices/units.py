"""What a call's metadata counts beside its text, and what that costs: sound, pictures, films, searches of the web.

Which places count what is data, `units.toml`. The counts are read from what is stored, so that pricing again follows
the same rules. Tokens are charged as genai-prices decomposes them: those with a price of their own are taken out of
what they are a part of, and one without stays there; what has no price at all is counted as unpriced.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files

import polars as pl

from ingest.prices.entries import per_thousand

_METADATA = pl.col("metadata")
_NONE = pl.lit(0, dtype=pl.Int128)


@dataclass(frozen=True)
class Unit:
    """One kind of unit: what it is a part of, which unit counts what of it was cached, and where it is counted."""

    name: str
    part_of: str | None
    cached: str | None
    keys: tuple[str, ...]
    lists: tuple[str, ...]
    modality: str | None

    def count(self) -> pl.Expr:
        """Return how many the metadata of a call counts; NULL where it counts none."""
        found = [_METADATA.str.extract(pattern, 1) for pattern in self._patterns()]
        return pl.coalesce(found).cast(pl.Int128, strict=False).alias(f"n_{self.name}")

    def _patterns(self) -> Iterator[str]:
        # Metadata has its names joined by dots or nested, as the record had them.
        names = "|".join(re.escape(key).replace(r"\.", r'(?:\.|":\s*\{(?:[^{}]*,)?\s*")') for key in self.keys)
        yield rf'[".](?:{names})":\s*"?(\d+)'
        if self.lists:
            member = rf'[".](?:{"|".join(self.lists)})":\s*\[[^\]]*'
            yield rf'{member}"modality":\s*"{self.modality}",\s*"token_?[cC]ount":\s*(\d+)'
            yield rf'{member}"token_?[cC]ount":\s*(\d+),\s*"modality":\s*"{self.modality}"'


@cache
def units() -> tuple[Unit, ...]:
    """Return the units of `units.toml`."""
    return tuple(
        Unit(
            name=unit["name"],
            part_of=unit.get("part_of"),
            cached=unit.get("cached"),
            keys=tuple(unit["keys"]),
            lists=tuple(unit.get("lists", ())),
            modality=unit.get("modality"),
        )
        for unit in _told()["unit"]
    )


@cache
def fees() -> dict[tuple[str, str], int]:
    """Return what a unit costs at a provider whatever the model, in 10⁻²⁴ USD, by both their names."""
    return {(fee["unit"], fee["provider"]): per_thousand(Decimal(fee["per_1000"])) for fee in _told()["fee"]}


@cache
def _told() -> dict[str, list[dict[str, str]]]:
    return tomllib.loads(files("ingest.prices").joinpath("units.toml").read_text("utf-8"))


def counting() -> pl.Expr:
    """Return the calls whose metadata may count units."""
    last = {key.rpartition(".")[2] for unit in units() for key in unit.keys}
    lists = {name for unit in units() for name in unit.lists}
    return _METADATA.str.contains("|".join(sorted(f'{name}":' for name in last | lists))).fill_null(value=False)


def charged(rows: pl.DataFrame) -> pl.DataFrame:
    """Return what units add to the cost of *rows*: `more` to that of its tokens, `beside` it; and `unpriced_units`.

    *rows* have `metadata`, the counts and rates of each kind of token, and the rate of each unit as `each_…`, NULL
    where it has none. Costs are in 10⁻²⁴ USD.
    """
    counted = rows.with_columns(*(unit.count() for unit in units()), more=_NONE, beside=_NONE).with_columns(
        pl.col("input", "cache_read", "output").clip(0)
    )
    for unit in units():
        if unit.part_of == "input":
            counted = _input(counted, unit)
        elif unit.part_of == "output":
            counted = _output(counted, unit)
        elif unit.part_of is None:
            counted = counted.with_columns(beside=pl.col("beside") + _count(unit) * _each(unit).fill_null(0))
    unpriced = [
        pl.when(_each(unit).is_null()).then(_count(unit)).otherwise(0)
        for unit in units()
        if unit.part_of != "cache_read"
    ]
    return counted.select("more", "beside", unpriced_units=pl.sum_horizontal(unpriced).replace(0, None).cast(pl.Int64))


def _input(rows: pl.DataFrame, unit: Unit) -> pl.DataFrame:
    """Charge *unit*: what is more than the input that no cache held was cached, whatever is told of it."""
    fresh_left, cached_left = pl.col("input"), pl.col("cache_read")
    told = pl.col(f"n_{unit.cached}").fill_null(0) if unit.cached else _NONE
    rows = rows.with_columns(cached=pl.max_horizontal(told, _count(unit) - fresh_left).clip(0))
    rows = rows.with_columns(cached=pl.min_horizontal("cached", _count(unit), cached_left))
    rows = rows.with_columns(fresh=pl.min_horizontal(_count(unit) - pl.col("cached"), fresh_left))
    # Where nothing that was cached has a price of its own, it is charged as if it had not been.
    as_fresh = pl.when(pl.col("rate_cache_read") == pl.col("rate_input")).then(_each(unit))
    of_cached = pl.coalesce(f"each_{unit.cached}", as_fresh) if unit.cached else as_fresh
    more = pl.col("fresh") * _dearer(_each(unit), "input") + pl.col("cached") * _dearer(of_cached, "cache_read")
    return rows.with_columns(
        more=pl.col("more") + more, input=fresh_left - pl.col("fresh"), cache_read=cached_left - pl.col("cached")
    )


def _output(rows: pl.DataFrame, unit: Unit) -> pl.DataFrame:
    some = pl.min_horizontal(_count(unit), "output")
    return rows.with_columns(
        more=pl.col("more") + some * _dearer(_each(unit), "output"), output=pl.col("output") - some
    )


def _count(unit: Unit) -> pl.Expr:
    return pl.col(f"n_{unit.name}").fill_null(0)


def _each(unit: Unit) -> pl.Expr:
    return pl.col(f"each_{unit.name}")


def _dearer(each: pl.Expr, kind: str) -> pl.Expr:
    """Return how much more one costs than the *kind* of token that it is; none without a price of its own."""
    return (each - pl.col(f"rate_{kind}")).fill_null(0)
