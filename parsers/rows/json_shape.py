"""A shape: where JSON records keep their fields, and what these mean. Most formats of JSON lines are nothing more."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.jsonl.fields import Path, extract, path
from parsers.rows.calls import FIELDS, Meaning, calls
from parsers.values.typed import known

HINTS = ('okens"', 'okenCount"', "oken_count")
"""One of them is in every record that counts tokens (`input_tokens`, `promptTokenCount`, `llm.token_count.prompt`)."""

_MANY = 64
_A_KEY = r'"([^"\\]+)"\s*:'
_ESCAPED_KEY = r'\\u[^"]*"\s*:'


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
    """

    paths: Mapping[str, tuple[str, ...]]
    meaning: Meaning
    derived: Mapping[str, pl.Expr] = field(default_factory=dict)
    counts: pl.Expr | None = None
    internal: tuple[str, ...] = ()


def json_format(title: str, shape: Shape, *, claims: pl.Expr, hints: tuple[str, ...], rank: int = 0) -> Format:
    """Return the format of JSON lines of one *shape*; for *hints* and *rank* see `Format`."""
    name, parse = shape.meaning.name, partial(_parse, shape)
    return Format(name=name, title=title, json=True, claims=claims, parse=parse, hints=hints, rank=rank)


def top_names(shape: Shape) -> frozenset[str]:
    """Return the keys at the top of a record that *shape* looks at: the columns that it knows of a table."""
    return frozenset(where[0] for where in _places(shape).values())


def _parse(shape: Shape, records: pl.DataFrame, context: Context) -> Parsed:
    del context
    fields, rejects = read(records, shape)
    if shape.counts is not None:
        fields = fields.filter(shape.counts.fill_null(value=True))
    return made(fields.with_columns(**shape.derived).drop(shape.internal), shape, rejects)


def read(records: pl.DataFrame, shape: Shape) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return *records* with the fields of *shape* as columns of text, and the rejects."""
    places = _present(records["line"], _places(shape))
    wide, rejects = extract(records, places)
    return wide.select(*records.columns, *_fields(shape, frozenset(places))), rejects


@lru_cache(maxsize=64)
def _places(shape: Shape) -> dict[str, Path]:
    """Return each place where *shape* looks."""
    return {f"{name} {i}": path(text) for name, texts in shape.paths.items() for i, text in enumerate(texts)}


def _present(lines: pl.Series, places: dict[str, Path]) -> dict[str, Path]:
    """Return those of many *places* whose keys are in any of *lines*: looking for hundreds in vain costs most."""
    if len(places) <= _MANY or lines.str.contains(_ESCAPED_KEY).any():
        return places
    keys = set(lines.str.extract_all(_A_KEY).explode(empty_as_null=False).unique().str.extract(_A_KEY, 1).to_list())
    return {name: where for name, where in places.items() if keys.issuperset(where)}


@lru_cache(maxsize=256)
def _fields(shape: Shape, places: frozenset[str]) -> list[pl.Expr]:
    """Return the fields of *shape* from *places*: the first that isn't blank."""
    fields = []
    for name, texts in shape.paths.items():
        values = [known(pl.col(f"{name} {i}")) for i in range(len(texts)) if f"{name} {i}" in places]
        value = pl.coalesce(values) if values else pl.lit(None, dtype=pl.String)
        fields.append(value.alias(name))
    return fields


def made(fields: pl.DataFrame, shape: Shape, rejects: pl.DataFrame) -> Parsed:
    """Return the calls in *fields*; their rejects follow *rejects*."""
    unknown = [column.name for column in fields if column.null_count() == len(column)]
    parsed = calls(fields.drop(unknown), _meaning(shape)) if not fields.is_empty() else calls(fields, _meaning(shape))
    return replace(parsed, rejects=pl.concat([rejects, parsed.rejects]))


@lru_cache(maxsize=64)
def _meaning(shape: Shape) -> Meaning:
    extra = tuple(name for name in shape.paths if name not in FIELDS and name not in shape.internal)
    return replace(shape.meaning, metadata=tuple(dict.fromkeys(shape.meaning.metadata + extra)))
