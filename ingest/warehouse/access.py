"""Whether this user may read a warehouse: what may not be read is neither damaged nor missing."""

import os
from pathlib import Path

from ingest.errors import WarehouseError
from parsers.schema import TABLES


def check(folder: Path) -> None:
    """See that this user may look into the folders of the warehouse at *folder*, as far as they are there.

    Raises:
        WarehouseError: One of them may not be read.
    """
    _names(folder)
    for name in TABLES:
        _names(folder / name)
        _names(folder / name / "_delta_log")


def is_made(folder: Path) -> bool:
    """Tell whether all tables are there, in whatever state.

    Raises:
        WarehouseError: That may not be known.
    """
    return all(_names(folder / name / "_delta_log") for name in TABLES)


def _names(folder: Path) -> list[str]:
    """Return what is in *folder*; nothing when it isn't there, or is none."""
    try:
        os.stat(f"{folder}/.")  # noqa: PTH116 # Path drops the dot: to list a folder isn't yet to open what is in it
        return os.listdir(folder)  # noqa: PTH208 # names
    except PermissionError as error:
        raise WarehouseError(denied(folder)) from error
    except OSError:
        return []


def denied(path: Path | str) -> str:
    """Say that *path* may not be read, and what to do."""
    return f"{path} may not be read by this user: ask its owner, or change its mode"
