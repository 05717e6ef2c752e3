"""Many hosts, few commits: each puts what it read into an inbox, and one folds what all have put into one commit.

A host that commits by itself competes with all others for the next version of four tables. An intent has a name of its
own: its source and where it starts, put where none is yet. So of two followers of one log on a host one is first, and a
fold is an ordinary commit: what doesn't go on where the tables say that its source stands is refused, and its host
reads those bytes again.
"""

import io
import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from ingest.errors import IngestError, WarehouseError, one_line
from ingest.ledger import FRAMES, Batch, Conflict, Position, Turn
from ingest.warehouse.dry_run import Rehearsal
from ingest.warehouse.storage.store import Found, Place, Store, at
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import EMPTY, TABLES, conform

_FOLDER = "_inbox"
_AT_ONCE = 1000
"""How many intents a fold reads at once."""

_PATIENCE = 10
"""After so many commits in which others were quicker, a fold leaves the rest to them."""

_OFTEN, _SELDOM = 1.0, 30.0
"""Seconds between two looks into an inbox beside a follower: after a fold, and where there is nothing to fold."""

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""How often a host asks what became of what it put: to know of a refusal later costs nothing but time."""


class Inbox(Rehearsal):
    """The ledger of one host: what the tables say, what it has put into the inbox, and the way to put more."""

    def __init__(self, place: Place, host: str | None, *, look: float = LOOK_SECONDS) -> None:
        """Open the inbox of *host* in the warehouse at *place*; every *look* seconds see what was folded or refused.

        Raises:
            IngestError: It isn't a bucket, or no host was named.
            WarehouseError: The tables aren't there, or can't be read, or something else is in the inbox.
        """
        self._store, self._look, self._looked = at(place), look, 0.0
        if not self._store.shared:
            raise IngestError(f"{self._store.shown()}: --inbox is for a warehouse in a bucket; leave it out")
        if not host:
            raise IngestError("--inbox needs --host NAME: intents are named by it")
        Warehouse(place, make=True)
        super().__init__(place, host=host)
        self._folder = f"{_FOLDER}/{host}"
        self._chains: dict[str, list[Batch]] = defaultdict(list)
        self.refresh()

    def births(self, family: str) -> int:
        """Return how often sources whose first line is *family* were named, or will be."""
        pending = (chain[0] for chain in self._chains.values())
        coming = sum(first.family == family and first.start is None for first in pending)
        return coming + (self._real.births(family) if self._real else 0)

    def turns(self, name: str) -> int:
        """Return how often the document called *name* was taken up, or will be."""
        batches = (batch for chain in self._chains.values() for batch in chain)
        coming = sum(batch.turn is not None and batch.turn.name == name for batch in batches)
        return coming + (self._real.turns(name) if self._real else 0)

    def refresh(self) -> None:
        """See what was folded, what was refused, and what another follower of this host has put.

        A source of which something was refused stands where the tables say.
        """
        self._looked = time.monotonic()
        found = self._store.list(self._folder)  # first: what is folded meanwhile is seen below
        there = {each.name for each in found}
        if self._real:
            self._real.refresh()
        for source, chain in [*self._chains.items()]:
            position = self._real.position(source) if self._real else None
            reached = position.offset if position else 0
            left = [batch for batch in chain if batch.end > reached]
            goes_on = not left or (left[0].start or 0) == reached
            if left and (not goes_on or self._name(left[0]) not in there):
                self._store.delete([name for batch in left if (name := self._name(batch)) in there])
                left = []
            if left:
                self._chains[source] = left
            else:
                del self._chains[source], self._given[source]
        own = {self._name(batch) for chain in self._chains.values() for batch in chain}
        others, strange = _read(self._store, [each.name for each in found if each.name not in own])
        if strange:
            raise WarehouseError(strange)
        for batch in sorted(others.values(), key=_start):
            if _goes_on(batch, self.position(batch.source_id)):
                self._remember(batch)
        if not self._chains:
            self._marks.clear()

    def commit(self, batches: Sequence[Batch]) -> None:
        """Put *batches* into the inbox.

        Raises:
            Conflict: One doesn't go on where its source stands, or another follower of this host has put it.
            WarehouseError: The bucket can't be written now.
        """
        if time.monotonic() - self._looked >= self._look:
            self.refresh()
        for batch in batches:
            position = self.position(batch.source_id)
            if (position.offset if position else None) != batch.start:
                raise Conflict
        for batch in batches:
            if self._store.put_if_absent(self._name(batch), _as_bytes(batch)) is None:
                raise Conflict
            self._remember(batch)

    def _remember(self, batch: Batch) -> None:
        super().commit([batch])
        self._chains[batch.source_id].append(batch)

    def _name(self, batch: Batch) -> str:
        return f"{self._folder}/{batch.source_id}/{_start(batch):020}"


class Waiting(NamedTuple):
    """How many intents wait to be folded, of how many hosts, and for how many seconds the oldest has."""

    intents: int
    hosts: int
    seconds: float


def waiting(place: Place) -> Waiting | None:
    """Return what waits in the inbox of the warehouse at *place*; None where nothing does."""
    store = at(place)
    found = store.list(_FOLDER) if store.shared else []
    if not found:
        return None
    hosts = {each.name.split("/")[1] for each in found}
    oldest = min(each.modified for each in found) / 1e9
    return Waiting(len(found), len(hosts), max(0.0, store.now() - oldest))


class Folding:
    """Commits what waits in the inbox of one warehouse, which stays open: to open it takes more than a commit."""

    def __init__(self, place: Place) -> None:
        """Fold in the warehouse at *place*, which is opened when something waits.

        Raises:
            WarehouseError: It is a folder.
        """
        self._store = at(place)
        if not self._store.shared:
            raise WarehouseError(f"{place} is a folder: it has no inbox, and `ingest follow` commits by itself")
        self._warehouse: Warehouse | None = None
        self._read: dict[str, Batch] = {}

    def fold(self) -> int:
        """Commit what waits; return how many intents that were.

        Any number of processes may: what one has committed the others find done.

        Raises:
            WarehouseError: There is no such warehouse, it can't be written, or something else is in its inbox.
        """
        try:
            return self._fold()
        except WarehouseError:
            self._warehouse = None  # what it knows may be half of what is there
            raise

    def _fold(self) -> int:
        folded, rivals = 0, 0
        while found := self._store.list(_FOLDER)[:_AT_ONCE]:
            strange = self._fetch(found)
            self._warehouse = self._warehouse or Warehouse(self._store)
            self._warehouse.refresh()
            before, is_alone = len(self._read), True
            try:
                folded += self._commit(self._warehouse)
            except Conflict:
                rivals, is_alone = rivals + 1, False
            if strange:
                raise WarehouseError(strange)
            if rivals == _PATIENCE or (is_alone and (len(found) < _AT_ONCE or len(self._read) == before)):
                break  # others fold, and quicker; or all that is left waits for what isn't there yet
        return folded

    def _commit(self, warehouse: Warehouse) -> int:
        """Commit what was read, of each source the next intent, again and again; return how many that were.

        Raises:
            Conflict: Another was quicker.
        """
        folded = 0
        while (sorted_out := _sorted_out(self._read, warehouse)).over:
            if sorted_out.taken:
                warehouse.commit(_named(warehouse, map(self._read.__getitem__, sorted_out.taken)))
            self._store.delete(sorted_out.over)
            for name in sorted_out.over:
                del self._read[name]
            folded += len(sorted_out.taken)
        return folded

    def _fetch(self, found: Sequence[Found]) -> str | None:
        """Have the intents that were *found* at hand; return what is wrong with one that can't be read."""
        names = [each.name for each in found]
        self._read = {name: self._read[name] for name in names if name in self._read}
        intents, strange = _read(self._store, [name for name in names if name not in self._read])
        self._read |= intents
        return strange


