"""The tables of `columns` as frames of Polars."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import polars as pl

from parsers.columns import ALERTS, ALL_TABLES, BATCHES, CALLS, EVENTS, REJECTS, SESSION, TABLES, Column, is_inside

__all__ = [
    "ALERTS",
    "ALL_TABLES",
    "BATCHES",
    "CALLS",
    "EMPTY",
    "EVENTS",
    "REJECTS",
    "SESSION",
    "TABLES",
    "USD",
    "UTC",
    "Column",
    "conform",
    "is_inside",
    "polars_schema",
    "stacked",
]

UTC = pl.Datetime("us", "UTC")
USD = pl.Decimal(18, 10)

POLARS: dict[str, pl.DataType | type[pl.DataType]] = {
    "varchar": pl.String,
    "bigint": pl.Int64,
    "integer": pl.Int32,
    "double": pl.Float64,
    "boolean": pl.Boolean,
    "blob": pl.Binary,
    "timestamptz": UTC,
    "decimal(18, 10)": USD,
}
"""What Polars calls the types of columns."""


def polars_schema(columns: Sequence[Column]) -> pl.Schema:
    """Return the Polars schema of *columns*."""
    return pl.Schema({column.name: POLARS[column.type] for column in columns})


EMPTY = {name: pl.DataFrame(schema=polars_schema(columns)) for name, columns in ALL_TABLES.items()}
"""Each table without rows."""

_MANY_PIECES = 64


def stacked(frames: Iterable[pl.DataFrame], table: str) -> pl.DataFrame:
    """Return the rows of all *frames* of *table*: of more than a few in one piece, as each piece has its own price."""
    filled = [frame for frame in frames if frame.height]
    return pl.concat(filled, rechunk=len(filled) > _MANY_PIECES) if filled else EMPTY[table]


def conform(frame: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """Return *frame* with exactly *columns*, in order: missing ones as they ordinarily are, others cast, extra dropped.

    Raises:
        polars.exceptions.InvalidOperationError: A value does not fit its column.
    """
    have = frozenset(frame.columns)
    if frame.is_empty() or not have:
        return pl.DataFrame(schema=polars_schema(columns))
    return frame.select(_conforming(tuple(columns), have))


@lru_cache(maxsize=256)
def _conforming(columns: tuple[Column, ...], have: frozenset[str]) -> list[pl.Expr]:
    return [
        pl.col(c.name).cast(kind) if c.name in have else pl.lit(c.ordinary, dtype=kind).alias(c.name)
        for c, kind in zip(columns, polars_schema(columns).values(), strict=True)
    ]
