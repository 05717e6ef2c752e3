"""One followed file: what it is called now, how far it is read, and what it looked like then."""

import contextlib
import json
import os
import resource
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from typing import NamedTuple

from ingest.files.paths import member
from ingest.files.streams import QUIET_SECONDS, Key, PlainStream, Stream, is_ended, is_sealed, key_of, open_stream
from ingest.reading.cursor import Cursor
from ingest.reading.publisher import COMMIT_BYTES, COMMIT_ROWS


@dataclass
class Tracked:
    """One file, by device and inode, under whatever name it has now.

    It is `retired` when its log is another file now, and `packed` when it turned out so, whatever its name says. `size`
    and when it was `written` are as they were when the names were listed last. It `grows` once it has changed while it
    was open, or may from the start, as one of the `newest`. It `waits` while its last line has no end; closed
    meanwhile, it has so many bytes of a `rest`. What is no object by itself is `torn`: it is not looked at again while
    the file is as it was `seen`.
    """

    path: Path
    key: Key
    present: bool = True
    retired: bool = False
    packed: bool = False
    cursor: Cursor | None = None
    size: int = 0
    written: float = 0.0
    grows: bool = False
    seen: tuple[int, int] = (-1, -1)
    changed_at: float = 0.0
    more: bool = False
    waits: bool = False
    rest: int = 0
    torn: tuple[int, int] = (-1, -1)
    complaint: str = ""


class Held(NamedTuple):
    """How many rows and bytes of files wait to be committed, and how many of the files are open."""

    rows: int
    bytes: int
    opened: int

    @property
    def is_enough(self) -> bool:
        """Whether a commit must come before more is read."""
        return self.rows >= COMMIT_ROWS or self.bytes >= COMMIT_BYTES

    def changed(self, before: "Held", now: "Held") -> "Held":
        """Return what it is when what some of the files held *before* is what they hold *now*."""
        if before == now:
            return self
        return Held(*(whole - old + new for whole, old, new in zip(self, before, now, strict=True)))


_NOTHING = Held(0, 0, 0)


def holds(file: Tracked) -> Held:
    """Return what one *file* holds."""
    cursor = file.cursor
    return Held(cursor.pending_rows, cursor.pending_bytes, 1) if cursor else _NOTHING


def held(files: Iterable[Tracked]) -> Held:
    """Return what *files* hold."""
    cursors = [f.cursor for f in files if f.cursor]
    return Held(sum(c.pending_rows for c in cursors), sum(c.pending_bytes for c in cursors), len(cursors))


def is_new(file: Tracked) -> bool:
    """Tell whether *file* was never opened, or is to be opened anew for a last line without an end."""
    return file.cursor is None and (file.seen[0] < 0 or file.rest > 0)


def has_more(file: Tracked) -> bool:
    """Tell whether there is more to do with *file* right away; what can't be read is tried again in its time."""
    lost = file.cursor is not None and file.cursor.is_lost and file.seen[0] > 0
    return file.more or (lost and not file.complaint)


def has_nothing(file: Tracked) -> bool:
    """Tell whether *file* was read to its end, and no format knew a line of it."""
    cursor = file.cursor
    if cursor is None or file.more or behind(file):
        return False
    return cursor.position > 0 and cursor.committed is None and not cursor.claimed


def behind(file: Tracked) -> int:
    """Return how many bytes of *file* have not been read: all that are there of one that was never opened."""
    if file.cursor is None:
        if file.size == file.seen[0] or not file.present:  # as of most of many
            return file.rest if file.present else 0
        return max(0, file.size - max(0, file.seen[0])) + file.rest
    if not isinstance(file.cursor.stream, PlainStream):
        return 0
    return max(0, file.seen[0] - file.cursor.position)


def rename(tracked: dict[Key, Tracked], paths: Iterable[Path], retired: Sequence[Path] = ()) -> bool:
    """Give the files of *tracked* the names that *retired* generations and *paths* say, adding those that are new.

    What is new comes in that order behind those that had names. Return whether any of those lost theirs.
    """
    before, over = {file.path: key for key, file in tracked.items() if file.present}, set(retired)
    for file in tracked.values():
        file.present = False
    for path in (*retired, *paths):
        try:
            status = path.stat()
        except OSError:
            continue
        key = key_of(status)
        file = tracked.setdefault(key, Tracked(path, key))
        if not file.present:
            file.path, file.present, file.retired = path, True, path in over
        file.size, file.written = status.st_size, status.st_mtime
        if file.cursor is not None:
            file.cursor.rename(file.path)
    return any(not tracked[key].present or tracked[key].path != path for path, key in before.items())


