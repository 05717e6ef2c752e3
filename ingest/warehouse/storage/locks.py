"""Who may do what to a warehouse at the same time: maintenance alone, repair without any writer.

Readers and writers need no lock: each commit is a compare-and-swap. These are advisory locks of one machine, given
back by the system however the process ends.
"""

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import WarehouseError

MAINTENANCE = ".maintenance.lock"
WRITERS = ".writers.lock"


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
            raise BusyError(explanation) from None
        yield
    finally:
        os.close(descriptor)


def join(folder: Path, name: str, holder: object) -> int:
    """Hold the lock *name* together with others for as long as *holder* lives; return its descriptor.

    Raises:
        BusyError: A process holds it alone.
        WarehouseError: The folder can't be written.
    """
    descriptor = _open(folder, name)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BusyError(f"{folder} is being repaired; run the same command again afterwards") from None
    weakref.finalize(holder, os.close, descriptor)
    return descriptor


def is_current(descriptor: int, folder: Path, name: str) -> bool:
    """Tell whether the lock *name* of *folder* is still the file that *descriptor* is of."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(folder / name))  # noqa: PTH116 # samestat's twin
    except OSError:
        return False


def _open(folder: Path, name: str) -> int:
    try:
        return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except PermissionError as error:
        raise WarehouseError(f"{folder} may not be written by this user: ask its owner, or change its mode") from error
    except OSError as error:
        raise WarehouseError(f"{folder}: {error.strerror or error}; name the warehouse with --warehouse") from error
