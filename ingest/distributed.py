"""A backfill by the workers of an engine: each reads a part of the files, into the same warehouse.

A task carries names and paths, no objects: formats, mappings and prices are looked up where it runs. Nothing of it has
to be undone when its worker is lost: what that had committed the warehouse knows, and the rest is read again.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ingest.errors import IngestError, reason
from ingest.files.paths import Listing, keys_of
from ingest.history.backfill import Outcome, look_beside, tell_missing
from ingest.history.backfill import backfill as read_all
from ingest.opening import Order, read_objects, unread
from ingest.reading.intake import Intake
from ingest.reading.publisher import Totals
from ingest.spread.engines import THREADS, TRIES, Engine, engine_of, run
from ingest.spread.parse_elsewhere import Elsewhere, Piece
from ingest.spread.shares import Part, packed, planned
from parsers import Contexts, Format, Rows, parse

if TYPE_CHECKING:
    from ingest.warehouse.storage.bucket_logs import Object

log = logging.getLogger(__name__)

_Each = TypeVar("_Each")


@dataclass(frozen=True)
class Read:
    """What a worker did: rows that it committed, what became of the files, and what it had to say, with its level."""

    totals: Totals = field(default_factory=Totals)
    outcome: Outcome = field(default_factory=Outcome)
    said: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """What all tasks of a backfill carry: what was asked for, and the folder from which its paths lead."""

    order: Order
    folder: str

    def read_files(self, part: Part[Path]) -> Read:
        """Read the files of *part*, in a worker."""
        return self._read(part, lambda intake: read_all(Listing((), keys_of(part.each)), intake))

    def read_objects(self, part: "Part[Object]") -> Read:
        """Read the objects of *part*, in a worker."""
        return self._read(part, partial(read_objects, part.each))

    def parse(self, piece: Piece, contexts: Contexts) -> Rows | None:
        """Parse *piece* of a file, which stands in *contexts*, in a worker; None if it isn't there."""
        with contextlib.chdir(self.folder):
            block = piece.block()
            return None if block is None else parse(block, _formats(self.order), contexts)

    def _read(self, part: Part[_Each], read: Callable[[Intake], Outcome]) -> Read:
        done = Read()
        try:
            with _listening(done.said), contextlib.chdir(self.folder), self.order.intake() as intake:
                try:
                    done.outcome.add(read(intake))
                finally:
                    done.totals.join(intake.totals)
        except (IngestError, OSError) as error:
            done.outcome.failed.append(f"{part}: {reason(error)}")
        return done


@lru_cache(maxsize=4)
def _formats(order: Order) -> Sequence[Format]:
    return order.formats()


def backfill(  # noqa: PLR0913 # what is read, how, and by whom
    on: str,
    listing: Listing,
    objects: "Sequence[Object]",
    order: Order,
    intake: Intake,
    *,
    progress: Callable[[int, Path], None] | None = None,
) -> Outcome:
    """Read the files of *listing*, and *objects* of buckets, to their ends, by the workers of the engine *on*.

    What isn't left to one worker is committed here, by *intake*; the workers have their own, by the same *order*. A
    part that nobody could read doesn't stop the others.

    Raises:
        IngestError: There is no such engine.
        WarehouseError: Nothing more can be written here; what was committed stays.
    """
    task = Task(replace(order, jobs=order.jobs or THREADS), str(Path.cwd()))
    found = look_beside(listing, intake.ledger)
    outcome = Outcome(others=found.others, unlooked=found.unlooked)
    with contextlib.closing(engine_of(on)) as engine:
        listed = {path: key for path, key in listing.files.items() if path not in found.generations}
        plan = planned(Listing(listing.paths, listed), intake.ledger, engine.workers)
        unseen = [path for path, key in listed.items() if key is None]
        intake.ahead = Elsewhere(engine, task.parse)
        own = Listing((), keys_of([*found.generations, *plan.together, *unseen]))
        outcome.add(read_all(own, intake, progress=progress))
        workers = _Workers(engine, outcome, intake.totals, progress)
        workers.read(plan.parts, task.read_files)
        _read_late(listing, intake, outcome)
        new = unread(objects, intake.ledger)
        workers.read(packed(new, [each.size for each in new], engine.workers), task.read_objects)
    return outcome


@dataclass(frozen=True)
class _Workers:
    """The workers of `engine`, and where it is noted what they do."""

    engine: Engine
    outcome: Outcome
    totals: Totals
    progress: Callable[[int, Path], None] | None

    def read(self, parts: Iterable[Part[_Each]], each: Callable[[Part[_Each]], Read]) -> None:
        """Have *each* called for each of *parts*, and note what became of it."""
        for part, done in run(self.engine, parts, each):
            if isinstance(done.exception(), self.engine.lost):
                why = f"its worker was lost {TRIES} times; what it has not read the next backfill does"
                self.outcome.failed.append(f"{part}: {why}")
                continue
            read = done.result()
            self.outcome.add(read.outcome)
            self.totals.join(read.totals)
            for level, text in read.said:
                log.log(level, "%s", text)
            if self.progress:
                self.progress(part.size, Path(str(part.each[-1])))


def _read_late(listing: Listing, intake: Intake, outcome: Outcome) -> None:
    """Read what has a name of *listing* only now: files that were renamed or packed before anybody came to them."""
    now = listing.now() if listing.paths else {}
    late = {path: key for path, key in now.items() if path not in listing.files}
    if late:
        outcome.add(read_all(Listing((), late), intake))
    missing, outcome.missing = outcome.missing, []
    tell_missing([path for path in missing if listing.files.get(path) not in late.values()], outcome)


@contextlib.contextmanager
def _listening(said: list[tuple[int, str]]) -> Iterator[None]:
    """Put into *said* what this worker warns of meanwhile: nobody sees what it writes."""
    handler = _Listener(said)
    logger = logging.getLogger("ingest")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Listener(logging.Handler):
    def __init__(self, said: list[tuple[int, str]]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append((record.levelno, record.getMessage()))
