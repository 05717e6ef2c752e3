"""One followed file: what it is called now, how far it is read, and what it looked like then."""

import os
from dataclasses import dataclass
from pathlib import Path

from ingest.cursor import Cursor
from ingest.streams import PlainStream

Key = tuple[int, int]
"""Device and inode."""


@dataclass
class Tracked:
    """One file, by device and inode, under whatever name it has now."""

    path: Path
    present: bool = True
    cursor: Cursor | None = None
    seen: tuple[int, int] = (-1, -1)
    changed_at: float = 0.0
    more: bool = False
    done: bool = False
    complaint: str = ""


def holds(file: Tracked) -> tuple[int, int]:
    """Return how many rows and bytes of *file* wait to be committed."""
    return (file.cursor.pending_rows, file.cursor.pending_bytes) if file.cursor else (0, 0)


def behind(file: Tracked) -> int:
    """Return how many bytes of a plain file have not been read."""
    if file.cursor is None or not isinstance(file.cursor.stream, PlainStream):
        return 0
    return max(0, file.seen[0] - file.cursor.position)


def state(status: os.stat_result) -> tuple[int, int]:
    """Return what changes when a file does: its size and the time it was written."""
    return status.st_size, status.st_mtime_ns


def close(file: Tracked) -> None:
    """Close *file*, if it is open."""
    if file.cursor is not None:
        file.cursor.stream.close()
        file.cursor = None
