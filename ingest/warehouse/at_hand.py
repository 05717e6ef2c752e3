"""A warehouse in a bucket as a folder of this machine, for those who read files: reports, SQL, the screen, the page.

Each reader has a folder of its own, of links to what is kept here of the bucket. What others fetch or take away
meanwhile is no matter to it, and it sees the data of a commit before the commit.
"""

import contextlib
import shutil
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from ingest.errors import WarehouseError, reason
from ingest.warehouse.delta_log import FOLDER, Log
from ingest.warehouse.storage.store import Found, Place, at
from parsers.columns import ALL_TABLES

if TYPE_CHECKING:
    from ingest.warehouse.storage.bucket import Bucket

_READERS = "readers"
EVERY = 5.0
"""Seconds between two looks of a screen or a page at a bucket."""

_LEFT_SECONDS = 86_400.0
"""After so long the folder of a reader that was killed is taken away."""

_BESIDE = ("dims", "reports")
"""Folders beside the tables whose files reports read, too."""


def at_hand(place: Place, *, every: float | None = None) -> str:
    """Return a folder in which the warehouse at *place* can be read: itself, or one that holds its newest snapshot.

    With *every*, that is kept up to date, after so many seconds each time. It is gone when this process ends.

        >>> import ingest, queries
        >>> queries.connect(ingest.at_hand("warehouse")).sql("select count(*) from llm_calls").fetchone()
        (766,)

    Raises:
        WarehouseError: There is no such warehouse, or its files don't fit here.
    """
    store = at(place)
    if not store.shared:
        return store.shown()
    reader = _Reader(cast("Bucket", store))
    reader.refresh()
    if every is not None:
        threading.Thread(target=reader.keep_up, args=(every,), daemon=True).start()
    _OPEN.append(reader)
    return str(reader.folder)


class _Reader:
    """A folder of links to the newest snapshot of the bucket *store*."""

    def __init__(self, store: "Bucket") -> None:
        self._store = store
        self._seen: dict[str, int] = {}
        readers = store.folder / _READERS
        try:
            readers.mkdir(parents=True, exist_ok=True)
            _sweep(readers)
            self.folder = Path(tempfile.mkdtemp(dir=readers))
        except OSError as error:
            raise WarehouseError(f"{readers} can't be written: {reason(error)}; set XDG_CACHE_HOME") from error
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def keep_up(self, every: float) -> None:
        """Refresh the folder again and again."""
        while True:
            time.sleep(every)
            with contextlib.suppress(WarehouseError):  # the bucket can't be reached: what is here is still true
                self.refresh()

    def refresh(self) -> None:
        """Add what was committed since."""
        folders, files = self._store.beside()
        if not set(folders) & set(ALL_TABLES):
            shown = self._store.shown()
            raise WarehouseError(f"no warehouse at {shown}: run `ingest follow` or `ingest backfill`, or name another")
        logs = [Log(self._store, name) for name in folders if name in ALL_TABLES]
        newest = [(log, *self._snapshot(log)) for log in logs]
        self._store.trim([each for _, data, _ in newest for each in data])
        small = [found.name for found in files if found.name.endswith((".toml", ".json"))]
        small += [found.name for folder in _BESIDE if folder in folders for found in self._store.list(folder)]
        self._link(small)
        for _, data, entries in newest:
            self._link([found.name for found in data])
            self._link(entries)  # in order: a reader sees data before the commit that lists it

    def _snapshot(self, log: Log) -> tuple[list[Found], list[str]]:
        """Return the data files of the newest version in *log*, and the names of what leads to it."""
        look = log.look()
        base, seen = max(look.checkpoints, default=-1), self._seen.get(log.table, -1)
        live = log.live(look, look.newest)
        if seen >= 0 and seen not in look.entries:  # repaired, or so long ago that the log has forgotten it
            shutil.rmtree(self.folder / log.folder)
            seen = -1
        first = max(base, seen) + 1
        saved = [log.checkpoint(base)] if base >= 0 and seen < 0 else []
        # A version needs its entry, also where a checkpoint says the same.
        entries = [log.entry(v) for v in range(min(first, look.newest), look.newest + 1) if v in look.entries]
        self._seen[log.table] = look.newest
        data = [Found(f"{log.table}/{unquote(path)}", int(add["size"]), 0, "") for path, add in live.items()]
        return data, [*saved, *entries]

    def _link(self, names: list[str]) -> None:
        """Let *names* be in the folder."""
        frozen = (FOLDER, "/date=")
        wanted = [name for name in names if not (any(p in name for p in frozen) and (self.folder / name).exists())]
        self._store.fetch(wanted)
        for name in wanted:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f"{target.name}.part")
            part.unlink(missing_ok=True)
            try:
                part.hardlink_to(self._store.file(name))
            except FileNotFoundError as error:
                raise WarehouseError(f"{self._store.shown(name)} is missing: `ingest verify` says more") from error
            part.replace(target)


def _sweep(readers: Path) -> None:
    for left in readers.iterdir():
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < time.time() - _LEFT_SECONDS and not _is_used(left):
                shutil.rmtree(left, ignore_errors=True)


def _is_used(left: Path) -> bool:
    """Tell whether somebody still adds to the folder *left*."""
    return any(path.stat().st_mtime > time.time() - _LEFT_SECONDS for path in left.iterdir())


_OPEN: list[_Reader] = []
"""The folders that this process reads, which end with it."""
