"""A PostgreSQL database over ADBC: rows come as Arrow while they are read, errors in one line and without secrets."""

import os
from collections.abc import Iterator
from typing import Any

import polars as pl

from ingest.databases.postgres_address import hidden, shown
from ingest.databases.table_source import qualified, quoted
from ingest.errors import SourceError

_TABLES = """
select n.nspname || '.' || c.relname, a.attname, pg_table_is_visible(c.oid)
from pg_class as c
    join pg_namespace as n on n.oid = c.relnamespace
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
order by 1, a.attnum
"""


def literal(text: str) -> str:
    """Return *text* as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class PostgresServer:
    """A PostgreSQL database; connects when it is first asked, and again after a failure."""

    def __init__(self, url: str) -> None:
        """Read the database at *url*, as libpq understands it."""
        self.name = shown(url)
        self._url = url
        self._connection: Any = None

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Return all rows of one statement.

        Raises:
            SourceError: The database can't be reached, or refuses.
        """
        return [row for batch in self.stream(sql) for row in batch.iter_rows()]

    def stream(self, sql: str) -> Iterator[pl.DataFrame]:
        """Yield the rows of one statement as they come; nothing is held in memory but what is yielded.

        Raises:
            SourceError: The database can't be reached, or refuses.
        """
        dbapi = _driver()
        try:
            with self._open().cursor() as cursor:
                cursor.execute(sql)
                for batch in cursor.fetch_record_batch():
                    frame = pl.from_arrow(batch)
                    if isinstance(frame, pl.DataFrame) and frame.height:
                        yield frame
        except dbapi.Error as error:
            self.close()
            raise SourceError(f"{self.name}: {self._reason(error)}") from None  # the cause holds the URL
        except GeneratorExit:
            # The rest of the rows can only be refused by closing the connection.
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Any:
        if self._connection is None:
            os.environ.setdefault("PGCONNECT_TIMEOUT", "10")
            self._connection = _driver().connect(self._url, autocommit=True)
            with self._connection.cursor() as cursor:
                for setting in ("default_transaction_read_only = on", "timezone = 'UTC'", "datestyle = 'ISO'"):
                    cursor.execute(f"set {setting}")
        return self._connection

    def _reason(self, error: Exception) -> str:
        """Return what the server said, in one line, without a secret."""
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        line = next((w for w in lines if "FATAL:" in w or "ERROR:" in w), lines[0] if lines else type(error).__name__)
        text = line.rsplit("FATAL:", 1)[-1].rsplit("ERROR:", 1)[-1].rsplit("Failed to connect:", 1)[-1].strip()
        return hidden(text, self._url)

    def tables(self) -> dict[str, list[str]]:
        """Return the columns of each table, by `schema.table`, or by `table` where that is enough to name it."""
        found: dict[str, list[str]] = {}
        for table, column, visible in self.ask(_TABLES):
            found.setdefault(table.split(".", 1)[1] if visible and table.count(".") == 1 else table, []).append(column)
        return found

    def declared(self, table: str) -> dict[str, str]:
        """Return the columns of *table* with their declared types; none where there is no such table."""
        return dict(
            self.ask(
                "select attname::text, format_type(atttypid, atttypmod) from pg_attribute "  # noqa: S608 # quoted names
                f"where attrelid = to_regclass({literal(qualified(table))}) and attnum > 0 and not attisdropped "
                "order by attnum"
            )
        )

    def rows(self, table: str, columns: list[str], *, where: str = "1 = 1", most: int | None = None) -> pl.DataFrame:
        """Return the rows of *table* for which *where* holds, *most* of them at most, with *columns* as text."""
        names = ", ".join(f"{quoted(c)}::text as {quoted(c)}" for c in columns)
        limit = "" if most is None else f" limit {most:d}"
        parts = list(self.stream(f"select {names} from {qualified(table)} where {where}{limit}"))  # noqa: S608 # quoted names
        return pl.concat(parts) if parts else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))


def _driver() -> Any:
    """Import ADBC's driver, which only those who read PostgreSQL need."""
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise SourceError("reading PostgreSQL needs an extra: pip install 'llm-ingest[postgres]'") from error
    return dbapi
