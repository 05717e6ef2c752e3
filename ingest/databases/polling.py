"""Databases among the paths: which tables of them are read, and when they are looked at again."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.databases.detect import SCHEMES, SUFFIXES, is_sqlite, shown, split
from ingest.databases.postgres_server import PostgresServer
from ingest.databases.postgres_table import PostgresTable
from ingest.databases.sqlite_file import SqliteFile
from ingest.databases.sqlite_table import SqliteTable
from ingest.databases.table_source import TableSource, read
from ingest.errors import SourceError
from ingest.files.paths import below, expand
from ingest.reading.publisher import Publisher
from parsers.blocks.format import Known
from parsers.catalogue import KNOWN, by_columns, lacking, recognise

log = logging.getLogger(__name__)

SHARE = 10
"""After a look, a table is left alone for this many times as long as the look took."""

_LONGEST_PAUSE = 60.0

Database = SqliteFile | PostgresServer


def sorted_out(paths: Sequence[str], wanted: Sequence[str]) -> tuple[list[str], list[str], int]:
    """Return the databases among *paths* and in their folders, the other paths, and how many databases are left out.

    In folders, only SQLite files that hold known tables, or all *wanted* ones, count: an application has many databases
    that are nobody's business here. A folder that holds nothing else is no other path.
    """
    databases, others = split(paths)
    skipped = 0
    for text in list(others):
        found = [path for path in below(Path(text), SUFFIXES) if is_sqlite(path)]
        known = [str(path) for path in found if _holds_known(path, wanted)]
        skipped += len(found) - len(known)
        databases += known
        if known and not expand([text], families=False):
            others.remove(text)
    return databases, others, skipped


def _holds_known(path: Path, wanted: Sequence[str]) -> bool:
    file = SqliteFile(path)
    try:
        tables = file.tables()
    except SourceError as error:
        log.debug("%s", error)
        return False
    finally:
        file.close()
    return set(wanted) <= set(tables) if wanted else bool(recognise(tables))


def open_database(text: str) -> Database:
    """Return the database that *text*, a path or URL, names; nothing is read yet."""
    return PostgresServer(text) if text.startswith(SCHEMES) else SqliteFile(Path(text))


def known_tables(database: Database, wanted: Sequence[str]) -> list[TableSource]:
    """Return the known tables of *database*, or the *wanted* ones.

    Raises:
        SourceError: It can't be read, or they aren't there, or aren't known.
    """
    name = database.name if isinstance(database, PostgresServer) else str(database.path)
    tables = database.tables()
    chosen = {table: _known(name, table, tables) for table in wanted} if wanted else recognise(tables)
    if not chosen:
        for table, columns in tables.items():
            if lack := lacking(table, columns):
                raise SourceError(_lacks(name, table, *lack))
        known = ", ".join(sorted({t for k in KNOWN for t in k.tables}))
        raise SourceError(f"{name}: no table that ingest knows among {', '.join(tables) or 'none'}; it knows {known}")
    if isinstance(database, PostgresServer):
        return [PostgresTable(database, table, known, tables[table]) for table, known in chosen.items()]
    return [SqliteTable(database, table, known, tables[table]) for table, known in chosen.items()]


def _known(name: str, table: str, tables: dict[str, list[str]]) -> Known:
    """Return what *table*, which the user named, is: by its name and columns, else by its columns alone."""
    if table not in tables:
        raise SourceError(f"{name}: no table {table}; there are {', '.join(tables) or 'none'}")
    if known := recognise({table: tables[table]}).get(table) or by_columns(tables[table]):
        return known
    if lack := lacking(table, tables[table]):
        raise SourceError(_lacks(name, table, *lack))
    systems = ", ".join(k.name for k in KNOWN)
    raise SourceError(f"{name}#{table}: its columns are those of no table that ingest knows; it knows {systems}")


def _lacks(name: str, table: str, known: Known, columns: list[str]) -> str:
    return f"{name}#{table}: looks like {known.name}, but lacks {', '.join(columns)}"


def _named(text: str) -> list[str]:
    """Return the databases that *text* names now; a file may not be there yet."""
    return [text] if text.startswith(SCHEMES) else [str(path) for path in expand([text], families=False)]


@dataclass
class _Polled:
    """One database that is followed."""

    database: Database
    tables: list[TableSource] = field(default_factory=list)
    due: float = 0.0
    pause: float = 0.5
    complaint: str = ""


@dataclass
class Polling:
    """The databases that *places* (paths, globs, URLs) name, whose tables are read again and again."""

    places: Sequence[str]
    publisher: Publisher
    wanted: Sequence[str] = ()
    clock: Callable[[], float] = time.monotonic
    _polled: dict[str, _Polled] = field(default_factory=dict)
    _missing: set[str] = field(default_factory=set)

    def look(self) -> int:
        """Commit what is new in the databases that are due; return how many rows. One that fails is tried again later.

        Raises:
            WarehouseError: The warehouse can't be written now.
        """
        for text in self.places:
            names = _named(text)
            if not names and text not in self._missing:
                self._missing.add(text)
                log.info("%s isn't there yet; waiting for it", text)
            for name in names:
                self._polled.setdefault(name, _Polled(open_database(name)))
        return sum(self._look(name, polled) for name, polled in self._polled.items() if polled.due <= self.clock())

    def close(self) -> None:
        """Close all databases."""
        for polled in self._polled.values():
            polled.database.close()

    @property
    def count(self) -> int:
        """How many tables are read."""
        return sum(len(p.tables) for p in self._polled.values())

    def _look(self, name: str, polled: _Polled) -> int:
        began, rows = self.clock(), 0
        try:
            polled.tables = polled.tables or known_tables(polled.database, self.wanted)
            for table in polled.tables:
                if table.changed():
                    rows += read(table, self.publisher)
        except SourceError as error:
            if str(error) != polled.complaint:
                log.warning("%s; trying again", error)
            polled.complaint, polled.tables = str(error), []
            polled.pause = min(polled.pause * 2, _LONGEST_PAUSE)
            polled.due = self.clock() + polled.pause
            return rows
        if polled.complaint:
            log.info("%s can be read again", shown(name))
        polled.complaint, polled.pause = "", 0.5
        polled.due = self.clock() + SHARE * (self.clock() - began)
        return rows


def backfill_tables(places: Sequence[str], wanted: Sequence[str], publisher: Publisher) -> tuple[int, list[str]]:
    """Commit what is new in the databases that *places* name; return how many tables, and what failed, one line each.

    Raises:
        WarehouseError: The warehouse can't be written.
    """
    count, failed = 0, []
    for text in places:
        names = _named(text)
        if not names:
            failed.append(f"no such database: {text}")
        for name in names:
            database = open_database(name)
            try:
                for table in known_tables(database, wanted):
                    count += 1
                    read(table, publisher)
            except SourceError as error:
                failed.append(str(error))
            finally:
                database.close()
    return count, failed
