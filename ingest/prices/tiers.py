"""What a call costs beside the standard price of its model, by what its metadata says: tiers and places.

The rules are data, `tiers.toml`. They are applied to what is stored, so that pricing again follows the same rules.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from importlib.resources import files
from math import prod

import polars as pl

from ingest.prices.entries import Entry

_METADATA = pl.col("metadata")
STANDARD = "standard"
_STANDARD = frozenset({STANDARD, "default", "auto", "on_demand"})
"""What providers call the tier that has the standard price."""

_TIERS = ("speed", "service_tier")
"""The keys under which a call's metadata tells its tier; of both, the first that isn't the standard one counts."""


@dataclass(frozen=True)
class Factor:
    """Which calls cost how many times the standard price; *factor* None: another price, which nobody wrote down."""

    key: str
    values: frozenset[str]
    provider: str
    models: frozenset[str] | None
    but: frozenset[str]
    start: date
    end: date
    factor: Fraction | None

    def holds(self, entry: Entry, value: str | None, day: date) -> bool:
        """Tell whether a call of the model of *entry*, with *value* in its metadata, falls under this on *day*."""
        model = entry.model.lower()
        return (
            value in self.values
            and entry.provider == self.provider
            and (model in self.models if self.models is not None else model not in self.but)
            and self.start <= day < self.end
        )


@dataclass(frozen=True)
class Rules:
    """All factors, and a regex for the metadata to which some may apply."""

    factors: tuple[Factor, ...]
    marks: str

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the metadata that factors look at."""
        return tuple(dict.fromkeys(factor.key for factor in self.factors))


@cache
def rules() -> Rules:
    """Return the rules of `tiers.toml`."""
    told = tomllib.loads(files("ingest.prices").joinpath("tiers.toml").read_text("utf-8"))
    factors = tuple(
        Factor(
            key=rule["key"],
            values=frozenset(rule["values"]),
            provider=rule["provider"],
            models=frozenset(rule["models"]) if "models" in rule else None,
            but=frozenset(rule.get("but", ())),
            start=rule.get("from", date.min),
            end=rule.get("to", date.max),
            factor=Fraction(rule["factor"]) if "factor" in rule else None,
        )
        for rule in told["factor"]
    )
    marked = {f'{factor.key}":\\s*"{re.escape(value)}"' for factor in factors for value in factor.values}
    return Rules(factors, f'[".](?:{"|".join(sorted(marked))})')


def tiers() -> tuple[str, ...]:
    """Return the names of all tiers that some model has, beside the standard one."""
    return tuple(sorted({value for factor in rules().factors if factor.key in _TIERS for value in factor.values}))


def tier_of() -> pl.Expr:
    """Return the tier that the metadata of a call tells; who tells none has the standard one."""
    told = (_told(key) for key in _TIERS)
    return pl.coalesce(*(pl.when(~tier.is_in(_STANDARD)).then(tier) for tier in told), pl.lit(STANDARD))


def in_tier(tier: str) -> pl.Expr:
    """Return the metadata of a call as if it had been made in *tier*: what is told first counts."""
    keys = "".join(f'"{key}":"{tier}",' for key in _TIERS)
    return pl.concat_str(pl.lit(f'{{{keys}"told":'), _METADATA.fill_null("null"), pl.lit("}"))


def offers(entry: Entry, tier: str, day: date) -> bool:
    """Tell whether the model of *entry* had a price in *tier* on *day*."""
    return any(rule.key in _TIERS and rule.holds(entry, tier, day) for rule in rules().factors)


def _told(key: str) -> pl.Expr:
    return _METADATA.str.extract(rf'[".]{key}":\s*"([^"]*)"', 1)


def adjusted(rows: pl.DataFrame, entries: Sequence[Entry | None]) -> pl.DataFrame:
    """Return *rows* with `total`, in 10⁻²⁴ USD, as it is with factors; NULL where one isn't known.

    *rows* have the number of their model among *entries* as `key`.
    """
    known = rules()
    at = rows.select(_METADATA.str.contains(known.marks).fill_null(value=False)).to_series().arg_true()
    if at.is_empty():
        return rows
    marked = rows.select("key", "total", "metadata", "created_at")[at]
    marked = marked.with_columns(
        pl.col("created_at").dt.date().alias("day"),
        *(_told(key).alias(key) for key in known.keys),
    )
    kinds = marked.select("key", "day", *known.keys).unique()
    found = kinds.hstack(_adjustments(kinds, entries, known))
    joined = marked.join(found, on=["key", "day", *known.keys], how="left", nulls_equal=True, maintain_order="left")
    total = joined.select(pl.col("total") * pl.col("times") // pl.col("over")).to_series()
    return rows.with_columns(total=rows["total"].scatter(at, total))


def _adjustments(kinds: pl.DataFrame, entries: Sequence[Entry | None], known: Rules) -> pl.DataFrame:
    """Return for each of *kinds* the factor as a fraction, `times` over `over`."""
    table: dict[str, list[int | None]] = {"times": [], "over": []}
    for key, day, *values in kinds.rows():
        entry = entries[key]
        told = dict(zip(known.keys, values, strict=True))
        factor = None if entry is None or day is None else _factor(entry, told, day, known)
        table["times"].append(None if factor is None else factor.numerator)
        table["over"].append(None if factor is None else factor.denominator)
    return pl.DataFrame(table, schema=dict.fromkeys(table, pl.Int128))


def _factor(entry: Entry, told: dict[str, str | None], day: date, known: Rules) -> Fraction | None:
    """Return how many times the standard price a call costs; None where nobody knows."""
    applying = [
        next((rule for rule in known.factors if rule.key == key and rule.holds(entry, value, day)), None)
        for key, value in told.items()
    ]
    factors = [rule.factor for rule in applying if rule is not None]
    return (
        prod((factor for factor in factors if factor is not None), start=Fraction(1)) if None not in factors else None
    )
