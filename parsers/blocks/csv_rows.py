"""Rows of a CSV file: where they begin, as a quoted field may hold line ends, and their cells.

A row that is cut short inside quotes, or a stray quote, must not swallow the rows after it: a quoted field that isn't
closed properly (a separator or the row's end follows the quote) within `LONGEST` bytes is not taken for one, and its
line is a row by itself.
"""

import csv
import re

import numpy as np
import polars as pl

from parsers.blocks.lines import MAX_KEPT, Lines, Mask, Positions

LONGEST = MAX_KEPT
"""Longest row over several lines, in bytes: should it be rejected, all its bytes are kept."""

SEPARATORS = (",", ";", "\t")

NULLS = ("", r"\N", "NULL", "null", "NaN", "nan", "None")
"""How exports write that nothing is known."""

_ANY_NULL = "|".join(map(re.escape, (name or '""' for name in NULLS)))
"""What is in any text with such cells, but for those with nothing at all between their separators."""

_QUOTED = r'"(?:[^"]|"")*"'
_BETWEEN = "[,;\t]"
_FIELD = f'(?:{_QUOTED}|[^",;\t]*)'
_OPENS = f'^(?:{_FIELD}{_BETWEEN})*"(?:[^"]|"")*$'
_CLOSES = f'^(?:[^"]|"")*"(?:{_BETWEEN}{_FIELD})*$'
_LINE = pl.col("line")


def _closed(lines: pl.Series) -> pl.Series:
    odd = _odd(lines)
    none = pl.Series(lines.name, [True], dtype=pl.Boolean).new_from_index(0, len(lines))
    return none.scatter(odd.arg_true(), ~lines.filter(odd).str.contains(_OPENS)) if odd.any() else none


def _odd(lines: pl.Series) -> pl.Series:
    """Return which *lines* have an odd number of quotes: others open no field that they don't close."""
    return lines.str.count_matches('"', literal=True) % 2 == 1


CLOSED = _LINE.map_batches(_closed, return_dtype=pl.Boolean, is_elementwise=True)
"""True for a line in whose end no quoted field is open."""


def starts(lines: Lines, at: Positions) -> Mask:
    """Return which of the *lines* at these positions begin a row, given that the first line does."""
    return _all_starts(lines)[at]


def _all_starts(lines: Lines) -> Mask:
    mask: Mask = np.ones(len(lines), np.bool_)
    if b'"' not in lines.data:
        return mask
    frame = lines.frame()
    odd = _odd(frame["line"])
    at = np.flatnonzero(lines.whole)[odd.to_numpy()]
    tests = frame.filter(odd).select(opens=_LINE.str.contains(_OPENS), closes=_LINE.str.contains(_CLOSES))
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


def columns(rows: pl.Series, separator: str, count: int) -> tuple[pl.DataFrame, pl.Series]:
    """Return the cells of those of *rows* that have *count* of them, as columns of text, and which rows these are.

    Cells that are written as one of `NULLS` are NULL.
    """
    quoted = rows.str.contains('"', literal=True)
    fits = rows.str.count_matches(separator, literal=True) == count - 1
    if quoted.any():
        at = quoted.arg_true()
        good = rows.gather(at).str.contains(_well_formed(separator, count))
        fits = fits.scatter(at, good)
        rows, fits = _mended(rows, fits, at.filter(~good), separator, count)
    whole = rows if fits.all() else rows.filter(fits)
    return _read(whole, separator, count), fits


def _well_formed(separator: str, count: int) -> str:
    between = re.escape(separator)
    field = f'(?:{_QUOTED}|[^"\r\n{between}]*)'
    return f"^{field}(?:{between}{field}){{{count - 1}}}$"


def _mended(
    rows: pl.Series, fits: pl.Series, odd: pl.Series, separator: str, count: int
) -> tuple[pl.Series, pl.Series]:
    """Return *rows* with those *odd* ones, whose quotes only Python takes, quoted as they should be; and which fit."""
    read = [cells(row, separator) for row in rows.gather(odd)]
    right = [row is not None and len(row) == count for row in read]
    mended = [
        separator.join(_quoted(cell) for cell in row) for row, yes in zip(read, right, strict=True) if row and yes
    ]
    told = pl.Series(right, dtype=pl.Boolean)
    return rows.scatter(odd.filter(told), mended), fits.scatter(odd, told)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def _read(rows: pl.Series, separator: str, count: int) -> pl.DataFrame:
    """Return the *count* cells of each of *rows*, which are well formed, as columns."""
    names = [str(i) for i in range(count)]
    if rows.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    joined = rows.str.join("\n")
    text = joined.item().encode()
    try:
        table = pl.read_csv(text, has_header=False, separator=separator, infer_schema=False, new_columns=names)
    except pl.exceptions.PolarsError:
        table = pl.DataFrame()
    if table.shape == (len(rows), count):
        table = table.rechunk()  # what is asked of each chunk is asked once
        return without_nulls(table) if joined.str.contains(_ANY_NULL).item() else table
    read = [cells(row, separator) for row in rows]
    return without_nulls(pl.DataFrame(read, schema=dict.fromkeys(names, pl.String), orient="row"))


def without_nulls(table: pl.DataFrame) -> pl.DataFrame:
    """Return *table*, of text, with NULL where a cell is one of `NULLS`."""
    return table.select(pl.when(~pl.all().is_in(NULLS)).then(pl.all()))


def cells(row: str, separator: str) -> list[str] | None:
    """Return the cells of one row; None when its quotes don't close."""
    try:
        return next(csv.reader([row], delimiter=separator, strict=True), [])
    except csv.Error:
        return None
