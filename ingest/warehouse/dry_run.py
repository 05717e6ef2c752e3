"""A warehouse for dry runs: knows what the real one knows, remembers what it is given, writes nothing."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

import polars as pl

from ingest.errors import WarehouseError
from ingest.ledger import FRAMES, TELLS, Batch, Copy, Position, marked
from ingest.warehouse import delta_log
from ingest.warehouse.storage.store import Place, at
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import TABLES, UTC


class Rehearsal:
    """Takes commits as a warehouse does, in memory only."""

    def __init__(self, place: Place, *, host: str | None = None) -> None:
        """Rehearse on the warehouse at *place*, or on an empty one when there is none.

        Raises:
            WarehouseError: There is one, and it is damaged, or may not be read.
        """
        self._given: dict[str, Position] = {}
        self._born: Counter[str] = Counter()
        self._turns: Counter[str] = Counter()
        self._tell: dict[str, bool] = {}
        self._copies: dict[str, Copy] = {}
        self._marks: list[pl.DataFrame] = []
        try:
            self._real: Warehouse | None = Warehouse(place, host=host)
        except WarehouseError:
            if all(delta_log.is_there(at(place), name) for name in TABLES):
                raise
            self._real = None

    @property
    def hosts(self) -> Sequence[str]:
        """The hosts whose sources a file may be."""
        return self._real.hosts if self._real else [""]

    def position(self, source_id: str) -> Position | None:
        """Return where *source_id* would resume."""
        return self._given.get(source_id) or (self._real.position(source_id) if self._real else None)

    def labels(self) -> dict[str, list[str]]:
        """Return under which paths each source that is really there was read."""
        return self._real.labels() if self._real else {}

    def boundaries(self, source_ids: Collection[str]) -> list[tuple[str, Position]]:
        """Return where the batches of *source_ids* would have ended, the nearest first."""
        given = [(name, self._given[name]) for name in source_ids if name in self._given]
        real = self._real.boundaries(source_ids) if self._real else []
        return sorted([*given, *real], key=lambda end: end[1].offset)

    def sources(self) -> dict[str, Position]:
        """Return every source that would be known, with where it would resume."""
        return (self._real.sources() if self._real else {}) | self._given

    def taken(self, source_id: str, since: datetime) -> pl.DataFrame:
        """Return `created_at` and `dedupe_key` of the calls of *source_id* that are really there from *since* on."""
        if self._real:
            return self._real.taken(source_id, since)
        return pl.DataFrame(schema={"created_at": UTC, "dedupe_key": pl.String})

    def marks(self, source_ids: Sequence[str], start: int) -> pl.DataFrame:
        """Return `source_id`, `source_offset` and `mark` of the records of *source_ids* from *start* on."""
        real = [self._real.marks(source_ids, start)] if self._real else []
        mine = pl.col("source_id").is_in(source_ids) & (pl.col("source_offset") >= start)
        return pl.concat([*real, *(marks.filter(mine).drop("source_path") for marks in self._marks)])

    def marks_under(self, paths: Collection[str]) -> pl.DataFrame:
        """Return `source_id`, `source_path` and `mark` of all records that would have been read under *paths*."""
        real = [self._real.marks_under(paths)] if self._real else []
        mine = pl.col("source_path").is_in(list(paths))
        return pl.concat([*real, *(marks.filter(mine) for marks in self._marks)], how="diagonal")

    def is_indistinct(self, source_id: str) -> bool:
        """Tell whether *source_id* would have calls, and none would say a time or an identifier."""
        real = bool(self._real and self._real.is_indistinct(source_id))
        return not self._tell[source_id] if source_id in self._tell else real

    def copies(self) -> Mapping[str, Copy]:
        """Return the files that were or would be taken for copies of sources that are indistinct, by their paths."""
        return {**(self._real.copies() if self._real else {}), **self._copies}

    def note_copies(self, copies: Mapping[str, Copy]) -> None:
        """Remember that files, by their paths, would be taken for *copies*."""
        self._copies |= copies

    def objects(self) -> Mapping[str, int]:
        """Return the stamps of objects of buckets that were really read to their ends, by their addresses."""
        return self._real.objects() if self._real else {}

    def note_objects(self, stamps: Mapping[str, int]) -> None:
        """Nothing was read for good."""

    def kept_since(self, source_ids: Sequence[str]) -> date | None:
        """Return the day before which rows of *source_ids* may have been taken out; None if none were."""
        return self._real.kept_since(source_ids) if self._real else None

    def births(self, family: str) -> int:
        """Return how often sources whose first line is *family* would have been named."""
        return self._born[family] + (self._real.births(family) if self._real else 0)

    def turns(self, name: str) -> int:
        """Return how often the document called *name* would have been taken up."""
        return self._turns[name] + (self._real.turns(name) if self._real else 0)

    def refresh(self) -> None:
        """Nobody else rehearses."""

    def secure(self) -> None:
        """Nothing was written."""

    def commit(self, batches: Sequence[Batch]) -> None:
        """Remember where *batches* end, and their records."""
        self._born.update({b.family for b in batches if b.start is None})
        self._turns.update(b.turn.name for b in batches if b.turn)
        self._given |= {b.source_id: Position(b.end, b.tail) for b in batches}
        for batch in batches:
            if batch.calls.height:
                told = batch.calls.select(TELLS.any()).item()
                self._tell[batch.source_id] = self._tell.get(batch.source_id, False) or told
            for name, table in FRAMES.items():
                rows = getattr(batch, name).lazy()
                self._marks.append(marked(table, rows, pl.col("source_path")).collect())
