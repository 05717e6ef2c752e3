"""Tables of PostgreSQL, read over ADBC while applications write them.

Rows do not appear in the order of their keys or times: a transaction may take long, and its rows, with their small
numbers, appear after larger ones were read. So a table is read by the transaction that wrote each row version (the
system column `xmin`), and only up to the oldest transaction that is still running: whatever is older is either there or
will never be. The promise: **each committed row version is read exactly once, however long its transaction took**, with
any kind of key, and a row that is changed in place is read again (with the same `dedupe_key`, so it counts once). The
price: a look scans the table, and a transaction that stays open, in any database of the server, holds back what was
written since it began.

The position is the number of the transaction times 2^20, plus 20 bits of a hash of the row's key, so that the rows of
one large transaction can be committed in several batches, at places that stay the same.

A table is known by the server's `system_identifier`, its database, schema and name, so a replica is the same source.
"""

from collections.abc import Iterator

import polars as pl
import xxhash

from ingest.databases.postgres_server import PostgresServer, literal
from ingest.databases.table_source import CHUNK, PLACED, Chunk, Place, qualified, quoted
from ingest.errors import SourceError
from ingest.ledger import Ledger
from parsers.blocks.format import Beside, Known

_BITS = 20


class PostgresTable:
    """One known table of a PostgreSQL database."""

    folder = ""

    def __init__(self, server: PostgresServer, table: str, known: Known, columns: list[str]) -> None:
        """Read *table*, which has *columns*, of *server* as *known*."""
        self.label = f"{server.name}#{table}"
        self.known = known
        self._server = server
        self._name = table
        self._table = qualified(table)
        self._reads = [c for c in known.reads if c in columns]
        self._times = [c for c in known.times if c in columns]
        self._identity = ""

    def changed(self) -> bool:
        """Tell that only a look can say."""
        return True

    def related(self, beside: Beside, keys: list[str]) -> pl.DataFrame:
        """Return the rows of the other table, in the schema of this one, that have one of *keys*."""
        if beside.database:
            return pl.DataFrame()  # a file beside a file
        table = ".".join([*self._name.split(".", 1)[:-1], beside.table])
        there = self._server.declared(table)
        if beside.key not in there:
            return pl.DataFrame()
        wanted = ", ".join(literal(key) for key in keys)
        columns = [c for c in beside.reads if c in there]
        # Bare literals take the type of the key, so that its index serves.
        return self._server.rows(table, columns, where=f"{beside.where} and {quoted(beside.key)} in ({wanted})")

    def locate(self, ledger: Ledger) -> Place:
        """Find the source by its server; a server that was set back to an earlier time is read from the beginning."""
        if not self._identity:
            self._identity = xxhash.xxh3_128_hexdigest("\n".join(("postgresql", *self._names())).encode())
        ((now,),) = self._server.ask("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        source_id, generation = self._identity, 0
        while (position := ledger.position(source_id)) and position.offset >> _BITS > now:
            generation += 1
            source_id = f"{self._identity}.{generation}"
        return Place(source_id, position, self._identity)

    def chunks(self, place: Place, ledger: Ledger) -> Iterator[Chunk]:
        """Yield the rows written since *place* by transactions that are older than all that still run."""
        # Two statements: what the first finds finished, the second surely sees.
        ((horizon, following),) = self._server.ask(
            "select pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint "
            "from pg_current_snapshot() as now(s)"
        )
        since = place.position.offset if place.position else 0
        held: list[pl.DataFrame] = []
        for batch in self._server.stream(self._sql(since, horizon, following)):
            held.append(batch)
            if sum(map(len, held)) >= CHUNK:
                rows = pl.concat(held)
                last = rows["position"][-1]
                whole = rows.filter(pl.col("position") < last)
                held = [rows.filter(pl.col("position") == last)]
                for part in _parts(whole):
                    yield Chunk(part, part["position"][-1] + 1)
        for part in _parts(pl.concat(held)) if held else ():
            yield Chunk(part, part["position"][-1] + 1)

    def _sql(self, since: int, horizon: int, following: int) -> str:
        """Return the statement that reads the rows from *since* up to transaction *horizon*, in order.

        `xmin` has the low 32 bits of the number; *following* is larger than all that have been given out.
        """
        names = [f"t.{quoted(c)}::text as {quoted(c)}" for c in self._reads]
        when = f"coalesce({', '.join(f't.{quoted(c)}::text' for c in self._times)})"
        # Numbers are ours, identifiers are quoted: values can't be bound, because only then rows come as they are read.
        key = f"t.{quoted(self.known.key)}::text"
        return f"""
            select {", ".join(names)}, position, {key} as row_key, {when} as row_time
            from {self._table} as t
                cross join lateral (
                    select {following:d} - (({following:d} - t.xmin::text::bigint) & 4294967295) as xid
                ) as written
                cross join lateral (
                    select (xid << {_BITS}) | (hashtextextended({key}, 0) & {(1 << _BITS) - 1}) as position
                ) as placed
            where xid < {horizon:d} and position >= {since:d} and {self.known.finished}
            order by position
        """  # noqa: S608 # quoted names

    def _names(self) -> list[str]:
        """Return what names the table among all tables of all servers."""
        ((database, table),) = self._server.ask(
            "select current_database()::text, n.nspname || '.' || c.relname from pg_class as c "  # noqa: S608 # quoted names
            f"join pg_namespace as n on n.oid = c.relnamespace where c.oid = to_regclass({literal(self._table)})"
        )
        try:
            ((system,),) = self._server.ask("select system_identifier::text from pg_control_system()")
        except SourceError:
            # Some hosters don't let us ask: then the address has to do.
            system = self._server.name
        return [system, database, table]


def _parts(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield *rows* in parts of about `CHUNK`, cut only where the position changes."""
    while rows.height:
        last = rows["position"][min(CHUNK, rows.height) - 1]
        inside = pl.col("position") <= last
        yield rows.filter(inside).cast({name: kind for name, kind in PLACED.items() if name in rows})
        rows = rows.filter(~inside)
