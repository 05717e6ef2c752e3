"""A shape: where JSON records keep their fields, and what these mean. Most formats of JSON lines are nothing more."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import NONE_REJECTED
from parsers.jsonl.decode import keys_in
from parsers.jsonl.fields import Path, extract, path, with_keys
from parsers.jsonl.table_cells import CELLS, extract_cells
from parsers.jsonl.unknown_fields import LEFTOVERS
from parsers.rows.calls import FIELDS, TIMES, Meaning, calls
from parsers.rows.usage_objects import FAMILIES, Family, parts
from parsers.schema import EVENTS, UTC, conform
from parsers.values.lenient import time
from parsers.values.typed import known

HINTS = ('okens"', 'okenCount"', "oken_count")
"""One of them is in every record that counts tokens (`input_tokens`, `promptTokenCount`, `llm.token_count.prompt`)."""


@dataclass(frozen=True, eq=False)
class Shape:
    """Where a format keeps its fields.

    Attributes:
        paths: for each field of `calls.FIELDS` the places to look, best first, as `fields.path` reads them; a name that
            is no such field goes to `metadata`.
        meaning: what the fields mean.
        derived: fields that follow from others.
        counts: true on the fields of those records that are calls; without it all are.
        internal: fields that others are derived from: not kept themselves.
        usage: what stands before the keys of usage objects, best first: `usage.`, or nothing for keys at the top.
        from_cache: true on the fields of those records that a proxy answered from its own cache: no calls but events,
            `cache_hit`.
        passed_over: places of what is the same in every record, or says nothing of a call: it is not kept.
        closed: keys of objects that say nothing of a call, wherever they are: nobody looks into them.
        families: what usage objects there may be; a count that `paths` finds comes before theirs.
    """

    paths: Mapping[str, tuple[str, ...]]
    meaning: Meaning
    derived: Mapping[str, pl.Expr] = field(default_factory=dict)
    counts: pl.Expr | None = None
    internal: tuple[str, ...] = ()
    usage: tuple[str, ...] = ()
    families: tuple[Family, ...] = FAMILIES
    passed_over: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    from_cache: pl.Expr | None = None


def json_format(title: str, shape: Shape, *, claims: pl.Expr, hints: tuple[str, ...], rank: int = 0) -> Format:
    """Return the format of JSON lines of one *shape*; for *hints* and *rank* see `Format`."""
    name, of_shape = shape.meaning.name, partial(parse, shape)
    return Format(name=name, title=title, json=True, claims=claims, parse=of_shape, hints=hints, rank=rank)


def top_names(shape: Shape) -> frozenset[str]:
    """Return the keys at the top of a record that *shape* looks at: the columns that it knows of a table."""
    return frozenset(where[0] for where in _places(shape).values())


def parse(shape: Shape, records: pl.DataFrame, context: Context) -> Parsed:
    """Return the calls in *records* of one *shape*; no line needs an earlier one."""
    del context
    fields, rejects = read(records, shape)
    return finished(fields, rejects, shape, clean=frozenset(fields.columns).difference(shape.derived))


def finished(
    fields: pl.DataFrame, rejects: pl.DataFrame, shape: Shape, *, clean: frozenset[str] = frozenset()
) -> Parsed:
    """Return the calls in *fields*, as `read` leaves them, and the answers from a cache; after the *rejects*.

    For *clean* see `calls`.
    """
    if shape.counts is not None:
        fields = fields.filter(shape.counts.fill_null(value=True))
    fields = fields.with_columns(**shape.derived)
    if shape.from_cache is None:
        return made(fields.drop(shape.internal), shape, rejects, clean=clean)
    hit = shape.from_cache.fill_null(value=False)
    parsed = made(fields.filter(~hit).drop(shape.internal), shape, rejects, clean=clean)
    return replace(parsed, events=_cache_hits(fields.filter(hit), shape.meaning))


def _cache_hits(fields: pl.DataFrame, meaning: Meaning) -> pl.DataFrame:
    """Return the answers from a proxy's cache as events: no provider was asked, and nothing is paid."""
    times = [time(pl.col(name), meaning.time, meaning.zone) for name in TIMES if name in fields.columns]
    at = pl.coalesce(*times, pl.lit(None, dtype=UTC))
    who = [name for name in ("session_id", "agent_id", "model") if name in fields.columns]
    hits = fields.select("source_offset", *who, created_at=at, kind=pl.lit("cache_hit"), format=pl.lit(meaning.name))
    return conform(hits, EVENTS) if hits.is_empty() else hits