def newest(files: Iterable[Tracked]) -> list[Key]:
    """Return those of *files* that nobody has opened yet and that were written last, with their generations.

    They may be what is being written now, and need not wait for thousands of others. Where they belong to too many, or
    all can be opened at once, it is none.
    """
    unopened = [f for f in files if f.present and f.cursor is None and f.seen[0] < 0]
    if len(unopened) <= MAX_NEWEST:
        return []
    bases = {member(f.path).base for f in nlargest(MAX_NEWEST, unopened, key=lambda f: f.written)}
    found = [f for f in unopened if member(f.path).base in bases]
    if len(found) > 4 * MAX_NEWEST:
        return []
    for file in found:
        file.grows = True
    return [file.key for file in found]


def idlest(files: Iterable[Tracked], *, but: int) -> list[Tracked]:
    """Return those of *files* that may be closed, *but* so many that grew, or else were opened, last."""
    idle = sorted((f for f in files if is_idle(f)), key=lambda f: (f.grows, f.changed_at))
    return idle[: max(0, len(idle) - but)]


def is_idle(file: Tracked) -> bool:
    """Tell whether nothing is lost when *file* is closed: all of it was read, and nothing waits to be committed.

    A source that has yielded nothing is not committed; should it grow, it is read again from its beginning. So is a
    last line without an end.
    """
    cursor = file.cursor
    if cursor is None or not file.present or file.more or cursor.owes:
        return False
    return file.waits or not behind(file)


def is_due(file: Tracked, status: os.stat_result) -> bool:
    """Tell whether *file*, which was closed while its last line had no end, has been quiet for long enough since."""
    return file.rest > 0 and file.torn != file.seen and time.time() - status.st_mtime >= QUIET_SECONDS


def ends(file: Tracked, cursor: Cursor) -> bool:
    """Tell whether the last line of *file*, which has no end, is complete: an object, or nobody can go on with it."""
    if is_over(file, cursor):
        return True
    if file.torn == file.seen or not is_ended(cursor.stream):
        return False
    if not is_object(cursor.stream.read(cursor.position, MAX_OBJECT)):
        file.torn = file.seen
    return file.torn != file.seen


def is_whole(stream: Stream, rest: bytes) -> bool:
    """Tell whether the *rest* of a live file, its last line, is complete though it has no end, as an object is."""
    return is_object(rest) and is_ended(stream)


def is_object(line: bytes) -> bool:
    """Tell whether *line* is a JSON object: nothing that is written behind it can belong to it."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def is_at_end(cursor: Cursor) -> bool:
    """Tell whether all of the file was read and nothing waits to be committed; nobody knows it of one with errors."""
    try:
        return not cursor.owes and not cursor.stream.read(cursor.position, 1)
    except OSError:
        return False


def is_over(file: Tracked, cursor: Cursor) -> bool:
    """Tell whether *file* is a rotated or unlinked generation that has been quiet for long, and nobody can write to."""
    retired = file.retired or not file.present or (not member(file.path).live and member(file.path).base.exists())
    return retired and is_sealed(cursor.stream, quiet_seconds=time.monotonic() - file.changed_at)


def is_gone(file: Tracked) -> bool:
    """Tell whether *file* has no name any more, and there is nothing more to read of it."""
    cursor = file.cursor
    return not file.present and (cursor is None or (is_at_end(cursor) and is_over(file, cursor)))


def state(status: os.stat_result) -> tuple[int, int]:
    """Return what changes when a file does: its size and the time it was written."""
    return status.st_size, status.st_mtime_ns


def open_itself(file: Tracked) -> Stream | None:
    """Open *file* and note what it is like; None when its name has gone to another since the names were listed."""
    stream = open_stream(file.path)
    status = stream.opened or file.path.stat()
    if key_of(status) != file.key != key_of(file.path.stat()):
        stream.close()
        return None
    file.seen, file.packed = state(status), not stream.can_grow
    return stream


def close(file: Tracked) -> None:
    """Close *file*, if it is open."""
    if file.cursor is not None:
        file.rest = behind(file) if file.waits else 0
        file.cursor.stream.close()
        file.cursor, file.waits = None, False


MAX_OBJECT = 4 << 20
"""A longer last line without an end waits for it."""


MAX_NEWEST = 64
"""How many new files are read before others: those that were written last."""


MAX_IDLE = 512
"""How many idle files are kept open; a file that was rotated or unlinked stays open until it is sealed."""


MAX_NEW = 2048
"""How many new files are open at once to be parsed together."""


RESERVE = 128
"""Descriptors for the tables, of whose log fifty entries are read at once, their locks, databases, late imports."""


ENOUGH = MAX_IDLE + MAX_NEW + 2 * RESERVE
"""As many as are ever of use."""


def allow_more() -> None:
    """Raise this process's limit to what is of use, where the system lets it: macOS begins with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_open() -> tuple[int, int]:
    """Return how many idle files may stay open, and how many new ones beside them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= ENOUGH:
        return MAX_IDLE, MAX_NEW
    new = max(4, (soft - min(RESERVE, soft // 2)) // 3)
    return min(MAX_IDLE, new), min(MAX_NEW, new)