def fold(place: Place) -> int:
    """Commit what waits in the inbox of the warehouse at *place*; return how many intents that were.

    Raises:
        WarehouseError: There is no such warehouse, it is a folder, or it can't be written.
    """
    return Folding(place).fold()


def keep_folding(place: Place) -> None:
    """Fold again and again beside whatever this process does, until it ends; seldom, while nobody uses the inbox."""

    def run() -> None:
        folding, pause = Folding(place), _SELDOM
        while True:
            time.sleep(pause)
            try:
                pause = _OFTEN if folding.fold() else min(_SELDOM, 2 * pause)
            except WarehouseError as error:
                log.warning("%s", error)
                pause = _SELDOM

    threading.Thread(target=run, daemon=True).start()


class _SortedOut(NamedTuple):
    """Names of intents: those that the tables have, that can never be, and of each source the one that goes on."""

    done: list[str]
    refused: list[str]
    taken: list[str]

    @property
    def over(self) -> list[str]:
        """Those that nobody needs once what was taken is committed."""
        return [*self.done, *self.refused, *self.taken]


def _sorted_out(intents: Mapping[str, Batch], warehouse: Warehouse) -> _SortedOut:
    """Say what to do with *intents* now. Of those that claim the same, only one can be taken at a time."""
    found, claimed = _SortedOut([], [], []), set[str]()
    for name, batch in sorted(intents.items(), key=_order):
        position = warehouse.position(batch.source_id)
        if position and batch.end <= position.offset:
            found.done.append(name)
        elif not _goes_on(batch, position):
            if position and _start(batch) < position.offset:
                found.refused.append(name)
        elif claimed.isdisjoint(claims := _claims(batch, position)):
            if _is_its_turn(batch, position, warehouse):
                found.taken.append(name)
                claimed |= claims
            else:
                found.refused.append(name)  # another was named, or took its turn, since it was read
    return found


