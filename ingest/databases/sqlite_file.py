"""A SQLite file, read while others write it: opened read-only, every statement one short transaction.

So writers never wait for us, and the write-ahead log can be truncated.
"""

import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

import polars as pl

from ingest.databases.table_source import as_text, quoted
from ingest.errors import SourceError, reason

_BUSY_SECONDS = 5.0


class SqliteFile:
    """A SQLite file, opened again when another file has taken its name."""

    def __init__(self, path: Path) -> None:
        """Read *path*; it is opened when it is first asked."""
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._inode = (0, 0)

    def ask(self, sql: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Return all rows of one statement, read in one transaction.

        Raises:
            SourceError: The file can't be read, or not now.
        """
        try:
            return self._open().execute(sql, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise SourceError(f"{self.path}: {reason(error)}") from error

    def tables(self) -> dict[str, list[str]]:
        """Return the columns of each table."""
        rows = self.ask(
            "select t.name, c.name from pragma_table_list as t join pragma_table_info(t.name) as c "
            "where t.schema = 'main' and t.type = 'table' and t.name not like 'sqlite_%' order by t.name, c.cid"
        )
        found: dict[str, list[str]] = {}
        for table, column in rows:
            found.setdefault(str(table), []).append(str(column))
        return found

    def declared(self, table: str) -> dict[str, str]:
        """Return the columns of *table* with their declared types."""
        return {
            str(c): str(t) for c, t in self.ask("select name, type from pragma_table_info(?) order by cid", (table,))
        }

    def rows(self, table: str, columns: list[str], *, where: str = "1 = 1", most: int = -1) -> pl.DataFrame:
        """Return the rows of *table* for which *where* holds, *most* of them at most, with *columns* as text."""
        names = ", ".join(f"cast({quoted(c)} as text)" for c in columns)
        return as_text(columns, self.ask(f"select {names} from {quoted(table)} where {where} limit {most:d}"))  # noqa: S608 # quoted names

    def version(self) -> int:
        """Return a number that changes when another connection has written to the file, or another file is there."""
        ((version,),) = self.ask("pragma data_version")
        return hash((self._inode, version))

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        status = self.path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no file")  # to open a named pipe would wait for its writer
        if self._connection is not None and self._inode != (status.st_dev, status.st_ino):
            self.close()
        if self._connection is None:
            self._inode = (status.st_dev, status.st_ino)
            self._connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
            )
            self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        return self._connection
