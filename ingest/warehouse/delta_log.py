"""What a Delta log says: entries and checkpoints, read and written without deltalake.

Following thousands of sources needs the newest version of every `txn`, which deltalake tells one by one (2 ms to 750 ms
each); in a bucket it would ask for the same objects again and again. The answers are the same: the newest entry wins.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from ingest.errors import WarehouseError
from ingest.warehouse.storage.store import Found, Place, Store, at
from parsers.columns import ALL_TABLES, TABLES, is_inside
from parsers.values.messages import denied

Offsets = dict[str, int]
Action = dict[str, Any]

BATCH = "ingestBatch"
"""What an entry calls the identifier of a commit: by it a writer knows its own entry again."""

FOLDER = "_delta_log"
FOLDERS = ("", *(folder for name in ALL_TABLES for folder in (name, f"{name}/{FOLDER}")))
"""Those that whoever uses a warehouse looks into."""

_FILES = frozenset({"add", "remove"})
"""Kinds of actions that name data files."""

_dumped = json.JSONEncoder(separators=(",", ":")).encode


class Look(NamedTuple):
    """The versions of which there are entries and checkpoints, in order, and the hint at the newest checkpoint."""

    entries: dict[int, Found]
    checkpoints: dict[int, Found]
    hint: Found | None
    newest: int
    """The newest version; -1 for none."""


class State(NamedTuple):
    """What a log says of its newest version: of every transaction id the version, and the newest `metaData`."""

    log: "Log"
    look: Look
    offsets: Offsets
    metadata: Action

    @classmethod
    def of_new(cls, log: "Log", first: Found, metadata: Action) -> Self:
        """Return what *log* says right after its *first* entry was put, which holds *metadata*."""
        return cls(log, Look({0: first}, {}, None, 0), {}, metadata)


class Log:
    """The log of the table *table* in *store*."""

    def __init__(self, store: Store, table: str) -> None:
        self.store = store
        self.table = table
        self.folder = f"{table}/{FOLDER}"

    def __str__(self) -> str:
        return self.store.shown(self.folder)

    def entry(self, version: int) -> str:
        """Return the name of the entry of *version*."""
        return f"{self.folder}/{version:020}.json"

    def checkpoint(self, version: int) -> str:
        """Return the name of the checkpoint of *version*."""
        return f"{self.folder}/{version:020}.checkpoint.parquet"

    @property
    def hint(self) -> str:
        """The name of the hint at the newest checkpoint."""
        return f"{self.folder}/_last_checkpoint"

    def look(self, since: int = 0) -> Look:
        """Return what is there of *since* and later versions."""
        return seen(self.store.list(self.folder, after=f"{self.folder}/{since:020}" if since else ""))

    def state(self, look: Look) -> State:
        """Return what the newest version in *look* is.

        Raises:
            WarehouseError: An entry is missing or damaged, or none says which columns there are.
        """
        offsets, metadata = Offsets(), Action()
        for kind, action in self.said(look, look.newest, "txn", "metaData"):
            if kind == "txn":
                offsets[action["appId"]] = action["version"]
            else:
                metadata = action
        if not metadata:
            raise WarehouseError(f"{self} doesn't say which columns there are; run `ingest repair` on this warehouse")
        return State(self, look, offsets, _whole(metadata))

    def added(self, first: int, last: int) -> Offsets:
        """Return the transactions of the entries *first* to *last*, both included; the newest wins.

        Raises:
            WarehouseError: An entry is missing or damaged.
        """
        return {txn["appId"]: txn["version"] for _, txn in self.actions(first, last, "txn")}

    def removed(self, look: Look) -> dict[str, int]:
        """Return the data files that were taken out of the table, and when, in milliseconds since 1970.

        A checkpoint remembers each for some hours.

        Raises:
            WarehouseError: An entry is missing or damaged.
        """
        return {gone["path"]: gone.get("deletionTimestamp") or 0 for _, gone in self.said(look, look.newest, "remove")}

    def live(self, look: Look, version: int) -> dict[str, Action]:
        """Return what added each data file that is live in *version*, by its path.

        Raises:
            WarehouseError: An entry is missing or damaged.
        """
        return _left({}, self.said(look, version, *_FILES))

    def later(self, live: Mapping[str, Action], first: int, last: int) -> dict[str, Action]:
        """Return what is *live* after the entries *first* to *last*, both included.

        Raises:
            WarehouseError: An entry is missing or damaged.
        """
        return _left(live, self.actions(first, last, *_FILES))

    def adding(self, version: int) -> list[str]:
        """Return the data files that *version* added."""
        return [add["path"] for _, add in self.actions(version, version, "add")]

    def added_files(self, look: Look, last: int) -> list[tuple[int, str]]:
        """Return the data files that the entries up to *last* added, with the version that did.

        Damaged entries are left out: behind a checkpoint they harm nobody.
        """
        whole = [version for version in look.entries if version <= last and self.is_whole(version)]
        return [(version, path) for version in whole for path in self.adding(version)]

    def damages(self) -> list[str]:
        """Return what is wrong with the log, in words; nothing when it can be read from end to end."""
        look = self.look()
        last = max(look.entries, default=-1)
        if last < 0:
            return [f"{self} holds no entry"]
        self.store.fetch([each.name for each in look.entries.values()])
        wrong = [f"{self.store.shown(self.checkpoint(v))} is damaged" for v in look.checkpoints if not self.is_good(v)]
        if self.is_misleading(look):
            wrong.append(f"{self.store.shown(self.hint)} names a checkpoint that is missing")
        base = next((v for v in sorted(look.checkpoints, reverse=True) if self.is_good(v)), -1)
        newest = max(last, base)  # there must be an entry of it, also where its checkpoint says the same
        needed = range(min(base + 1, newest), newest + 1)
        for version in sorted({*look.entries, *needed}):
            if version not in look.entries:
                wrong.append(f"{self.store.shown(self.entry(version))} is missing")
            elif not self.is_whole(version):
                wrong.append(f"{self.store.shown(self.entry(version))} is damaged")
        return wrong

    def is_misleading(self, look: Look) -> bool:
        """Tell whether the hint at the newest checkpoint names one, and none so new is there: deltalake gives up then.

        Raises:
            WarehouseError: This user may not read it.
        """
        if look.hint is None:
            return False
        try:
            version = int(json.loads(self._text(self.hint))["version"])
        except (OSError, ValueError, TypeError, KeyError):
            return False  # one that can't be read is passed over
        # It was read after the names: the checkpoint may have been written in between.
        return version > max(look.checkpoints, default=-1) and version > max(self.look().checkpoints, default=-1)

    def committed_at(self, version: int) -> int | None:
        """Return when the entry of *version*, which is whole, says that it was written, in ms; None if it doesn't.

        Raises:
            WarehouseError: It can't be read.
        """
        told = [info.get("timestamp") for _, info in self.actions(version, version, "commitInfo")]
        return next((int(at) for at in told if at), None)

    def is_whole(self, version: int) -> bool:
        """Tell whether the entry of *version* is one: lines of JSON objects, one of which says what was done.

        Raises:
            WarehouseError: This user may not read it.
        """
        try:
            actions = [json.loads(line) for line in self._text(self.entry(version)).splitlines()]
        except (OSError, ValueError):
            return False
        return any(isinstance(action, dict) and "commitInfo" in action for action in actions)

    def is_good(self, version: int) -> bool:
        """Tell whether the checkpoint of *version* can be read.

        Raises:
            WarehouseError: Just this user may not.
        """
        return self.is_checkpoint(self.checkpoint(version))

    def is_checkpoint(self, name: str) -> bool:
        """Tell whether the checkpoint called *name* can be read.

        Raises:
            WarehouseError: Just this user may not.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            pq.read_metadata(self.store.file(name))
        except PermissionError as error:
            raise WarehouseError(denied(self.store.shown(name))) from error
        except (OSError, pa.ArrowException):
            return False
        return True

    def actions(self, first: int, last: int, *kinds: str) -> Iterator[tuple[str, Action]]:
        """Yield the actions of *kinds* in the entries *first* to *last*, each with its kind.

        Raises:
            WarehouseError: An entry is missing or damaged, or names a file outside the table.
        """
        names = [self.entry(version) for version in range(first, last + 1)]
        if len(names) > 1:
            self.store.fetch(names)
        marks = [f'"{kind}"' for kind in kinds]
        for name in names:
            try:
                text = self._text(name)
                if not text.strip("\0 \n"):
                    # deltalake takes an empty entry for a commit that did nothing: its rows would vanish unnoticed.
                    raise ValueError("it is empty")  # noqa: TRY301 # told as every other damage
                for line in text.splitlines():
                    if not any(mark in line for mark in marks):
                        continue
                    said = json.loads(line)
                    for kind in kinds:
                        if action := said.get(kind):
                            if kind in _FILES:
                                self.keep_inside(action["path"])
                            yield kind, action
            except (OSError, ValueError, AttributeError) as error:
                shown = self.store.shown(name)
                raise WarehouseError(
                    f"{shown} can't be read ({error}); `ingest verify` says more, `ingest repair` mends it"
                ) from error

    def keep_inside(self, path: str) -> None:
        """Refuse a data *path* that leaves the folder of the table.

        Raises:
            WarehouseError: It does.
        """
        if not is_inside(path):
            raise WarehouseError(
                f"{self.store.shown(self.table)} lists a file outside its folder ({path!r}), which no ingest wrote: "
                "don't trust this warehouse"
            )

    def said(self, look: Look, version: int, *kinds: str) -> Iterator[tuple[str, Action]]:
        """Yield the actions of *kinds* that lead to *version*: what its newest readable checkpoint says, and the rest.

        A damaged checkpoint costs nothing while the entries before it are there.

        Raises:
            WarehouseError: An entry is missing or damaged.
        """
        for saved in sorted((v for v in look.checkpoints if v <= version), reverse=True):
            rows = self._checkpointed(self.checkpoint(saved), kinds)
            if rows is not None:
                yield from rows
                yield from self.actions(saved + 1, version, *kinds)
                return
        yield from self.actions(0, version, *kinds)

    def _checkpointed(self, name: str, kinds: Iterable[str]) -> list[tuple[str, Action]] | None:
        """Return the actions of *kinds* in the checkpoint called *name*; None where it can't be read."""
        import pyarrow as pa  # takes 30 ms, and a new warehouse has no checkpoint
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.store.file(name), columns=list(kinds))
        except PermissionError as error:
            raise WarehouseError(denied(self.store.shown(name))) from error
        except (OSError, pa.ArrowException):
            return None
        found = [
            (kind, row)
            for kind in kinds
            for row in table.column(kind).to_pylist()
            if row and any(value is not None for value in row.values())
        ]
        for kind, row in found:
            if kind in _FILES:
                self.keep_inside(row["path"])
        return found

    def _text(self, name: str) -> str:
        try:
            return self.store.file(name).read_text("utf-8")
        except PermissionError as error:
            raise WarehouseError(denied(self.store.shown(name))) from error


