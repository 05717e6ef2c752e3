"""TOML → a mapping of a log of JSON lines, text or CSV, checked so that each mistake names its line.

`mapping.md` beside this file tells users what each key means.
"""

import tomllib
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from parsers.jsonl import fields
from parsers.mapping.levels import EACH, levels_of
from parsers.mapping.mapping import Mapping
from parsers.mapping.sums import PLUS, SUMMED, added
from parsers.rows.calls import FAILED, FIELDS, TEXTS, Meaning
from parsers.rows.json_shape import Shape
from parsers.rows.token_counts import COUNTS
from parsers.values.lenient import DURATION_UNITS, TIME_UNITS
from parsers.values.messages import alike, line_of
from parsers.values.privacy import Rule, rule_of

_COLUMNS = tuple(name for name in FIELDS if name != "dedupe_key")
KEYS: dict[str, tuple[str, ...]] = {
    "": ("name", "title", "lines", "columns", "metadata", "constants", "units", "tokens", "failure", "cached"),
    "lines": ("contains", "matches", "equals", "pattern", "csv", "unwrap"),
    "columns": (*_COLUMNS, "usage", "cached"),
    "constants": _COLUMNS,
    "units": ("time", "zone", "latency", "cost"),
    "tokens": ("request_includes_cache", "response_includes_reasoning", "source"),
    "failure": ("values", "matches"),
    "cached": ("values", "matches"),
}
"""The keys of each table; those of `[metadata]` are the user's."""

CACHED = r"^(?i:true|yes|1|hit|cache[-_ ]?hit|cached|semantic|simple)$"
"""Values of `cached` that say that an answer came from a proxy's cache."""

_COSTS = {"usd": 1.0, "cents": 0.01, "microusd": 1e-6}
_IDENTIFIERS = frozenset(
    {"model", "provider", "host", "error", "error_type", *(name for name in TEXTS if name.endswith("_id"))}
)
"""Columns that hold what is guarded by its own look: `response_model` and `chat` only sound like content."""


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
            if name in KEYS and key not in KEYS[name]:
                raise self.error(name, key, f"unknown key `{key}`", _instead(key, name))
        return table

    def error(self, table: str, key: str, what: str, remedy: str) -> MappingError:
        """Return the error for *key* in *table*, with its line."""
        return MappingError(f"{self.name}:{line_of(self.text, key, table)}: {what}; {remedy}")


def _instead(key: str, table: str) -> str:
    """Return what to tell who wrote *key*, which *table* doesn't have."""
    if near := alike(key, KEYS[table], 1, least=0.6):
        return f"did you mean `{near[0]}`?"
    owner = next((name for name, keys in KEYS.items() if key in keys), "")
    if owner:
        return f"it belongs under `[{owner}]`"
    aside = ", or `[metadata]` for what has no column" if table == "columns" else ""
    return f"use {', '.join(KEYS[table])}{aside}"


def mapping_of(text: str, name: str) -> Mapping:
    """Return the mapping that the TOML *text* of a file called *name* describes; `format_of` makes it a format.

    Raises:
        MappingError: Something in it is wrong.
    """
    source = _Source(text, name)
    top, lines = source.table(""), source.table("lines")
    pattern, is_csv = _regex(source, "lines", "pattern"), _flag(source, "lines", "csv", default=False)
    places = _Places(source, pattern, is_csv=is_csv)
    equals = {str(key): tuple(map(_text, _listed(value))) for key, value in _flat(lines.get("equals", {})).items()}
    contains = tuple(str(text) for text in _listed(lines.get("contains", ())))
    if pattern is not None and (equals or is_csv):
        wrong = "equals" if equals else "csv"
        raise source.error("lines", wrong, f"`{wrong}` is not for text, and `pattern` is", "keep one of them")
    if is_csv and (contains or "matches" in lines):
        wrong = "contains" if contains else "matches"
        raise source.error("lines", wrong, f"`{wrong}` is for lines, and rows of CSV have columns", "use `equals`")
    if not (contains or equals or pattern or is_csv or "matches" in lines):
        remedy = "add `contains`, `matches`, `equals`, `pattern` or `csv = true`"
        raise source.error("", "lines", "nothing says which lines are calls", remedy)
    shape = places.shape(_meaning(source, _stem(name)), equals)
    try:
        levels = levels_of(shape)
    except ValueError as error:
        raise source.error("columns", "", str(error), "write a mapping for each, and give both") from error
    return Mapping(
        title=str(top.get("title", shape.meaning.name)),
        file=name,
        shape=shape,
        levels=levels,
        contains=contains,
        matches=_regex(source, "lines", "matches"),
        equals=equals,
        pattern=pattern,
        columns=places.header() if is_csv else (),
        unwrap=_unwrap(source),
    )


