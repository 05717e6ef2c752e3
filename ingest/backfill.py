"""History → warehouse: every file of the given paths once, the oldest first, many files in one commit."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.cursor import Cursor
from ingest.errors import SourceError
from ingest.identity import HEAD, known_names
from ingest.intake import Intake
from ingest.sealing import is_sealed, quiet_seconds
from ingest.sources import expand
from ingest.streams import PackedStream, PlainStream, open_stream

log = logging.getLogger(__name__)

COMMIT_ROWS = 200_000
"""Rows that are held in memory before they are committed."""

COMMIT_BYTES = 512 << 20
"""Bytes that are read before their offsets are committed, however few rows they hold."""

STDIN = Path("-")


@dataclass
class Outcome:
    """What a backfill did: files read, files that failed and why, files that hold nothing it knows, open last lines."""

    files: int = 0
    bytes: int = 0
    failed: list[str] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    open_ended: list[Path] = field(default_factory=list)


def find(paths: Sequence[str]) -> list[Path]:
    """Return the files that *paths* name, families in their order.

    Raises:
        SourceError: One of them names nothing.
    """
    files: list[Path] = []
    for path in paths:
        found = [STDIN] if path == "-" else expand([path], families=True)
        if not found:
            raise SourceError(f"no such file, folder or match: {path}")
        files += [f for f in found if f not in files]
    return files


def backfill(files: Sequence[Path], intake: Intake, *, progress: Callable[[int, Path], None]) -> Outcome:
    """Read *files* to their ends and commit what they hold; call *progress* with bytes read and the file.

    A file that can't be read doesn't stop the others. What is already in the warehouse is not read into it again.

    Raises:
        WarehouseError: Nothing more can be written; what was committed stays, and a later run goes on from there.
    """
    outcome = Outcome()
    queue, waiting = list(files), [Cursor]
    waiting.clear()
    open_cursors: list[Cursor] = []
    while queue:
        path = queue.pop(0)
        try:
            cursor = _open(path, intake)
            if cursor is not None:
                _read(cursor, intake, open_cursors, outcome, progress)
        except (OSError, SourceError) as error:
            outcome.failed.append(f"{path}: {_reason(error)}")
        outcome.files += 1
        if not queue:
            _flush(intake, open_cursors, wait=True)
            queue += [c.path for c in open_cursors if c.lost]
            open_cursors.clear()
    return outcome


def _read(
    cursor: Cursor,
    intake: Intake,
    open_cursors: list[Cursor],
    outcome: Outcome,
    progress: Callable[[int, Path], None],
) -> None:
    """Read *cursor* to its end, committing now and then."""
    open_cursors.append(cursor)
    yielded = cursor.committed is not None
    sealed = cursor.path == STDIN or is_sealed(cursor.stream, quiet_seconds=_quiet(cursor))
    while True:
        if not intake.may_read(cursor):
            _flush(intake, open_cursors, wait=True)
            intake.place(cursor)
        taken = intake.read(cursor, sealed=sealed)
        yielded = yielded or cursor.pending_rows > 0
        if not taken:
            break
        outcome.bytes += taken
        progress(taken, cursor.path)
        if _is_due(open_cursors):
            _flush(intake, open_cursors, wait=False)
            if cursor.lost:
                intake.place(cursor)
    if not yielded and cursor.position:
        outcome.unknown.append(cursor.path)
    if cursor.stream.read(cursor.position, 1):
        outcome.open_ended.append(cursor.path)
    cursor.stream.close()


def _open(path: Path, intake: Intake) -> Cursor | None:
    if path != STDIN:
        return intake.bind(path)
    stream = open_stream(path)
    head = stream.read(0, HEAD)
    if next(known_names(head, intake.warehouse), None):
        # A pipe can't be read twice, and finding out which source it is may need that.
        stream = _spooled(stream)
    cursor = Cursor(path, stream, intake.formats)
    return cursor if intake.place(cursor) else None


def _spooled(stream: PackedStream) -> PlainStream:
    with tempfile.NamedTemporaryFile(prefix="ingest-stdin-") as file:
        at = 0
        while data := stream.read(at, 1 << 20):
            file.write(data)
            at += len(data)
        file.flush()
        return PlainStream(Path(file.name))


def _is_due(cursors: Sequence[Cursor]) -> bool:
    rows = sum(c.pending_rows for c in cursors)
    return rows >= COMMIT_ROWS or sum(c.pending_bytes for c in cursors) >= COMMIT_BYTES


def _flush(intake: Intake, cursors: Sequence[Cursor], *, wait: bool) -> None:
    intake.flush(cursors, wait=wait, file_times=True)


def _quiet(cursor: Cursor) -> float:
    return quiet_seconds(cursor.path)


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
