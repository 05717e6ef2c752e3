"""The calls, or everything, → files that other tools open: Parquet, CSV, a partitioned folder, a DuckDB file."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from queries.connection.connect import VIEWS, any_left
from queries.errors import QueryError

_DATED = ("counting_rules", "downgrades", "own_limits")
_DIMS = ("sessions", "stories", "failures")
_TABLES = (
    "llm_calls",
    "llm_events",
    "rejects",
    "batches",
    "alerts",
    "all_events",
    "formats_read",
    "models_read",
    "coverage",
    *_DIMS,
    *_DATED,
)
"""What a DuckDB file holds as tables: all that needs the warehouse, the filters or our data. Other views use these."""

_MACROS, _FIRST_OF_THE_OTHERS = "00_format_parts.sql", "10"
"""The scripts that need none of these: what formats say, and all from this one on."""

_FORMULA = r"^[=+\-@\t\r]"


def writer(path: Path) -> Callable[[duckdb.DuckDBPyConnection, Path], None]:
    """Return what writes an export of the kind that the name of *path* says."""
    kinds = {".parquet": _parquet, ".csv": _csv, ".duckdb": _database, "": _folder}
    write = kinds.get("stdout" if path.name == "-" else path.suffix.lower())
    if write is None:
        raise QueryError(f"{path}: export to .parquet, .csv, .duckdb or a folder, or a report with --report")

    def write_whole(connection: duckdb.DuckDBPyConnection, part: Path) -> None:
        try:
            write(connection, part)
        except duckdb.Error as error:
            raise QueryError(f"{path} can't be written: {error}") from error

    return write_whole


def safe(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return *relation* with an apostrophe before every text that a spreadsheet would run as a formula."""
    columns = []
    for name, kind in zip(relation.columns, relation.types, strict=True):
        column = duckdb.ColumnExpression(name)
        if str(kind) == "VARCHAR":
            is_formula = duckdb.FunctionExpression("regexp_matches", column, duckdb.ConstantExpression(_FORMULA))
            quoted = duckdb.FunctionExpression("concat", duckdb.ConstantExpression("'"), column)
            column = duckdb.CaseExpression(is_formula, quoted).otherwise(column).alias(name)
        columns.append(column)
    return relation.select(*columns)


def is_ours(folder: Path) -> bool:
    """Whether *folder* holds nothing but an earlier export, so that it may be replaced."""
    return all(entry.is_dir() and entry.name.startswith("date=") for entry in folder.iterdir())


def _parquet(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.view("llm_calls").write_parquet(str(path), compression="zstd")


def _csv(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    safe(connection.view("llm_calls")).write_csv(str(path))


def _folder(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    path.mkdir()
    calls = connection.view("dated_calls")
    if any_left(connection):
        calls.write_parquet(str(path), partition_by=["date"], compression="zstd")


def _database(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    with duckdb.connect(str(path)) as exported:
        for name in _TABLES:
            exported.from_arrow(connection.view(name).to_arrow_reader()).create(name)
        for script in sorted(VIEWS.iterdir(), key=lambda file: file.name):
            uses_tables = script.name >= _FIRST_OF_THE_OTHERS and script.name.endswith(".sql")
            if uses_tables or script.name == _MACROS:
                exported.execute(script.read_text(encoding="utf-8"))