def _stem(name: str) -> str:
    base = name.rpartition("/")[2]
    return base.rpartition(".")[0] or base


class _Places:
    """Where a mapping's fields are: paths in JSON, groups of a *pattern* in text, or names of the columns of CSV."""

    def __init__(self, source: _Source, pattern: str | None, *, is_csv: bool) -> None:
        self._source, self._pattern, self._is_csv = source, pattern, is_csv
        self._groups = _groups(pattern) if pattern is not None else ()

    def shape(self, meaning: Meaning, equals: dict[str, tuple[str, ...]]) -> Shape:
        """Return the shape of records of such a *meaning*, of which those are calls that are as *equals* says."""
        columns, constants = self._source.table("columns"), self._source.table("constants")
        if self._pattern is not None and "usage" in columns:
            remedy = "name the counts of a text one by one"
            raise self._source.error("columns", "usage", "`usage` is an object of JSON", remedy)
        for needed in (("model",), ("request_tokens", "response_tokens", "total_tokens", "usage")):
            if not any(name in columns or name in constants for name in needed):
                remedy = f'add `{needed[0]} = "…"`' + (", or a constant" if needed == ("model",) else "")
                raise self._source.error("columns", "", f"no column for {' or '.join(needed)}", remedy)
        paths: dict[str, tuple[str, ...]] = {}
        parts: dict[str, tuple[str, ...]] = {}
        sums: dict[str, pl.Expr] = {}
        for table in ("columns", "metadata"):
            for name in self._source.table(table):
                texts = self._texts(table, name)
                if name == "usage" and table == "columns":
                    continue
                if any(PLUS in text for text in texts):
                    mine, sums[name] = added(name, texts, self._of)
                    parts, paths[name] = {**parts, **mine}, ()
                else:
                    paths[name] = tuple(place for text in texts for place in self._of(text))
        selectors = {f"= {text}": self._checked("lines", "equals", text) for text in equals}
        chosen = [pl.col(f"= {text}").is_in(values) for text, values in equals.items()]
        cached = pl.col("cached").str.contains(_values(self._source, "cached") or CACHED) if "cached" in paths else None
        return Shape(
            {**paths, **parts, **selectors},
            meaning,
            derived=sums,
            counts=pl.all_horizontal(chosen) if chosen else None,
            internal=(*parts, *selectors, *(["cached"] if cached is not None else [])),
            usage=tuple(f"{text}." if text else "" for text in self._texts("columns", "usage")),
            from_cache=cached,
        )

    def header(self) -> tuple[tuple[str, ...], ...]:
        """Return the groups of names of which a header must have one each."""

        def named(columns: Iterable[str]) -> tuple[str, ...]:
            wanted = self._source.table("columns")
            texts = (part for name in columns if name in wanted for text in self._texts("columns", name)
                     for part in text.split(PLUS))  # fmt: skip
            return tuple(dict.fromkeys(fields.path(self._of(text)[0])[0] for text in texts))

        groups = (named(("model",)), named((*COUNTS, "usage")))
        return tuple(group for group in groups if group)

    def _texts(self, table: str, name: str) -> tuple[str, ...]:
        """Return the places of *name*, checked, as they are written."""
        value = self._source.table(table).get(name, ())
        texts = _listed(value)
        if (name in self._source.table(table) and not texts) or not all(isinstance(text, str) for text in texts):
            remedy = 'write `"usage.input_tokens"`'
            raise self._source.error(table, name, f"`{name}` must be text or a list of it", remedy)
        for text in texts:
            if PLUS in text and name not in SUMMED:
                remedy = f"only {', '.join(SUMMED[:3])} and the like are added up"
                raise self._source.error(table, name, f"`{name}` is no number", remedy)
            for part in text.split(PLUS):
                if part or name != "usage":
                    self._checked(table, name, part)
                self._harmless(table, name, part)
        return texts

    def _harmless(self, table: str, name: str, text: str) -> None:
        """Refuse a place whose name says that prompts, responses or secrets are there."""
        last = text.rpartition(".")[2].strip('"')
        free = table == "metadata" or (name in TEXTS and name not in _IDENTIFIERS)
        if free and rule_of(last) is Rule.NEVER:
            what = f"`{last}` is what prompts, responses or secrets are called, which are never stored"
            raise self._source.error(table, name, what, "leave it out")

    def _checked(self, table: str, key: str, text: str) -> tuple[str, ...]:
        """Return the places that *text* may mean."""
        if self._pattern is not None and text not in self._groups:
            remedy = f"name it in the pattern, as in `(?P<{text}>…)`, or use one of {', '.join(self._groups)}"
            raise self._source.error(table, key, f"the pattern has no group `{text}`", remedy)
        if self._pattern is None and not self._is_csv:
            try:
                for part in text.split(EACH):
                    fields.path(part.removeprefix(".") or "x")
            except ValueError as error:
                remedy = "join keys by dots, and quote a key that holds dots"
                raise self._source.error(table, key, str(error), remedy) from error
        return self._of(text)

    def _of(self, text: str) -> tuple[str, ...]:
        """Return the places that *text* means: a column's name may hold dots, or lead into JSON in its cells."""
        if not self._is_csv or text.startswith('"'):
            return (text,)
        try:
            return (f'"{text}"', *((text,) if len(fields.path(text)) > 1 else ()))
        except ValueError:
            return (f'"{text}"',)


