"""A shape: where JSON records keep what, and what it means. Most formats of JSON lines are no more than one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import polars as pl

from parsers.calls import FIELDS, Meaning, calls
from parsers.fields import Path, extract, path
from parsers.format import Context, Format, Parsed
from parsers.values import known

HINTS = ("oken",)
"""In every record that counts tokens, whatever it calls them: `input_tokens`, `promptTokenCount`, `Tokens`."""


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


def json_format(title: str, shape: Shape, *, claims: pl.Expr, hints: tuple[str, ...] = HINTS) -> Format:
    """Return the format of JSON lines of one *shape*."""
    name = shape.meaning.name
    return Format(name=name, title=title, json=True, claims=claims, parse=partial(_parse, shape), hints=hints)


def _parse(shape: Shape, records: pl.DataFrame, context: Context) -> Parsed:
    del context
    fields, rejects = read(records, shape)
    if shape.counts is not None:
        fields = fields.filter(shape.counts.fill_null(value=True))
    return made(fields.with_columns(**shape.derived).drop(shape.internal), shape, rejects)


def read(records: pl.DataFrame, shape: Shape) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return *records* with the fields of *shape* as columns of text, and the rejects."""
    places, fields = _places(shape)
    wide, rejects = extract(records, places)
    return wide.select(*records.columns, *fields), rejects


@lru_cache(maxsize=64)
def _places(shape: Shape) -> tuple[dict[str, Path], list[pl.Expr]]:
    """Return each place where *shape* looks, and from these the fields: the first place that isn't blank."""
    places = {f"{name} {i}": path(text) for name, texts in shape.paths.items() for i, text in enumerate(texts)}
    fields = [
        (
            known(pl.col(f"{name} 0"))
            if len(texts) == 1
            else pl.coalesce(known(pl.col(f"{name} {i}")) for i in range(len(texts)))
        ).alias(name)
        for name, texts in shape.paths.items()
    ]
    return places, fields


def made(fields: pl.DataFrame, shape: Shape, rejects: pl.DataFrame) -> Parsed:
    """Return the calls in *fields*; their rejects follow *rejects*."""
    parsed = calls(fields, _meaning(shape))
    return replace(parsed, rejects=pl.concat([rejects, parsed.rejects]))


@lru_cache(maxsize=64)
def _meaning(shape: Shape) -> Meaning:
    extra = tuple(name for name in shape.paths if name not in FIELDS and name not in shape.internal)
    return replace(shape.meaning, metadata=tuple(dict.fromkeys(shape.meaning.metadata + extra)))
