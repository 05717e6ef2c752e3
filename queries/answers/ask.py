"""A user's own SQL: one statement that only reads, on a connection that can reach nothing but its snapshot."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb

from parsers.values.messages import nearest
from queries.answers.answer_rows import fetched
from queries.answers.reports import Answer, Report
from queries.connection.connect import lock
from queries.errors import QueryError, WordError

_EXPLAIN = re.compile(r"\s*explain(\s+analyze)?\s+(?=\w)", re.IGNORECASE)
_TABLE = re.compile(r"[A-Za-z_]\w{0,62}")
_ATTACH = "; a file is read as a table where the command names it: ingest sql --attach NAME=FILE"
_READS = "only reading is allowed here: select, from, with, values, describe, show, summarize, explain"


def ask(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, str], *, origin: str = "") -> Answer:
    """Answer one statement that reads, with *parameters* bound to its `$names`; *origin* is the file that it came from.

    The connection is locked first and stays so: no files but the snapshot's, no extensions, no settings.
    """
    where = f"{origin}: " if origin else ""
    try:
        statement = _reading(sql)
        lock(connection)
        bound = _bound(statement.named_parameters, parameters)
        found = fetched(connection, sql, bound or None)
    except duckdb.PermissionException as error:
        raise QueryError(f"{where}{error}{_ATTACH}") from error
    except (duckdb.Error, ValueError) as error:
        raise QueryError(f"{where}{error}") from error

    # A comment may say how to draw the rows, as in a report.
    return Answer("sql", origin or "SQL", dict(parameters), found, chart=Report("sql", sql).chart)


def attach(connection: duckdb.DuckDBPyConnection, name: str, file: str | Path) -> None:
    """Let statements read *file* as the table *name*, and no other file: its rows are in memory before all is locked.

    Raises:
        QueryError: It can't be read.
        WordError: The name is none for a table, or one that there is; or the file is of a kind that isn't read.
    """
    path = Path(file)
    readers: dict[str, Callable[[str], duckdb.DuckDBPyRelation]] = {
        ".csv": connection.read_csv,
        ".tsv": connection.read_csv,
        ".parquet": connection.read_parquet,
        **dict.fromkeys((".json", ".jsonl", ".ndjson"), connection.read_json),
    }
    read = readers.get(path.suffix.lower())
    if not _TABLE.fullmatch(name):
        raise WordError(f"--attach takes NAME=FILE, with letters, digits and _ as a name, not {name!r}")
    if read is None:
        raise WordError(f"{file}: attach CSV, TSV, Parquet or JSON lines")
    taken = {table for (table,) in connection.execute("select table_name from information_schema.tables").fetchall()}
    if name.lower() in taken:
        raise WordError(f"there is a table {name} already: attach {file} under another name")
    if not path.is_file():
        raise QueryError(f"{file} is no file; check the path")
    try:
        read(str(path)).create(name)
    except duckdb.Error as error:
        raise QueryError(f"{file} can't be read: {str(error).splitlines()[0]}") from error


def _reading(sql: str) -> duckdb.Statement:
    """Return the one statement of *sql*, which may only read."""
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"one statement at a time, not {len(statements)}")
    (statement,) = statements
    if statement.type == duckdb.StatementType.EXPLAIN:
        # `explain analyze` runs what it explains, so that has to be a query as well.
        (explained,) = duckdb.extract_statements(_EXPLAIN.sub("", statement.query, count=1)) or (statement,)
        readable = explained.type == duckdb.StatementType.SELECT
    else:
        readable = statement.type == duckdb.StatementType.SELECT
    if not readable:
        raise QueryError(_READS)
    return statement


def _bound(wanted: set[str], given: Mapping[str, str]) -> dict[str, str]:
    for name in given:
        if name not in wanted:
            raise WordError(f"the statement has no ${name}{nearest(name, wanted)}")
    if missing := sorted(wanted - set(given)):
        raise WordError(f"${missing[0]} has no value; give it with -p {missing[0]}=…")
    return dict(given)