def _unwrap(source: _Source) -> tuple[str, ...]:
    """Return what may be around lines: key paths, and regexes with a group."""
    texts = _listed(source.table("lines").get("unwrap", ()))
    for text in texts:
        if "(" not in str(text):
            try:
                fields.path(str(text))
            except ValueError as error:
                raise source.error("lines", "unwrap", str(error), "join keys by dots, or write a regex") from error
            continue
        _check_regex(source, "lines", "unwrap", str(text))
        groups = _groups(str(text))
        if len(groups) != 1 and "line" not in groups:
            remedy = "put what is the line in `(…)`, or in `(?P<line>…)` beside others"
            raise source.error("lines", "unwrap", f"the regex has {len(groups)} groups", remedy)
    return tuple(map(str, texts))


def _meaning(source: _Source, stem: str) -> Meaning:
    units, tokens = source.table("units"), source.table("tokens")
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
        request_includes_cache=_flag(source, "tokens", "request_includes_cache"),
        response_includes_reasoning=_flag(source, "tokens", "response_includes_reasoning"),
        failed=_values(source, "failure") or FAILED,
        token_source=str(tokens.get("source", "provider")),
        constants={name: _text(value) for name, value in source.table("constants").items()},
    )


def _values(source: _Source, table: str) -> str | None:
    """Return the regex for values that *table* lists, or gives one for."""
    values = source.table(table).get("values")
    if values is None:
        return _regex(source, table, "matches")
    return "^(?:" + "|".join(pl.escape_regex(_text(value)) for value in _listed(values)) + ")$"


def _flag(source: _Source, table: str, key: str, *, default: bool = True) -> bool:
    value = source.table(table).get(key, default)
    if not isinstance(value, bool):
        raise source.error(table, key, f"`{key}` must be true or false", "write it without quotes")
    return value


def _regex(source: _Source, table: str, key: str) -> str | None:
    value = source.table(table).get(key)
    if value is None:
        return None
    _check_regex(source, table, key, str(value))
    return str(value)


def _check_regex(source: _Source, table: str, key: str, text: str) -> None:
    try:
        pl.select(pl.lit("").str.contains(text))
    except pl.exceptions.ComputeError as error:
        why = str(error).strip().splitlines()[-1].removeprefix("error: ")
        remedy = "look-around is not supported; test it on one line"
        raise source.error(table, key, f"not a regex: {why}", remedy) from error


def _groups(pattern: str) -> tuple[str, ...]:
    dtype = pl.select(pl.lit("").str.extract_groups(pattern)).to_series().dtype
    return tuple(f.name for f in dtype.fields) if isinstance(dtype, pl.Struct) else ()


def _flat(table: Any, above: str = "") -> dict[str, Any]:
    """Return a nested table with dotted keys: TOML reads `a.b = 1` as such."""
    flat: dict[str, Any] = {}
    for key, value in table.items() if isinstance(table, dict) else ():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
