"""Every format of lines, and every known table of a database: each is declared in its own file of `formats/`.

A file there declares any of `FORMAT` (lines), `HEADER` (columns), `TABLE` and `TABLES` (tables); nothing else lists it.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from parsers import formats
from parsers.blocks.format import Format, Known, Parsed, nothing_of
from parsers.rows.by_header import Header, csv_format


def _declared(*names: str) -> Iterator[Any]:
    """Yield what the files of `formats/` declare under any of *names*, in the order of the files' names."""
    for found in pkgutil.walk_packages(formats.__path__, f"{formats.__name__}."):
        module = importlib.import_module(found.name)
        for name in names:
            value = getattr(module, name, ())
            yield from value if isinstance(value, tuple) else (value,)


KNOWN: tuple[Known, ...] = tuple(sorted(_declared("TABLE", "TABLES"), key=lambda k: -len(k.needs)))
"""All known tables; of two with one name the one that needs more columns is asked first."""


def _of_table(known: Known) -> Header:
    """Return the header of an export of a known table."""
    return Header(known.name, tuple((name,) for name in known.needs), partial(_alone, known), known.reads, rank=1)


def _alone(known: Known, rows: pl.DataFrame) -> Parsed:
    return known.read(rows, {beside.table: nothing_of(beside) for beside in known.beside})


HEADERS: tuple[Header, ...] = tuple(sorted((*_declared("HEADER"), *map(_of_table, KNOWN)), key=lambda h: h.rank))
"""All headers by which columns are known, in the order in which they are asked."""

FORMATS: tuple[Format, ...] = tuple(sorted((*_declared("FORMAT"), csv_format(HEADERS)), key=lambda f: f.rank))
"""All formats, in the order in which a line is offered to them."""

_BY_NAME = {format_.name: format_ for format_ in FORMATS}


def named(names: Iterable[str]) -> tuple[Format, ...]:
    """Return the formats of *names*, in the order in which a line is offered to them.

    A format is code: between processes its name travels, and whoever gets the name looks it up here.

    Raises:
        KeyError: There is no format of such a name.
    """
    wanted = {_BY_NAME[name].name for name in names}
    return tuple(format_ for format_ in FORMATS if format_.name in wanted)


def recognise(tables: Mapping[str, Sequence[str]]) -> dict[str, Known]:
    """Return which of *tables* (their columns by name) are known ones, by their names and columns."""
    return {
        table: known
        for table, columns in tables.items()
        if (known := next((k for k in _called(table) if set(k.needs) <= set(columns)), None))
    }


def by_columns(columns: Iterable[str]) -> Known | None:
    """Return the known table that has such *columns*, whatever it is called."""
    have = set(columns)
    return next((k for k in KNOWN if set(k.needs) <= have), None)


def lacking(table: str, columns: Iterable[str]) -> tuple[Known, list[str]] | None:
    """Return what *table* may be by its name, and the columns that it lacks for that; None when no name fits."""
    have = set(columns)
    missing = [(known, [c for c in known.needs if c not in have]) for known in _called(table)]
    return min(missing, key=lambda found: len(found[1]), default=None)


def _called(table: str) -> list[Known]:
    name = table.rsplit(".", 1)[-1].lower()
    return [k for k in KNOWN if name in {t.lower() for t in k.tables}]
