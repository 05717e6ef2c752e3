"""Bytes that survive a power cut: the only place that calls fsync.

`deltalake` never does (measured on 1.6.3 by strace), so the commit of every table passes through here.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from ingest.errors import WarehouseError
from parsers.schema import ALL_TABLES, TABLES
from parsers.values.messages import denied


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


def check(folder: Path) -> None:
    """See that this user may look into the folders of the warehouse at *folder*, as far as they are there.

    Raises:
        WarehouseError: One of them may not be read.
    """
    _names(folder)
    for name in ALL_TABLES:
        _names(folder / name)
        _names(folder / name / "_delta_log")


def is_made(folder: Path) -> bool:
    """Tell whether all tables are there, in whatever state.

    Raises:
        WarehouseError: That may not be known.
    """
    return all(_names(folder / name / "_delta_log") for name in TABLES)


def tables(folder: Path) -> list[str]:
    """Return the tables of the warehouse at *folder*: those that each has, and of the others those that are there."""
    return [name for name in ALL_TABLES if name in TABLES or (folder / name / "_delta_log").is_dir()]


def _names(folder: Path) -> list[str]:
    """Return what is in *folder*; nothing when it isn't there, or is none."""
    try:
        os.stat(f"{folder}/.")  # noqa: PTH116 # Path drops the dot: to list a folder isn't yet to open what is in it
        return os.listdir(folder)  # noqa: PTH208 # names
    except PermissionError as error:
        raise WarehouseError(denied(folder)) from error
    except OSError:
        return []