def _goes_on(batch: Batch, position: Position | None) -> bool:
    return batch.start == (position.offset if position else None) or (
        batch.start is None and position is not None and position.offset == 0  # named by a fold that died then
    )


def _order(intent: tuple[str, Batch]) -> tuple[int, int, int]:
    """Return what intents are sorted by: what goes on behind another, or is named after it, comes later."""
    _, batch = intent
    return _start(batch), batch.births, batch.turn.number if batch.turn else 0


def _claims(batch: Batch, position: Position | None) -> set[str]:
    """Return what *batch* claims: its source, the first line of a new one, and the document whose turn it takes."""
    family = {batch.family} if position is None and batch.family else set[str]()
    return {batch.source_id} | family | ({batch.turn.name} if batch.turn else set())


def _is_its_turn(batch: Batch, position: Position | None, warehouse: Warehouse) -> bool:
    """Tell whether nobody has come between *batch*, whose source stands at *position*, and what it knew."""
    is_next = position is not None or not batch.family or warehouse.births(batch.family) == batch.births
    return is_next and (batch.turn is None or warehouse.turns(batch.turn.name) == batch.turn.number)


def _named(warehouse: Warehouse, batches: Iterable[Batch]) -> list[Batch]:
    """Return *batches*; one whose source was named by a fold that died goes on at 0."""
    known = ((batch, warehouse.position(batch.source_id)) for batch in batches)
    return [batch._replace(start=0) if batch.start is None and position else batch for batch, position in known]


def _start(batch: Batch) -> int:
    return batch.start or 0


def _as_bytes(batch: Batch) -> bytes:
    """Return *batch* as an object: a line of JSON, and each of its frames as Arrow."""
    frames = []
    for name in FRAMES:
        written = io.BytesIO()
        getattr(batch, name).write_ipc(written, compression="zstd")
        frames.append(written.getvalue())
    told = {name: getattr(batch, name) for name in Batch._fields if name not in {*FRAMES, "turn"}}
    told |= {"missing": dict(batch.missing), "turn": batch.turn and [batch.turn.name, batch.turn.number]}
    told |= {"put_at": time.time_ns(), "lengths": [len(frame) for frame in frames]}
    return b"".join([json.dumps(told).encode(), b"\n", *frames])


def _as_batch(data: bytes) -> Batch:
    head, _, rest = data.partition(b"\n")
    told = json.loads(head)
    frames: dict[str, Any] = {}
    for (name, table), length in zip(FRAMES.items(), told.pop("lengths"), strict=True):
        frame = pl.read_ipc(io.BytesIO(rest[:length]))
        frames[name] = conform(frame, TABLES[table]) if frame.height else EMPTY[table]
        rest = rest[length:]
    del told["put_at"]
    turn = told.pop("turn")
    return Batch(**told, **frames, turn=turn and Turn(*turn))


def _read(store: Store, names: Sequence[str]) -> tuple[dict[str, Batch], str]:
    """Return the intents called *names*, but for those that are gone meanwhile; say what of them is none."""
    intents, strange = {}, ""
    for name, data in store.read(names).items():
        try:
            intents[name] = _as_batch(data)
        except (ValueError, TypeError, KeyError, pl.exceptions.PolarsError) as error:
            strange = f"{store.shown(name)} is no intent of `ingest follow --inbox`: delete it ({one_line(error)})"
    return intents, strange
