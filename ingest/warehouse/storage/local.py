"""A warehouse in a folder, whose bytes survive a power cut: the only place that calls fsync."""

import contextlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import compress
from pathlib import Path

from ingest.errors import WarehouseError, reason
from ingest.warehouse.storage import locks
from ingest.warehouse.storage.store import Fence, Found, Held, UnsureError, Writer
from parsers.values.messages import denied

_TEMPORARY = ".tmp"


class Folder:
    """A `Store` whose names are files below *path*."""

    shared = False

    def __init__(self, path: str | Path) -> None:
        self.folder = Path(path)

    def shown(self, name: str = "") -> str:
        """Return the path of *name*."""
        return str(self.folder / name)

    def get(self, name: str) -> bytes:
        """Return what *name* holds now."""
        return (self.folder / name).read_bytes()

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return what those of *names* hold now that are there."""
        return {name: self.get(name) for name in names if (self.folder / name).exists()}

    def put(self, name: str, data: bytes) -> None:
        """Let *name* hold *data*, durably: who reads it sees the old or the new."""
        path = self.folder / name
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        make_folder(path.parent)
        try:
            part.write_bytes(data)
            sync_file(part)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def put_if_absent(self, name: str, data: bytes) -> str | None:
        """Let *name* hold *data*, durably, if there is no such name yet; None if there is."""
        path = self.folder / name
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}{_TEMPORARY}")
        try:
            part.write_bytes(data)
            sync_file(part)
            path.hardlink_to(part)
        except FileExistsError:
            return None
        except OSError:
            if not (path.exists() and path.samefile(part)):
                raise  # else the disk says that it failed when it didn't
        finally:
            part.unlink(missing_ok=True)
        try:
            sync_folder(path.parent)
            return _tag(path.stat())
        except OSError as error:
            raise UnsureError(f"{path} may be lost again: {reason(error)}; run the same command again") from error

    def begin(self, files: Mapping[str, bytes]) -> dict[str, Found]:
        """Let each name of *files* hold its data if there is no such name yet; return what is known of those."""
        make_folder(self.folder)
        with ThreadPoolExecutor(len(files)) as pool:  # the disk is waited for once instead of for each
            ours = list(pool.map(self._begin, files, files.values()))
        sync_folder(self.folder)
        with contextlib.suppress(PermissionError):
            sync_folder(self.folder.parent)
        return self.find(*compress(files, ours))

    def _begin(self, name: str, data: bytes) -> bool:
        path = self.folder / name
        make_folder(path.parent)
        is_ours = not path.exists() and self.put_if_absent(name, data) is not None  # nor is a full disk asked for more
        sync([path])
        sync_folder(path.parent.parent)
        return is_ours

    def replace_if(self, name: str, data: bytes, tag: str) -> str | None:
        """Let *name* hold *data* if it still has *tag*; for those who hold the lock that guards it."""
        if (found := self.find(name).get(name)) is None or found.tag != tag:
            return None
        self.put(name, data)
        return _tag((self.folder / name).stat())

    def list(self, *folders: str, after: str = "") -> list[Found]:
        """Return the files below *folders* with names behind *after*, in the order of names."""
        return sorted(found for folder in folders for found in self._walk(folder, after))

    def delete(self, names: Iterable[str]) -> None:
        """Delete the files of *names*."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def find(self, *names: str) -> dict[str, Found]:
        """Return what is known of those files of *names* that are there."""
        found = {}
        for name in names:
            with contextlib.suppress(OSError):
                found[name] = _found(name, (self.folder / name).stat())
        return found

    def file(self, name: str) -> Path:
        """Return the file of *name*."""
        return self.folder / name

    def fetch(self, names: Sequence[str]) -> None:
        """Nothing: files are at hand."""

    def write(self, files: Mapping[str, Writer], folder: str | None = None) -> Sequence[int]:
        """Let the file of each name hold what its function writes, durably; return their sizes."""
        paths = [self.folder / name for name in files]
        for path, write in zip(paths, files.values(), strict=True):
            path.parent.mkdir(exist_ok=True)
            write(path)
        self.settle(list(files), folder)
        return [path.stat().st_size for path in paths]

    def keep(self, names: Sequence[str]) -> None:
        """Force the files of *names* to the disk."""
        self.settle(names)

    def settle(self, names: Sequence[str], folder: str | None = None) -> None:
        """Force the files of *names* to the disk, and the names of the folders in *folder*."""
        sync([self.folder / name for name in names])
        if folder is not None:
            sync_folder(self.folder / folder)

    @contextmanager
    def alone(self, name: str, explanation: str) -> Iterator[Fence]:
        """Hold the lock *name* for the length of the block; the system takes it from nobody who lives."""
        with locks.alone(self.folder, name, explanation):
            yield lambda: None

    def join(self, name: str, holder: object) -> Held:
        """Hold the lock *name* together with others while *holder* lives."""
        return partial(locks.is_ours, locks.join(self.folder, name, holder), self.folder, name)

    def now(self) -> float:
        """Return the time."""
        return time.time()

    def check(self, folders: Iterable[str]) -> None:
        """See that this user may look into *folders*, as far as they are there.

        Raises:
            WarehouseError: One of them may not be read.
        """
        for folder in folders:
            _names(self.folder / folder)

    def prune(self, folder: str) -> None:
        """Nothing: what is here is what is there."""

    def trim(self, needed: Sequence[Found]) -> None:
        """Nothing: a folder holds everything."""

    def _walk(self, folder: str, after: str) -> Iterator[Found]:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder / folder) as found:
            for entry in found:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir():
                    yield from self._walk(name, after)
                elif name > after and not name.endswith(_TEMPORARY):
                    with contextlib.suppress(FileNotFoundError):
                        yield _found(name, entry.stat())


def _found(name: str, status: os.stat_result) -> Found:
    return Found(name, status.st_size, status.st_mtime_ns, _tag(status))


def _tag(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}"


def sync_file(path: Path) -> None:
    """Force the bytes of *path* to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Force the names in folder *path* to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make folder *path*, and those above it, and force the names of all that were missing to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)


def sync(files: Iterable[Path]) -> None:
    """Force *files* and the folders that name them to the disk, files first; what is gone meanwhile is left out."""
    folders = set()
    for path in files:
        with contextlib.suppress(FileNotFoundError):
            sync_file(path)
            folders.add(path.parent)
    for folder in folders:
        sync_folder(folder)


def _names(folder: Path) -> list[str]:
    """Return what is in *folder*; nothing when it isn't there, or is none.

    Raises:
        WarehouseError: It may not be read.
    """
    try:
        os.stat(f"{folder}/.")  # noqa: PTH116 # Path drops the dot: to list a folder isn't yet to open what is in it
        return os.listdir(folder)  # noqa: PTH208 # names
    except PermissionError as error:
        raise WarehouseError(denied(folder)) from error
    except OSError:
        return []