def seen(found: Iterable[Found]) -> Look:
    """Return what is there of a log of which the names *found* were listed."""
    entries, checkpoints, hint = {}, {}, None
    for each in found:
        base = each.name.rsplit("/", 1)[1]
        if base == "_last_checkpoint":
            hint = each
        elif not base[:20].isdigit():
            continue
        elif base.endswith(".checkpoint.parquet"):
            checkpoints[int(base[:20])] = each
        elif base[20:] == ".json":
            entries[int(base[:20])] = each
    return Look(entries, checkpoints, hint, max([*entries, *checkpoints], default=-1))


def logs(place: Place, names: Sequence[str]) -> dict[Log, Look]:
    """Return the logs of the tables *names* at *place*, and what is there of each: all are listed at once."""
    folders = [f"{name}/{FOLDER}" for name in names]
    store = at(place)
    found = store.list(*folders)
    each = [Log(store, name) for name in names]
    return {log: seen(one for one in found if one.name.startswith(log.folder)) for log in each}


def entries_of(table: Path) -> list[Path]:
    """Return the files of the entries of any Delta table in the folder *table*, in order."""
    log = Log(at(table.parent), table.name)
    return [log.store.file(found.name) for found in log.look().entries.values()]


def tables(store: Store) -> list[str]:
    """Return the tables of the warehouse: those that each has, and of the others those that are there."""
    return [name for name in ALL_TABLES if name in TABLES or is_there(store, name)]


