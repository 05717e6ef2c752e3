"""The rows of an answer: few as plain values, many as a frame of Polars, whose import takes as long as a small report.

Whoever asks for a frame gets one, and whoever asks for values gets them.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
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


class Rows:
    """Columns of equal length, and what DuckDB calls their types; `OTHER` for what isn't a plain value."""

    def __init__(
        self,
        kinds: Mapping[str, str],
        columns: Mapping[str, Sequence[Any]],
        *,
        tz: str = "UTC",
        frame: "pl.DataFrame | None" = None,
    ) -> None:
        """Hold *columns*, whose times are in the zone *tz*, or else those of *frame*."""
        self.kinds = dict(kinds)
        self._columns = columns
        self._tz = tz
        self._frame = frame

    @classmethod
    def of(cls, frame: "pl.DataFrame") -> "Rows":
        """Return the rows of *frame*."""
        return cls({name: _kind_of(kind) for name, kind in frame.schema.items()}, {}, frame=frame)

    @classmethod
    def of_texts(cls, names: Sequence[str], rows: Sequence[Sequence[str]]) -> "Rows":
        """Return *rows* of texts as columns called *names*."""
        return cls(dict.fromkeys(names, "VARCHAR"), dict(zip(names, zip(*rows, strict=True), strict=True)))

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return list(self.kinds)

    @property
    def height(self) -> int:
        """How many rows there are."""
        if self._frame is not None:
            return self._frame.height
        return len(next(iter(self._columns.values()), ()))

    @property
    def frame(self) -> "pl.DataFrame":
        """The rows as a frame."""
        if self._frame is None:
            self._frame = _frame(self.kinds, self._columns, self._tz)
        return self._frame

    def column(self, name: str) -> Sequence[Any]:
        """Return the values of the column called *name*."""
        return self._columns[name] if name in self._columns else self.frame[name].to_list()

    def has_values(self, name: str) -> bool:
        """Tell whether any row has a value in the column called *name*."""
        return any(value is not None for value in self.column(name))

    def only(self, names: Sequence[str]) -> "Rows":
        """Return the columns called *names*, in this order."""
        if not self._columns:
            return Rows.of(self.frame.select(names))
        return self._with({name: self._columns[name] for name in names})

    def head(self, count: int) -> "Rows":
        """Return the first *count* rows."""
        if not self._columns:
            return Rows.of(self.frame.head(count))
        return self._with({name: values[:count] for name, values in self._columns.items()})

    def renamed(self, names: Mapping[str, str]) -> "Rows":
        """Return the rows with other *names* for some of the texts in them."""
        columns = {name: self.column(name) for name in self.kinds}
        for name in (name for name, kind in self.kinds.items() if kind == "VARCHAR"):
            columns[name] = [names.get(value, value) for value in columns[name]]
        return self._with(columns)

    def _with(self, columns: Mapping[str, Sequence[Any]]) -> "Rows":
        return Rows({name: self.kinds[name] for name in columns}, columns, tz=self._tz)


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
    few = Rows(kinds, dict(zip(kinds, columns, strict=True)), tz=tz)
    return few if len(rows) < _FEW else _with_the_rest(few, asked)


def _by_polars(connection: duckdb.DuckDBPyConnection, sql: str, bound: Mapping[str, Any] | None) -> Rows:
    from queries.connection.frames import frame

    return Rows.of(frame(connection.sql(sql, params=bound)))


def _with_the_rest(few: Rows, asked: duckdb.DuckDBPyConnection) -> Rows:
    """Return the rows of *few* and those that *asked* still has to give."""
    import polars as pl

    with warnings.catch_warnings():
        # That it copies what it hands over; to ask again would take longer.
        warnings.simplefilter("ignore", UserWarning)
        rest = asked.to_arrow_reader()
    return Rows.of(pl.concat([few.frame, *map(pl.DataFrame, rest or ())]))


def _is_plain(kind: str) -> bool:
    return kind in _PLAIN or is_moment(kind) or is_number(kind)


def _frame(kinds: Mapping[str, str], columns: Mapping[str, Sequence[Any]], tz: str) -> "pl.DataFrame":
    import polars as pl

    def kind_of(kind: str) -> "pl.DataType | type[pl.DataType]":
        if is_moment(kind):
            return pl.Datetime("us", tz if kind.endswith("ZONE") else None)
        if decimal := _DECIMAL.fullmatch(_EXACT.get(kind, kind)):
            return pl.Decimal(int(decimal[1]), int(decimal[2]))
        found: type[pl.DataType] = getattr(pl, _PLAIN[kind])
        return found

    return pl.DataFrame({name: pl.Series(columns[name], dtype=kind_of(kind)) for name, kind in kinds.items()})


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
