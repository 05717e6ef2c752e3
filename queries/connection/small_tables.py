"""Tables of DuckDB made of plain values: those of the warehouse that are empty, and dated facts.

Not by way of Polars, whose import takes as long as a small report.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import duckdb

from parsers.columns import Column

Types = Mapping[str, str]
"""Columns, and what SQL calls their types."""


def types_of(columns: Iterable[Column]) -> Types:
    """Return the types of *columns*."""
    return {column.name: column.type for column in columns}


def create(
    connection: duckdb.DuckDBPyConnection, name: str, types: Types, rows: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Create the table *name* in *connection*, with columns of these *types*, and put *rows* in."""
    connection.execute(f"create table {name} ({_listed(types)})")
    if rows:
        # In one statement: each takes longer than all rows.
        given = [{column: row[column] for column in types} for row in rows]
        values = f"select unnest($rows::struct({_listed(types)})[], max_depth := 2)"
        connection.execute(f"insert into {name} {values}", {"rows": given})


def nulls(columns: Iterable[Column]) -> Iterable[str]:
    """Return *columns* as a query says them that has no values for them."""
    return (f"null::{column.type} as {column.name}" for column in columns)


def _listed(types: Types) -> str:
    return ", ".join(f'"{column}" {kind}' for column, kind in types.items())
