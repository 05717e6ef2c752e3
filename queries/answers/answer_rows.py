"""The rows of an answer: few as plain values, many as a frame of Polars, whose import takes as long as a small report.

Whoever asks for a frame gets one, and whoever asks for values gets them.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb

from queries.connection.connect import zone

if TYPE_CHECKING:
    import polars as pl

_FEW = 5_000
"""Of so many rows, values are made about as fast as a frame is imported."""

_WHOLE = {"TINYINT": "Int8", "SMALLINT": "Int16", "INTEGER": "Int32", "BIGINT": "Int64", "UBIGINT": "UInt64"}
_PLAIN = {**_WHOLE, "DOUBLE": "Float64", "VARCHAR": "String", "BOOLEAN": "Boolean", "DATE": "Date", '"NULL"': "Null"}
"""DuckDB's types whose values are the same in Python as in Polars, and what they are called there."""

_OF_POLARS = {theirs: ours for ours, theirs in _PLAIN.items()} | {"Time": "TIME"}
_EXACT = {"HUGEINT": "DECIMAL(38,0)"}
"""What a frame holds as a decimal."""

_MOMENTS = ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_OTHER = "OTHER"


@dataclass(frozen=True)
class Few:
    """Columns of plain values, what DuckDB calls their types, and the zone of their times."""

    kinds: Mapping[str, str]
    columns: Mapping[str, Sequence[Any]]
    tz: str = "UTC"

    @property
    def height(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values()), ()))

    @cached_property
    def frame(self) -> "pl.DataFrame":
        """The rows as a frame of Polars."""
        import polars as pl

        series = {name: pl.Series(self.columns[name], dtype=_dtype(kind, self.tz)) for name, kind in self.kinds.items()}
        return pl.DataFrame(series)

    def column(self, name: str) -> Sequence[Any]:
        """Return the values of the column called *name*."""
        return self.columns[name]

    def has_values(self, name: str) -> bool:
        """Tell whether any row has a value in the column called *name*."""
        return any(value is not None for value in self.columns[name])

    def only(self, names: Sequence[str]) -> "Few":
        """Return the columns called *names*, in this order."""
        return Few({name: self.kinds[name] for name in names}, {name: self.columns[name] for name in names}, self.tz)

    def head(self, count: int) -> "Few":
        """Return the first *count* rows."""
        return Few(self.kinds, {name: values[:count] for name, values in self.columns.items()}, self.tz)

    def renamed(self, names: Mapping[str, str]) -> "Few":
        """Return the rows with other *names* for some of the texts in them."""
        renamed = {name: [names.get(value, value) for value in self.columns[name]] for name in _texts(self.kinds)}
        return Few(self.kinds, {**self.columns, **renamed}, self.tz)


@dataclass(frozen=True)
class Many:
    """The same of a frame."""

    frame: "pl.DataFrame"

    @cached_property
    def kinds(self) -> Mapping[str, str]:
        """The columns, and what DuckDB calls their types; `OTHER` for what isn't a plain value."""
        return {name: _kind_of(dtype) for name, dtype in self.frame.schema.items()}

    @property
    def height(self) -> int:
        """How many rows there are."""
        return self.frame.height

    def column(self, name: str) -> Sequence[Any]:
        """Return the values of the column called *name*."""
        return self.frame[name].to_list()

    def has_values(self, name: str) -> bool:
        """Tell whether any row has a value in the column called *name*."""
        return self.frame[name].null_count() < self.height

    def only(self, names: Sequence[str]) -> "Many":
        """Return the columns called *names*, in this order."""
        return Many(self.frame.select(names))

    def head(self, count: int) -> "Many":
        """Return the first *count* rows."""
        return Many(self.frame.head(count))

    def renamed(self, names: Mapping[str, str]) -> "Many":
        """Return the rows with other *names* for some of the texts in them."""
        return Many(self.frame.with_columns(self.frame[name].replace(dict(names)) for name in _texts(self.kinds)))


Rows = Few | Many
"""Both answer the same questions; only `frame` and `column` cost what the other kind has at hand."""


def of_texts(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Few:
    """Return *rows* of texts as columns called *names*."""
    return Few(dict.fromkeys(names, "VARCHAR"), dict(zip(names, zip(*rows, strict=True), strict=True)))


def is_number(kind: str) -> bool:
    """Tell whether values of *kind* are numbers."""
    return is_whole(kind) or kind == "DOUBLE" or _DECIMAL.fullmatch(kind) is not None


def is_whole(kind: str) -> bool:
    """Tell whether values of *kind* are whole numbers."""
    return kind in _WHOLE or kind == "HUGEINT"


def is_time(kind: str) -> bool:
    """Tell whether values of *kind* are dates or times."""
    return is_moment(kind) or kind in {"DATE", "TIME"}


def is_moment(kind: str) -> bool:
    """Tell whether values of *kind* are times with a clock."""
    return kind in _MOMENTS


def fetched(connection: duckdb.DuckDBPyConnection, sql: str, bound: Mapping[str, Any] | None) -> Rows:
    """Answer the one statement *sql* with the values *bound* to its parameters.

    Raises:
        duckdb.Error: It can't be answered.
    """
    tz = zone(connection)
    asked = connection.execute(sql, bound)
    kinds = {name: str(kind) for name, kind, *_ in asked.description}
    if len(kinds) < len(asked.description) or not all(map(_is_plain, kinds.values())):
        connection.abort()
        return _by_polars(connection, sql, bound)
    rows = asked.fetchmany(_FEW)
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    few = Few(kinds, dict(zip(kinds, columns, strict=True)), tz)
    return few if len(rows) < _FEW else _with_the_rest(few, asked)


def _by_polars(connection: duckdb.DuckDBPyConnection, sql: str, bound: Mapping[str, Any] | None) -> Many:
    from queries.connection.frames import frame

    return Many(frame(connection.sql(sql, params=bound)))


def _with_the_rest(few: Few, asked: duckdb.DuckDBPyConnection) -> Many:
    """Return the rows of *few* and those that *asked* still has to give."""
    import polars as pl

    with warnings.catch_warnings():
        # That it copies what it hands over; to ask again would take longer.
        warnings.simplefilter("ignore", UserWarning)
        rest = asked.to_arrow_reader()
    return Many(pl.concat([few.frame, *map(pl.DataFrame, rest or ())]))


def _is_plain(kind: str) -> bool:
    return kind in _PLAIN or is_moment(kind) or is_number(kind)


def _texts(kinds: Mapping[str, str]) -> list[str]:
    return [name for name, kind in kinds.items() if kind == "VARCHAR"]


def _dtype(kind: str, tz: str) -> "pl.DataType | type[pl.DataType]":
    """Return what Polars calls the plain type *kind* of DuckDB, its times in the zone *tz*."""
    import polars as pl

    if is_moment(kind):
        return pl.Datetime("us", tz if kind.endswith("ZONE") else None)
    if decimal := _DECIMAL.fullmatch(_EXACT.get(kind, kind)):
        return pl.Decimal(int(decimal[1]), int(decimal[2]))
    found: type[pl.DataType] = getattr(pl, _PLAIN[kind])
    return found


def _kind_of(kind: "pl.DataType") -> str:
    """Return what DuckDB calls the Polars type *kind*."""
    import polars as pl

    if isinstance(kind, pl.Datetime):
        return _MOMENTS[kind.time_zone is not None]
    if isinstance(kind, pl.Decimal):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if kind.is_integer():
        return "BIGINT"
    return "DOUBLE" if kind.is_float() else _OF_POLARS.get(str(kind), _OTHER)