def is_there(store: Store, table: str) -> bool:
    """Tell whether there is anything of the log of *table*."""
    return bool(store.list(f"{table}/{FOLDER}"))


def version_of(name: str) -> int:
    """Return the version that the name of an entry or checkpoint begins with."""
    return int(name.rsplit("/", 1)[1].split(".", 1)[0])


def text_of(actions: Iterable[Action], offsets: Mapping[str, int], operation: str, batch: str) -> bytes:
    """Return the entry of a commit that does *actions* and moves *offsets*."""
    info = {"timestamp": int(time.time() * 1000), "operation": operation, "operationParameters": {}}
    info |= {"engineInfo": "ingest", BATCH: batch}
    moves = (f'{{"txn":{{"appId":{_dumped(key)},"version":{version}}}}}' for key, version in offsets.items())
    lines = (_dumped({"commitInfo": info}), *moves, *map(_dumped, actions))
    return "".join(f"{line}\n" for line in lines).encode()


def _whole(metadata: Action) -> Action:
    """Return a `metaData` as an entry has it: Parquet keeps maps as lists of pairs, and what isn't said as None."""
    said = {name: value for name, value in metadata.items() if value is not None}
    configuration = dict(said.get("configuration") or {})
    return said | {"format": {"provider": "parquet", "options": {}}, "configuration": configuration}


def _left(live: Mapping[str, Action], actions: Iterable[tuple[str, Action]]) -> dict[str, Action]:
    """Return what is left of *live*, and of what was added, after *actions*."""
    found = dict(live)
    for kind, action in actions:
        if kind == "add":
            found[action["path"]] = action
        else:
            found.pop(action["path"], None)
    return found
