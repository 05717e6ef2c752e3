"""Cells of a table → the flat columns of text that `fields.extract` makes of JSON lines, without writing any.

Records of a table have their fields in `CELLS`, a struct of text: they enter here, where JSON lines have just been
decoded. A cell that is a JSON object is what a line has under that name. Such cells are read as JSON, and only where a
path goes on in them or nobody knows their name.
"""

import json
from collections.abc import Collection, Iterable, Mapping

import polars as pl

from parsers.jsonl.decode import keys_in, loads
from parsers.jsonl.fields import Path, extract, is_passed_over, with_keys
from parsers.jsonl.unknown_columns import LONGEST
from parsers.jsonl.unknown_fields import LEFTOVERS, joined
from parsers.values.typed import json_text, known, metadata

CELLS = "cells"
"""Column of the fields of records that come from a table; their `line` is only there to be shown."""

_IS_OBJECT, _IS_LIST = (pl.all().str.starts_with(begin) for begin in "{[")


def has(records: pl.DataFrame, key: str) -> pl.Expr:
    """Return which of *records* have *key*, whatever it holds: of a table all or none."""
    if CELLS in records.columns:
        return pl.lit(value=key in records[CELLS].struct.fields)
    return pl.col("line").str.contains(rf'"{pl.escape_regex(key)}"\s*:')


def extract_cells(
    records: pl.DataFrame,
    paths: Mapping[str, Path],
    passed_over: Iterable[Path] = (),
    closed: Collection[str] = (),
) -> pl.DataFrame:
    """Return *records* with a column of text for each of *paths* that leads anywhere, and one for what is elsewhere.

    What is *passed over* and *closed* is as for `extract`.
    """
    passed_over = tuple(passed_over)
    cells = records[CELLS].struct.unnest()
    places = (*paths.values(), *passed_over)
    heads, goes_on = {where[0] for where in places}, {where[0] for where in places if where[1:]}
    ends = {where[0] for where in places if not where[1:]}
    # What should be an object, and is none, is nothing that is known.
    unknown = [name for name in cells.columns if name not in ends and name not in closed and not is_passed_over(name)]
    objects = _objects(cells.select(name for name in cells.columns if name in heads))
    texts = cells.with_columns(cells[name].set(found.is_not_null(), None) for name, found in objects.items())
    tops = [texts[where[0]].alias(name) for name, where in paths.items() if where[0] in texts.columns and not where[1:]]
    inner = {name: found for name, found in objects.items() if name in goes_on}
    deep = {name: where for name, where in paths.items() if where[0] in inner and where[1:]}
    more = _objects(texts.select(unknown), lists=True)
    both = {name: inner[name].zip_with(inner[name].is_not_null(), more[name]) for name in inner.keys() & more.keys()}
    found = _extracted(inner | more | both, deep, passed_over, closed)
    plain = metadata({name: _plain(name) for name in sorted(unknown)})
    left = texts.with_columns(plain.alias(LEFTOVERS)).select(LEFTOVERS)
    if LEFTOVERS in found.columns:
        left = left.select(joined(pl.col(LEFTOVERS), pl.lit(found[LEFTOVERS])))
    return records.hstack([left.to_series(), *tops, *found.drop(LEFTOVERS, strict=False)])


def as_lines(cells: pl.DataFrame) -> pl.Series:
    """Return the records of a table as the JSON lines that they would be, for who reads nothing else."""
    objects = _objects(cells)
    told = cells.select(
        pl.coalesce(*([pl.lit(objects[name])] if name in objects else []), json_text(pl.col(name))).alias(name)
        for name in cells.columns
    )
    return told.select(line="{" + _members(told.columns) + "}").to_series()


def _members(names: Iterable[str]) -> pl.Expr:
    """Return the members of an object: JSON in the columns *names*, where there is any, by their names."""
    members = (pl.lit(f"{json.dumps(name, ensure_ascii=False)}:") + pl.col(name) for name in names)
    return pl.concat_str(members, separator=",", ignore_nulls=True)


def _extracted(
    cells: Mapping[str, pl.Series], paths: dict[str, Path], passed_over: Iterable[Path], closed: Collection[str]
) -> pl.DataFrame:
    """Return what `extract` finds in JSON *cells*, by their keys, in a line for each row; no columns without any."""
    if not cells:
        return pl.DataFrame()
    line = pl.DataFrame(cells).select(line=_members(cells))
    placed = line.with_row_index("source_offset").filter(pl.col("line") != "")
    lines = placed.select(line="{" + pl.col("line") + "}", source_offset=pl.col("source_offset").cast(pl.Int64))
    there = with_keys(paths, keys_in(lines["line"], {key for where in paths.values() for key in where}))
    found, _ = extract(lines.with_columns(source_end="source_offset"), there, passed_over, closed)
    if len(found) < len(line):
        rows = line.select(source_offset=pl.int_range(pl.len(), dtype=pl.Int64))
        found = rows.join(found, on="source_offset", how="left", maintain_order="left")
    return found.drop("line", "source_offset", "source_end")


def _objects(cells: pl.DataFrame, *, lists: bool = False) -> dict[str, pl.Series]:
    """Return for each of the columns *cells* that has JSON objects, or short *lists*, these, and NULL for the rest."""
    begin = cells.select((_IS_OBJECT | _IS_LIST if lists else _IS_OBJECT).any())
    return {name: found for name in begin.columns if begin[name][0] and len(found := _json(cells[name], lists=lists))}


def _json(cells: pl.Series, *, lists: bool) -> pl.Series:
    """Return *cells* with NULL for those that are no JSON; nothing if none is."""
    at = _valid(cells, cells.str.starts_with("{"), pl.Struct({}))
    if lists:
        short = cells.str.starts_with("[") & (cells.str.len_chars() <= LONGEST)
        at = at.append(_valid(cells, short, pl.List(pl.String)))
    nothing = pl.Series(cells.name, [None], dtype=pl.String).new_from_index(0, len(cells))
    return nothing.clear() if at.is_empty() else nothing.scatter(at, cells.gather(at))


def _valid(cells: pl.Series, likely: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return where *cells* that are *likely* JSON are JSON by themselves, whatever stands beside them in a line."""
    at = likely.fill_null(value=False).arg_true()
    lines = cells.gather(at)
    try:
        if len(lines.str.json_decode(dtype)) == len(lines):  # `{},{}` would be two
            return at
    except pl.exceptions.PolarsError:
        pass
    return at.filter(pl.Series([_is_json(line) for line in lines.to_list()], dtype=pl.Boolean))


def _is_json(text: str) -> bool:
    try:
        loads(text)
    except ValueError:
        return False
    return True


def _plain(name: str) -> pl.Expr:
    """Return a cell for `metadata`, unless it is JSON, of which the fields are looked at one by one, or may be."""
    cell = known(pl.col(name))
    return pl.when(~cell.str.starts_with("{") & ~cell.str.starts_with("[")).then(cell)
