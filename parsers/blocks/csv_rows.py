"""Rows of a CSV file: where they begin, as a quoted field may hold line ends, and their cells.

A row that is cut short inside quotes, or a stray quote, must not swallow the rows after it: a quoted field that isn't
closed properly (a separator or the row's end follows the quote) within `LONGEST` bytes is not taken for one, and its
line is a row by itself.
"""

import csv
import re

import numpy as np
import polars as pl

from parsers.blocks.lines import MAX_KEPT, Lines, Mask

LONGEST = MAX_KEPT
"""Longest row over several lines, in bytes: should it be rejected, all its bytes are kept."""

SEPARATORS = (",", ";", "\t")

_QUOTED = r'"(?:[^"]|"")*"'
_BETWEEN = "[,;\t]"
_FIELD = f'(?:{_QUOTED}|[^",;\t]*)'
_OPENS = f'^(?:{_FIELD}{_BETWEEN})*"(?:[^"]|"")*$'
_CLOSES = f'^(?:[^"]|"")*"(?:{_BETWEEN}{_FIELD})*$'
_LINE = pl.col("line")
_FIELDS = pl.List(pl.String)

CLOSED = ~_LINE.str.contains(_OPENS)
"""True for a line in whose end no quoted field is open."""


def starts(lines: Lines) -> Mask:
    """Return which lines begin a row, given that the first does."""
    mask: Mask = np.ones(len(lines), np.bool_)
    if b'"' not in lines.data:
        return mask
    at = np.flatnonzero(lines.whole)
    tests = lines.frame().select(opens=_LINE.str.contains(_OPENS), closes=_LINE.str.contains(_CLOSES))
    closers = at[tests["closes"].to_numpy()]
    end = int(lines.source_ends[-1]) if len(lines) else 0
    after = 0
    for opener in at[tests["opens"].to_numpy()].tolist():  # rows over several lines are few
        if opener < after:
            continue
        begin, i = int(lines.offsets[opener]), int(np.searchsorted(closers, opener, side="right"))
        if i < len(closers) and int(lines.source_ends[closers[i]]) - begin <= LONGEST:
            after = int(closers[i]) + 1
            mask[opener + 1 : after] = False
        elif not lines.sealed and end - begin <= LONGEST:
            mask[opener + 1 :] = False  # its end may still be to come
            break
    return mask


def cells(rows: pl.Series, separator: str, count: int) -> pl.Series:
    """Return the cells of *rows*, each a list; NULL where quotes don't close. Most have *count* of them."""
    quoted = rows.str.contains('"', literal=True)
    plain = rows.filter(~quoted).str.split(separator)
    if not quoted.any():
        return plain.rename("fields")
    others = rows.filter(quoted)
    good = others.str.contains(_well_formed(separator, count))
    read = _read(others.filter(good), separator, count)
    at = quoted.arg_true()
    parts = [(~quoted).arg_true(), at.filter(good), at.filter(~good)]
    one_by_one = pl.Series([_cells(row, separator) for row in others.filter(~good)], dtype=_FIELDS)
    placed = pl.DataFrame({"at": pl.concat(parts), "fields": pl.concat([plain.cast(_FIELDS), read, one_by_one])})
    return placed.sort("at")["fields"]


def _well_formed(separator: str, count: int) -> str:
    between = re.escape(separator)
    field = f'(?:{_QUOTED}|[^"\r\n{between}]*)'
    return f"^{field}(?:{between}{field}){{{count - 1}}}$"


def _read(rows: pl.Series, separator: str, count: int) -> pl.Series:
    """Return the cells of *rows* that are well formed."""
    if rows.is_empty():
        return pl.Series([], dtype=_FIELDS)
    try:
        table = pl.read_csv(
            rows.str.join("\n").item().encode(), has_header=False, separator=separator, infer_schema=False
        )
    except pl.exceptions.PolarsError:
        table = pl.DataFrame()
    if table.shape != (len(rows), count):
        return pl.Series([_cells(row, separator) for row in rows], dtype=_FIELDS)
    return table.select(pl.concat_list(pl.all())).to_series()


def _cells(row: str, separator: str) -> list[str] | None:
    """Return the cells of one row; None when its quotes don't close."""
    try:
        return next(csv.reader([row], delimiter=separator, strict=True), [])
    except csv.Error:
        return None