def read(records: pl.DataFrame, shape: Shape) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return *records* with the fields of *shape*, and what it doesn't know, as columns of text; and the rejects.

    They are JSON lines, or have their fields in `CELLS`.
    """
    if CELLS in records.columns:
        wide = extract_cells(records, _places(shape), _passed_over(shape), shape.closed)
        rejects, records = NONE_REJECTED, records.drop(CELLS)
    else:
        places = _present(shape, frozenset(keys_in(records["line"], _names(shape))))
        wide, rejects = extract(records, places, _passed_over(shape), shape.closed)
    at = frozenset(column.name for column in wide.iter_columns() if column.null_count() < len(column))
    named = wide.select(*records.columns, LEFTOVERS, *_fields(shape, at, counted=False))
    return (_with_usage(named, wide.select(_fields(shape, at, counted=True)), shape) if shape.usage else named), rejects


def _with_usage(named: pl.DataFrame, keys: pl.DataFrame, shape: Shape) -> pl.DataFrame:
    """Return the fields *named* with the counts of usage objects, whose *keys* are columns of text."""
    keys = keys.select(column.name for column in keys if column.null_count() < len(column))
    there = {name.removeprefix(_COUNTED): name for name in keys.columns}
    found = keys.select(_parts(shape, frozenset(there)))
    return named.with_columns(
        pl.coalesce(column.name, pl.lit(column)).alias(column.name) if column.name in named.columns else column
        for column in found
    )


_COUNTED = "usage of "
"""Begins the names of columns that hold one key of usage objects."""


@lru_cache(maxsize=64)
def _keys(shape: Shape) -> dict[str, tuple[str, ...]]:
    """Return, for each key of the usage objects of *shape*, the places where it may be."""
    keys = dict.fromkeys(key for family in shape.families for key in family.places()) if shape.usage else ()
    return {f"{_COUNTED}{key}": tuple(before + key for before in shape.usage) for key in keys}


@lru_cache(maxsize=256)
def _parts(shape: Shape, there: frozenset[str]) -> list[pl.Expr]:
    found = parts(lambda key: pl.col(f"{_COUNTED}{key}"), there, shape.families)
    return [value.alias(name) for name, value in found.items()]


@lru_cache(maxsize=64)
def _places(shape: Shape) -> dict[str, Path]:
    """Return each place where *shape* looks."""
    looked_for = {**shape.paths, **_keys(shape)}
    return {f"{name} {i}": path(text) for name, texts in looked_for.items() for i, text in enumerate(texts)}


@lru_cache(maxsize=64)
def _passed_over(shape: Shape) -> tuple[Path, ...]:
    return tuple(path(text) for text in shape.passed_over)


@lru_cache(maxsize=64)
def _names(shape: Shape) -> set[str]:
    """Return every key on the way to a place where *shape* looks."""
    return {key for where in _places(shape).values() for key in where}


@lru_cache(maxsize=256)
def _present(shape: Shape, keys: frozenset[str]) -> dict[str, Path]:
    """Return those of the many places where *shape* looks that are made of *keys* that are there."""
    return with_keys(_places(shape), keys)


@lru_cache(maxsize=256)
def _fields(shape: Shape, places: frozenset[str], *, counted: bool) -> list[pl.Expr]:
    """Return the fields of *shape*, or the keys of its usage objects, from *places*: the first that isn't blank."""
    fields = []
    for name, texts in (_keys(shape) if counted else shape.paths).items():
        values = [known(pl.col(f"{name} {i}")) for i in range(len(texts)) if f"{name} {i}" in places]
        value = pl.coalesce(values) if values else pl.lit(None, dtype=pl.String)
        if values or not counted:
            fields.append(value.alias(name))
    return fields


def made(fields: pl.DataFrame, shape: Shape, rejects: pl.DataFrame, *, clean: frozenset[str] = frozenset()) -> Parsed:
    """Return the calls in *fields*; their rejects follow *rejects*. For *clean* see `calls`."""
    # Without a column `requests` each row is one request, with NULL in it a sum that doesn't say of how many.
    unknown = [column.name for column in fields if column.null_count() == len(column) and column.name != "requests"]
    some = fields if fields.is_empty() else fields.drop(unknown)
    parsed = calls(some, _meaning(shape), clean=clean.intersection(some.columns))
    return replace(parsed, rejects=pl.concat([rejects, parsed.rejects]))


@lru_cache(maxsize=64)
def _meaning(shape: Shape) -> Meaning:
    extra = tuple(name for name in shape.paths if name not in FIELDS and name not in shape.internal)
    return replace(shape.meaning, metadata=tuple(dict.fromkeys(shape.meaning.metadata + extra)))
