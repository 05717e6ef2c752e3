"""Between DuckDB and Polars by Arrow's C stream: both libraries' own ways import pyarrow and numpy, 0.15 s."""

from typing import Literal, Protocol

import duckdb
import polars as pl

_FROM_STREAM = "got external error: "
"""What Polars puts before an error that DuckDB raised while rows were fetched."""


def frame(
    relation: duckdb.DuckDBPyRelation | pl.DataFrame, *, money: Literal["decimal", "float"] = "decimal"
) -> pl.DataFrame:
    """Run *relation* and return its rows; intervals as text, and a second column `a` as `a_1`: Polars has neither.

        >>> import queries
        >>> connection = queries.connect("warehouse", tz="UTC")
        >>> spent = connection.sql("select sum(cost_usd) as cost_usd from llm_calls")
        >>> queries.frame(spent).item(), queries.frame(spent, money="float").item()
        (Decimal('92.4528260000'), 92.452826)

    Args:
        relation: what `connection.sql` returns, or the frame of an answer.
        money: `decimal` is exact to the tenth of a nanodollar; `float` is what plots and most arithmetic want.

    Raises:
        duckdb.Error: It can't be run.
    """
    found = relation if isinstance(relation, pl.DataFrame) else _rows(relation)
    if money == "decimal":
        return found
    return found.with_columns(pl.col(name).cast(pl.Float64) for name, kind in found.schema.items() if kind.is_decimal())


def _rows(relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    names, kinds = relation.columns, [str(kind) for kind in relation.types]
    if len(set(names)) < len(names) or any("INTERVAL" in kind for kind in kinds):
        columns = [
            f'#{number}{"::varchar" * ("INTERVAL" in kind)} as "{name.replace(chr(34), chr(34) * 2)}"'
            for number, (name, kind) in enumerate(zip(_distinct(names), kinds, strict=True), 1)
        ]
        relation = relation.project(", ".join(columns))
    try:
        return pl.DataFrame(Stream(relation))
    except pl.exceptions.ComputeError as error:
        raise duckdb.Error(str(error).removeprefix(_FROM_STREAM)) from error


def create(connection: duckdb.DuckDBPyConnection, name: str, rows: pl.DataFrame) -> None:
    """Create the table *name* of *rows* in *connection*."""
    connection.from_arrow(Stream(rows)).create(name)


def _distinct(names: list[str]) -> list[str]:
    """Return *names* made distinct: one that was there before gets a number behind it."""
    found: list[str] = []
    for name in names:
        number, free = 0, name
        while free in found or (number and free in names):
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return found


class Streaming(Protocol):
    """What hands its rows over that way: a frame of Polars, a relation of DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule with the stream."""


class Stream:
    """The rows of *source*, whose class stays unknown to who takes them.

    DuckDB would send a frame of Polars through pyarrow. Polars remembers each class that it is given, and with it the
    module of that class, to the end of the process: DuckDB's, which complains on leaving that it is still in use.
    """

    def __init__(self, source: Streaming) -> None:
        """Wrap *source*."""
        self._source = source

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule with the stream."""
        return self._source.__arrow_c_stream__(requested_schema)
