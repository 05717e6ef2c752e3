"""Who may do what to a warehouse at the same time: maintenance alone, repair without any writer.

Readers and writers need no lock: each commit is a compare-and-swap. These are advisory locks of one machine, given
back by the system however the process ends. Whoever may read the folder can take one as well (`flock` does), and holds
up maintenance with it, but no writer: who holds a lock alone and is one of us has put its process into the file.
"""

import fcntl
import logging
import os
import re
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import WarehouseError
from parsers.values.messages import denied

MAINTENANCE = ".maintenance.lock"
WRITERS = ".writers.lock"

_HELD = re.compile(r"^\d+: FLOCK +\S+ +\S+ +(\d+) [0-9a-f]+:[0-9a-f]+:(\d+) ", re.MULTILINE)
"""A line of Linux's list of locks: the process, and the number of the file."""

log = logging.getLogger(__name__)


class BusyError(WarehouseError):
    """Another process holds the lock."""


@contextmanager
def alone(folder: Path, name: str, explanation: str) -> Iterator[None]:
    """Hold the lock *name* of the warehouse at *folder* for the length of the block, without waiting for it.

    Raises:
        BusyError: Another process holds it; the message is *explanation*.
        WarehouseError: There is no such folder, or it can't be written.
    """
    descriptor = _open(folder, name)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _told(_holders(descriptor))
            raise BusyError(f"{explanation} ({holder})" if holder else explanation) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def join(folder: Path, name: str, holder: object) -> int:
    """Hold the lock *name* together with others for as long as *holder* lives; return its descriptor.

    If a stranger holds it alone, nobody can repair until that ends, and `is_ours` takes it then.

    Raises:
        BusyError: A process holds it alone.
        WarehouseError: The folder can't be written.
    """
    descriptor = _open(folder, name)
    if not _shared(descriptor):
        if _is_one_of_us(descriptor):
            os.close(descriptor)
            raise BusyError(f"{folder} is being repaired; run the same command again afterwards")
        stranger = _told(_holders(descriptor)) or "another program"
        log.warning("%s holds the lock of %s: nobody can repair that until it lets go", stranger, folder)
    weakref.finalize(holder, os.close, descriptor)
    return descriptor


def is_ours(descriptor: int, folder: Path, name: str) -> bool:
    """Tell whether *descriptor* still holds the lock *name* of *folder*, or nobody who repairs does."""
    try:
        same = os.path.samestat(os.fstat(descriptor), os.stat(folder / name))  # noqa: PTH116 # samestat's twin
    except OSError:
        return False
    return same and (_shared(descriptor) or not _is_one_of_us(descriptor))


def _shared(descriptor: int) -> bool:
    """Hold the lock of *descriptor* together with others, if nobody holds it alone."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_one_of_us(descriptor: int) -> bool:
    """Tell whether the process that holds the lock of *descriptor* alone is the one that its file names."""
    named = os.pread(descriptor, 32, 0).decode("ascii", "replace")
    holders = _holders(descriptor)
    return bool(named) and (not holders or named in holders)


def _holders(descriptor: int) -> list[str]:
    """Return the processes that hold the lock of *descriptor*; none where the system doesn't tell."""
    try:
        listed = Path("/proc/locks").read_text("ascii", "replace")
    except OSError:
        return []
    inode = str(os.fstat(descriptor).st_ino)
    return [process for process, file in _HELD.findall(listed) if file == inode]


def _told(holders: Sequence[str]) -> str:
    """Return who the first of *holders* is; nothing when there is none."""
    if not holders:
        return ""
    try:
        called = Path("/proc", holders[0], "comm").read_text("ascii", "replace").strip()
    except OSError:
        called = ""
    return f"process {holders[0]}, {called}" if called and called.isprintable() else f"process {holders[0]}"


def _open(folder: Path, name: str) -> int:
    try:
        return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError as error:
        raise WarehouseError(denied(folder, read=False, written=True)) from error
    except OSError as error:
        raise WarehouseError(f"{folder}: {error.strerror or error}; name the warehouse with --warehouse") from error
