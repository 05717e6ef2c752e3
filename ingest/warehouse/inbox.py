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

from ingest.errors import IngestError, WarehouseError
from ingest.ledger import Batch, Conflict, Position, Turn
from ingest.warehouse.dry_run import Rehearsal
from ingest.warehouse.storage.store import Found, Place, Store, at
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import CALLS, EVENTS, REJECTS, conform

_FOLDER = "_inbox"
_AT_ONCE = 1000
"""How many intents a fold reads at once."""

_OFTEN, _SELDOM = 1.0, 30.0
"""Seconds between two looks into an inbox beside a follower: after a fold, and where there is nothing to fold."""

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
"""How often a host asks what became of what it put: to know of a refusal later costs nothing but time."""

_FRAMES = {"calls": CALLS, "events": EVENTS, "rejects": REJECTS}


class Inbox(Rehearsal):
    """The ledger of one host: what the tables say, what it has put into the inbox, and the way to put more."""

    def __init__(self, place: Place, host: str | None, *, look: float = LOOK_SECONDS) -> None:
        """Open the inbox of *host* in the warehouse at *place*; every *look* seconds see what was folded or refused.

        Raises:
            IngestError: It isn't a bucket, or no host was named.
            WarehouseError: The tables aren't there, or can't be read.
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
        others = _read(self._store, [each for each in found if each.name not in own])
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


def fold(place: Place) -> int:
    """Commit what waits in the inbox of the warehouse at *place*; return how many intents that were.

    Any number of processes may: what one has committed the others find done.

    Raises:
        WarehouseError: There is no such warehouse, it is a folder, or it can't be written.
    """
    store, folded = at(place), 0
    if not store.shared:
        raise WarehouseError(f"{place} is a folder: it has no inbox, and `ingest follow` commits by itself")
    warehouse: Warehouse | None = None
    while found := store.list(_FOLDER)[:_AT_ONCE]:
        warehouse = warehouse or Warehouse(place)
        warehouse.refresh()
        intents = _read(store, found)
        done, refused, taken = _sorted_out(intents, warehouse)
        if taken:
            bad = _commit(warehouse, [intents[name] for name in taken])
            refused += [name for name in taken if intents[name].source_id in bad]
            done += taken
            folded += len(taken) - len(bad)
        store.delete([*done, *refused])
        if not (taken or done or refused):
            break  # all wait for what isn't there yet
    return folded


def keep_folding(place: Place) -> None:
    """Fold again and again beside whatever this process does, until it ends; seldom, while nobody uses the inbox."""

    def run() -> None:
        pause = _SELDOM
        while True:
            time.sleep(pause)
            try:
                pause = _OFTEN if fold(place) else min(_SELDOM, 2 * pause)
            except WarehouseError as error:
                log.warning("%s", error)
                pause = _SELDOM

    threading.Thread(target=run, daemon=True).start()


def _sorted_out(intents: Mapping[str, Batch], warehouse: Warehouse) -> tuple[list[str], list[str], list[str]]:
    """Return which *intents* are in the tables, which can never be, and of each source the one to go on with."""
    done, refused, taken = list[str](), list[str](), dict[str, str]()
    for name in sorted(intents, key=lambda name: _start(intents[name])):
        batch = intents[name]
        position = warehouse.position(batch.source_id)
        if position and batch.end <= position.offset:
            done.append(name)
        elif _goes_on(batch, position):
            taken.setdefault(batch.source_id, name)
        elif position and _start(batch) < position.offset:
            refused.append(name)
    return done, refused, [*taken.values()]


def _goes_on(batch: Batch, position: Position | None) -> bool:
    return batch.start == (position.offset if position else None) or (
        batch.start is None and position is not None and position.offset == 0  # named by a fold that died then
    )


def _commit(warehouse: Warehouse, batches: Sequence[Batch]) -> set[str]:
    """Commit *batches* together, or else each alone; return the sources of those that can't be."""
    try:
        warehouse.commit(_named(warehouse, batches))
    except Conflict:
        warehouse.refresh()
    else:
        return set()
    refused = set()
    for batch in batches:
        position = warehouse.position(batch.source_id)
        try:
            if position is None or position.offset < batch.end:
                warehouse.commit(_named(warehouse, [batch]))
        except Conflict:
            warehouse.refresh()
            position = warehouse.position(batch.source_id)
            # Another was named, or took its turn, in between; else a rival was quicker, and the next look sorts it out.
            if batch.start is None or batch.turn or not _goes_on(batch, position):
                refused.add(batch.source_id)
    return refused


def _named(warehouse: Warehouse, batches: Iterable[Batch]) -> list[Batch]:
    """Return *batches*; one whose source was named by a fold that died goes on at 0."""
    known = ((batch, warehouse.position(batch.source_id)) for batch in batches)
    return [batch._replace(start=0) if batch.start is None and position else batch for batch, position in known]


def _start(batch: Batch) -> int:
    return batch.start or 0


def _as_bytes(batch: Batch) -> bytes:
    """Return *batch* as an object: a line of JSON, and each of its frames as Arrow."""
    frames = []
    for name in _FRAMES:
        written = io.BytesIO()
        getattr(batch, name).write_ipc(written, compression="zstd")
        frames.append(written.getvalue())
    told = {name: getattr(batch, name) for name in Batch._fields if name not in {*_FRAMES, "turn"}}
    told |= {"missing": dict(batch.missing), "turn": batch.turn and [batch.turn.name, batch.turn.number]}
    told |= {"put_at": time.time_ns(), "lengths": [len(frame) for frame in frames]}
    return b"".join([json.dumps(told).encode(), b"\n", *frames])


def _as_batch(data: bytes) -> Batch:
    head, _, rest = data.partition(b"\n")
    told = json.loads(head)
    frames: dict[str, Any] = {}
    for (name, columns), length in zip(_FRAMES.items(), told.pop("lengths"), strict=True):
        frames[name] = conform(pl.read_ipc(io.BytesIO(rest[:length])), columns)
        rest = rest[length:]
    del told["put_at"]
    turn = told.pop("turn")
    return Batch(**told, **frames, turn=turn and Turn(*turn))


def _read(store: Store, found: Sequence[Found]) -> dict[str, Batch]:
    """Return the intents that were *found*, but for those that are gone meanwhile.

    Raises:
        WarehouseError: One can't be read.
    """
    store.fetch([each.name for each in found])
    intents = {}
    for each in found:
        try:
            intents[each.name] = _as_batch(store.file(each.name).read_bytes())
        except FileNotFoundError:
            continue  # another has folded it
        except (ValueError, TypeError, KeyError, pl.exceptions.PolarsError) as error:
            shown = store.shown(each.name)
            raise WarehouseError(f"{shown} is no intent of `ingest follow --inbox`: delete it ({error})") from error
    return intents
