"""What this machine keeps of a bucket: a folder with the same names, so that everything else reads files.

Data files never change and are known by their names; of everything else the tag is kept with the file, as its time.
"""

import contextlib
import errno
import os
import time
import uuid
from collections.abc import Collection, Iterable
from pathlib import Path

import xxhash

from ingest.errors import WarehouseError, reason

BOUND = "INGEST_CACHE_BYTES"
"""The environment variable that says how many bytes of data files are kept of each bucket."""

USUAL_BOUND = 20 << 30
IN_USE_SECONDS = 600.0
"""A file that was asked for so lately may still be read by another process."""

_UNFINISHED = ".part"
_MOST_TAGS = 100_000


class Cache:
    """The files of one bucket below *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the file of *name*, whether it is there or not."""
        return self.folder / name

    def room(self, name: str) -> Path:
        """Return the file of *name*, which may be written.

        Raises:
            WarehouseError: The disk doesn't take it.
        """
        path = self.path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self.error(error) from error
        return path

    def has(self, name: str, tag: str | None) -> bool:
        """Tell whether what is kept of *name* is what has *tag*; of a data file, whether it is there."""
        path = self.path(name)
        try:
            if is_data(name):
                os.utime(path)  # for `trim`, which takes those away first that nobody asks for
                return True
            return tag is not None and path.stat().st_mtime_ns == _stamp(tag)
        except FileNotFoundError:
            return False

    def write(self, name: str, data: bytes, tag: str | None) -> None:
        """Keep *data* of *name*, which has *tag*.

        Raises:
            WarehouseError: The disk doesn't take it.
        """
        path = self.path(name)
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_UNFINISHED}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            if tag is not None and not is_data(name):
                os.utime(part, ns=(_stamp(tag), _stamp(tag)))
            part.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise self.error(error) from error

    def forget(self, names: Iterable[str]) -> None:
        """Keep nothing of *names*."""
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def names(self, folder: str) -> set[str]:
        """Return the names right below *folder* that something is kept of."""
        try:
            return {f"{folder}/{name}" for name in os.listdir(self.folder / folder) if not name.endswith(_UNFINISHED)}  # noqa: PTH208 # names
        except OSError:
            return set()

    def trim(self, needed: Collection[str], size: int) -> None:
        """Take data files away, those first that were not asked for longest, until there is room beside the *needed*.

        Raises:
            WarehouseError: The *needed* files alone, of *size* bytes in all, are more than may be kept.
        """
        bound = _bound()
        if size > bound:
            raise WarehouseError(
                f"{size / 1e9:,.1f} GB of the bucket are asked for, and {self.folder} may hold {bound / 1e9:,.1f}: "
                f"ask for fewer days with --since, or allow more bytes with ${BOUND}"
            )
        others = sorted((at, held, path) for at, held, path in self._data() if str(path) not in needed)
        room = bound - size - sum(held for _, held, _ in others)
        for at, held, path in others:
            if room >= 0 or at > time.time() - IN_USE_SECONDS:
                return
            self.path(str(path)).unlink(missing_ok=True)
            room += held

    def error(self, error: OSError) -> WarehouseError:
        """Return what to tell where the disk of the cache fails."""
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return WarehouseError(
                f"no space left for {self.folder}, which keeps files of the bucket: free some, or set XDG_CACHE_HOME "
                "to another disk; nothing is lost"
            )
        return WarehouseError(f"{self.folder} can't be written: {reason(error)}; set XDG_CACHE_HOME to another folder")

    def _data(self) -> Iterable[tuple[float, int, Path]]:
        for path in self.folder.glob("*/date=*/*.parquet"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                yield status.st_mtime, status.st_size, path.relative_to(self.folder)


class Tags(dict[str, str]):
    """The tags of names, those that were learned last: whoever lacks one asks the bucket."""

    def __setitem__(self, name: str, tag: str) -> None:
        """Remember *tag*; a process that follows for months lists a new entry each second."""
        super().__setitem__(name, tag)
        if len(self) > _MOST_TAGS:
            self.forget([*self][: _MOST_TAGS // 2])

    def forget(self, names: Iterable[str]) -> None:
        """Remember nothing of *names*."""
        for name in names:
            self.pop(name, None)


def is_data(name: str) -> bool:
    """Tell whether *name* is a data file of a table: its name is used for no other content, ever."""
    return "/date=" in name


def is_entry(name: str) -> bool:
    """Tell whether *name* is of a log, which is read again and again: of what is put only this is kept."""
    return "/_delta_log/" in name


def _stamp(tag: str) -> int:
    """Return *tag* as a time, in ns since 1970, that a file can have: before 2007."""
    return xxhash.xxh3_64_intdigest(tag.encode()) >> 4


def _bound() -> int:
    text = os.environ.get(BOUND)
    if not text:
        return USUAL_BOUND
    try:
        return int(text)
    except ValueError:
        raise WarehouseError(f"${BOUND} is {text!r}; it is a number of bytes, such as 5000000000") from None
