"""Levels of a JSON record: its own fields, and those of the elements of an array in it, each of which is a row.

    {"trace":"t-1","calls":[{"model":"gpt-4o","in":900},{"model":"gpt-4o-mini","in":40}]}

`trace` is in the record, `calls[].model` in each element; an element may hold an array itself. A text on the way that
is JSON is read as the object that it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import polars as pl

from parsers.blocks.lines import RECORDS
from parsers.jsonl.fields import Path, path
from parsers.jsonl.inner_json import elements, with_objects, without_array
from parsers.jsonl.table_cells import CELLS
from parsers.jsonl.unknown_fields import LEFTOVERS, joined
from parsers.rows.json_shape import Shape, read

EACH = "[]"
"""Stands in a place behind an array whose elements are rows."""

_IN_CELLS = 2
"""Keys of the longest path in a table: a column, and one of the object in its cell; what is deeper may be text."""

_AT = "number of the element"


@dataclass(frozen=True, eq=False)
class Level:
    """What of a shape is in the elements of the array at `array`, or, without one, in the record itself.

    `texts` are the keys that may hold JSON as text.
    """

    array: Path
    shape: Shape
    texts: tuple[str, ...] = ()


def levels_of(shape: Shape) -> tuple[Level, ...]:
    """Return the levels of *shape*, whose places may go through arrays.

    Raises:
        ValueError: Places go through two arrays that are not in each other.
    """
    every = (*(text for texts in shape.paths.values() for text in texts), *shape.usage)
    arrays = sorted({text.rpartition(EACH)[0] for text in every if EACH in text}, key=len)
    arrays = [array for n, array in enumerate(arrays) if array not in arrays[:n]]
    whole = ["", *(f"{array}{EACH}" for array in arrays)]
    for outer, inner in pairwise(whole):
        if not inner.startswith(outer):
            raise ValueError(f"`{outer}` and `{inner}` are two arrays: a row is an element of one")
    return tuple(_level(shape, *ends) for ends in zip(["", *whole], whole, [*whole[1:], ""], strict=False))


def _level(shape: Shape, outer: str, own: str, inner: str) -> Level:
    """Return what of *shape* lies below *own*, an array within *outer*, and not below *inner*, an array within it."""

    def mine(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            text.removeprefix(own).removeprefix(".")
            for text in texts
            if text.rpartition(EACH)[0] == own.removesuffix(EACH) and (EACH in text) == bool(own)
        )

    paths = {name: texts for name, places in shape.paths.items() if (texts := mine(places))}
    if not own:  # where a field is derived from others only, it has no place
        paths |= {name: () for name, places in shape.paths.items() if not places}
    inside = inner.removeprefix(own).removeprefix(".").removesuffix(EACH)
    usage = mine(shape.usage)
    above = [path(text) for texts in paths.values() for text in texts]
    above += [(*path(f"{text}x")[:-1], "") for text in usage if text] + ([(*path(inside), "")] if inside else [])
    keys = tuple(dict.fromkeys(key for where in above for key in where[:-1]))
    level = replace(shape, paths=paths, usage=usage, passed_over=(inside,) if inside else ())
    array = own.removeprefix(outer).removeprefix(".").removesuffix(EACH)
    return Level(path(array) if array else (), level, keys)


def fits_cells(levels: Sequence[Level]) -> bool:
    """Tell whether a row of a table, whose cells may be objects, has all that *levels* look for."""
    first, *deeper = levels
    return not deeper and all(len(path(text)) <= _IN_CELLS for texts in first.shape.paths.values() for text in texts)


def read_levels(records: pl.DataFrame, levels: Sequence[Level]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the fields of each row in *records*, as `json_shape.read` does of each record, and the rejects."""
    first, *deeper = levels
    if CELLS in records.columns:
        return read(records, first.shape)
    inside = with_objects(records["line"], first.texts)
    fields, rejects = read(records.with_columns(_without(inside, deeper)), first.shape)
    inside = inside.filter(records["source_offset"].is_in(fields["source_offset"].implode()))
    for depth, level in enumerate(deeper, start=1):
        each = elements(inside, level.array)
        outer = fields[each["at"]]
        inside = with_objects(each["line"].fill_null("{}"), level.texts)
        own = outer.select(*RECORDS).with_columns(_without(inside, deeper[depth:]), pl.int_range(pl.len()).alias(_AT))
        found, refused = read(own, level.shape)
        rejects = pl.concat([rejects, refused])
        found = found.sort(_AT)
        inside = inside.gather(found[_AT])
        fields = _together(outer[found[_AT]], found.drop(*RECORDS, _AT), level.array[-1])
    if rejects.is_empty():
        return fields, rejects
    written = rejects.drop("line").join(records.select("source_offset", "line"), on="source_offset", how="left")
    return fields, written.select(rejects.columns)


def _without(lines: pl.Series, deeper: Sequence[Level]) -> pl.Series:
    """Return *lines* without the array whose elements are the next of the *deeper* levels."""
    return without_array(lines, deeper[0].array[-1]) if deeper else lines


def _together(outer: pl.DataFrame, inner: pl.DataFrame, array: str) -> pl.DataFrame:
    """Return the fields of both, those of the *inner* first; what these don't know is kept under *array*."""
    named = inner.rename(lambda name: f"inner {name}")
    both = pl.concat([outer, named], how="horizontal")
    more = pl.col(f"inner {LEFTOVERS}")
    nested = pl.when(more.is_not_null()).then(pl.lit(f'{{"{array}":') + more + pl.lit("}"))
    values: Mapping[str, pl.Expr] = {
        name: pl.coalesce(f"inner {name}", name) if name in outer.columns else pl.col(f"inner {name}")
        for name in inner.columns
        if name != LEFTOVERS
    }
    return both.with_columns(**values, **{LEFTOVERS: joined(pl.col(LEFTOVERS), nested)}).drop(named.columns)
