"""Dated facts about providers, from TOML: what counts against their rate limits, and which model is a tier below."""

import tomllib
from datetime import date
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from parsers.values.by_hand import text_of, toml_of
from queries.errors import QueryError

_DATA = resources("queries") / "data"
_TOKENS = ("uncached_input", "cache_write", "cache_read", "output")
_PRICES = ("input_usd", "cached_usd", "output_usd")

RULE = {"provider": "varchar", "counts": "varchar", "reserved": "bigint", "meaning": "varchar", "as_of": "date"}
RULE |= dict.fromkeys(_TOKENS, "bigint")
TIER = {"prefix": "varchar", "to_model": "varchar", "own": "boolean", "as_of": "date"}
TIER |= dict.fromkeys(_PRICES, "double")
"""The columns of what is returned here, and their types in SQL."""

Table = dict[str, Any]  # TOML: whatever is written there


def counting_rules() -> list[Table]:
    """Return what providers count: one row per provider and limit, a weight for each kind of token."""
    read = _read(_DATA / "counting_rules.toml")
    return [
        {"reserved": 0, "as_of": read["as_of"]} | rule | {kind: int(kind in rule["tokens"]) for kind in _TOKENS}
        for rule in read["rule"]
    ]


def downgrades(warehouse: Path) -> list[Table]:
    """Return which model is a tier below others: ours, and those that the user wrote into the warehouse."""
    own = warehouse / "downgrades.toml"
    return _tiers(_DATA / "downgrades.toml", own=False) + (_tiers(own, own=True) if own.is_file() else [])


def _tiers(file: Traversable, *, own: bool) -> list[Table]:
    read = _read(file)
    return [_tier(file, tier) | {"as_of": read.get("as_of"), "own": own} for tier in _list(file, read)]


def _list(file: Traversable, read: Table) -> list[Any]:
    tiers = read.get("tier", [])
    if set(read) - {"as_of", "tier"} or not isinstance(tiers, list) or not isinstance(read.get("as_of"), date | None):
        raise QueryError(f"{file}: takes as_of, a date, and [[tier]] tables")
    return tiers


def _tier(file: Traversable, tier: Any) -> Table:
    text = isinstance(tier, dict) and all(isinstance(tier.get(name, ""), str) for name in ("models", "to"))
    if not text or not tier.get("models") or set(tier) - {"models", "to", *_PRICES}:
        raise QueryError(f"{file}: a [[tier]] has models, to, {', '.join(_PRICES)}; not {tier}")
    prices = {name: tier.get(name) for name in _PRICES}
    if any(not isinstance(price, int | float | None) or isinstance(price, bool) for price in prices.values()):
        raise QueryError(f"{file}: dollars per million tokens are numbers; not {tier}")
    # What is read from a cache costs as much as other input where nothing else is said.
    prices["cached_usd"] = prices["input_usd"] if prices["cached_usd"] is None else prices["cached_usd"]
    return {"prefix": tier["models"], "to_model": tier.get("to"), **prices}


def _read(file: Traversable) -> Table:
    try:
        return toml_of(text_of(file))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise QueryError(f"{file}: {error}") from error
