"""TOML → a mapping of a log of JSON lines or text, checked so that each mistake names its line."""

import tomllib
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from parsers.jsonl import fields
from parsers.mapping.mapping import Mapping
from parsers.rows.calls import FAILED, FIELDS, Meaning
from parsers.rows.json_shape import Shape
from parsers.values.lenient import DURATION_UNITS, TIME_UNITS
from parsers.values.messages import alike, line_of

_KEYS: dict[str, tuple[str, ...]] = {
    "": ("name", "title", "lines", "columns", "metadata", "constants", "units", "tokens", "failure"),
    "lines": ("contains", "matches", "equals", "pattern"),
    "columns": (*(name for name in FIELDS if name != "dedupe_key"), "usage"),
    "constants": tuple(name for name in FIELDS if name != "dedupe_key"),
    "units": ("time", "zone", "latency", "cost"),
    "tokens": ("request_includes_cache", "response_includes_reasoning", "source"),
    "failure": ("values", "matches"),
}
_COSTS = {"usd": 1.0, "cents": 0.01, "microusd": 1e-6}


class MappingError(ValueError):
    """A mapping says something that can't be; the message names the line, and what to write instead."""


class _Source:
    """A mapping being checked, with the *name* of its file and where its keys are, for messages."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        try:
            self.data: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise MappingError(f"mapping {name} is not TOML: {error}; correct that line") from error

    def table(self, name: str) -> dict[str, Any]:
        """Return the table *name*; the top one for ""."""
        table = self.data if not name else self.data.get(name, {})
        if not isinstance(table, dict):
            raise self.error("", name, f"`{name}` must be a table", f"write `[{name}]`")
        for key in table:
            known = _KEYS.get(name)
            if known is not None and key not in known:
                near = alike(key, known, 1, least=0.6)
                raise self.error(
                    name, key, f"unknown key `{key}`", f"use {f'`{near[0]}`' if near else ', '.join(known)}"
                )
        return table

    def error(self, table: str, key: str, what: str, remedy: str) -> MappingError:
        """Return the error for *key* in *table*, with its line."""
        return MappingError(f"{self.name}:{line_of(self.text, key, table)}: {what}; {remedy}")


def mapping_of(text: str, name: str) -> Mapping:
    """Return the mapping that the TOML *text* of a file called *name* describes; `format_of` makes it a format.

    Raises:
        MappingError: Something in it is wrong.
    """
    source = _Source(text, name)
    top, lines = source.table(""), source.table("lines")
    pattern = _regex(source, "lines", "pattern")
    equals = {str(key): _text(value) for key, value in _flat(lines.get("equals", {})).items()}
    for key in equals:
        _path(source, "lines", "equals", key)
    contains = lines.get("contains", ())
    contains = (contains,) if isinstance(contains, str) else tuple(str(text) for text in contains)
    if pattern is not None and equals:
        raise source.error("lines", "equals", "`equals` is for JSON, and `pattern` for text", "keep one of them")
    if not (contains or equals or pattern or "matches" in lines):
        raise source.error(
            "", "lines", "nothing says which lines are calls", "add `contains`, `matches`, `equals` or `pattern`"
        )
    places = _places(source, pattern)
    usage = tuple(f"{place}." for place in places.pop("usage", ()))
    shape = Shape(places, _meaning(source, _stem(name)), usage=usage)
    return Mapping(
        title=str(top.get("title", shape.meaning.name)),
        file=name,
        shape=shape,
        contains=contains,
        matches=_regex(source, "lines", "matches"),
        equals=equals,
        pattern=pattern,
    )


def _stem(name: str) -> str:
    base = name.rpartition("/")[2]
    return base.rpartition(".")[0] or base


def _places(source: _Source, pattern: str | None) -> dict[str, tuple[str, ...]]:
    columns, constants = source.table("columns"), source.table("constants")
    if pattern is not None and "usage" in columns:
        raise source.error("columns", "usage", "`usage` is an object of JSON", "name the counts of a text one by one")
    for needed in (("model",), ("request_tokens", "response_tokens", "total_tokens", "usage")):
        if not any(name in columns or name in constants for name in needed):
            remedy = f'add `{needed[0]} = "…"`' + (", or a constant" if needed == ("model",) else "")
            raise source.error("columns", "", f"no column for {' or '.join(needed)}", remedy)
    places = {}
    for table in ("columns", "metadata"):
        for name, value in source.table(table).items():
            texts = (value,) if isinstance(value, str) else value
            if not isinstance(texts, (tuple, list)) or not texts or not all(isinstance(t, str) for t in texts):
                raise source.error(
                    table, name, f"`{name}` must be text or a list of it", 'write `"usage.input_tokens"`'
                )
            for text in texts:
                if pattern is None:
                    _path(source, table, name, text)
                elif text not in _groups(pattern):
                    remedy = (
                        f"name it in the pattern, as in `(?P<{text}>…)`, or use one of {', '.join(_groups(pattern))}"
                    )
                    raise source.error(table, name, f"the pattern has no group `{text}`", remedy)
            places[name] = tuple(texts)
    return places


def _meaning(source: _Source, stem: str) -> Meaning:
    units, tokens, failure = source.table("units"), source.table("tokens"), source.table("failure")
    values = failure.get("values")
    failed = _regex(source, "failure", "matches")
    if values is not None:
        failed = "^(?:" + "|".join(pl.escape_regex(_text(value)) for value in values) + ")$"
    latency, cost, zone = units.get("latency", "ms"), units.get("cost", "usd"), units.get("zone", "UTC")
    if latency not in DURATION_UNITS:
        raise source.error("units", "latency", f"unknown unit {latency!r}", f"use {', '.join(DURATION_UNITS)}")
    if cost not in _COSTS:
        raise source.error("units", "cost", f"unknown unit {cost!r}", f"use {', '.join(_COSTS)} (of a whole call)")
    written = units.get("time", "auto")
    if written != "auto" and written not in TIME_UNITS and "%" not in str(written):
        remedy = f"use auto, {', '.join(TIME_UNITS)}, or a format such as %Y-%m-%d %H:%M:%S"
        raise source.error("units", "time", f"unknown time {written!r}", remedy)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError) as error:
        raise source.error("units", "zone", f"unknown zone {zone!r}", "use a name such as Europe/Berlin") from error
    return Meaning(
        name=str(source.data.get("name", stem)),
        time=written,
        zone=zone,
        latency=latency,
        cost=_COSTS[cost],
        request_includes_cache=_flag(source, tokens, "request_includes_cache"),
        response_includes_reasoning=_flag(source, tokens, "response_includes_reasoning"),
        failed=failed or FAILED,
        token_source=str(tokens.get("source", "provider")),
        constants={name: _text(value) for name, value in source.table("constants").items()},
    )


def _flag(source: _Source, tokens: dict[str, Any], key: str) -> bool:
    value = tokens.get(key, True)
    if not isinstance(value, bool):
        raise source.error("tokens", key, f"`{key}` must be true or false", "write it without quotes")
    return value


def _regex(source: _Source, table: str, key: str) -> str | None:
    value = source.table(table).get(key)
    if value is None:
        return None
    try:
        pl.select(pl.lit("").str.contains(str(value)))
    except pl.exceptions.ComputeError as error:
        why = str(error).strip().splitlines()[-1].removeprefix("error: ")
        raise source.error(
            table, key, f"not a regex: {why}", "look-around is not supported; test it on one line"
        ) from error
    return str(value)


def _groups(pattern: str) -> tuple[str, ...]:
    dtype = pl.select(pl.lit("").str.extract_groups(pattern)).to_series().dtype
    return tuple(f.name for f in dtype.fields) if isinstance(dtype, pl.Struct) else ()


def _path(source: _Source, table: str, key: str, text: str) -> None:
    try:
        fields.path(text)
    except ValueError as error:
        raise source.error(table, key, str(error), "join keys by dots, and quote a key that holds dots") from error


def _flat(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Return a nested table with dotted keys: TOML reads `a.b = 1` as such."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
