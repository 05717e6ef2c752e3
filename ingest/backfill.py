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
from ingest.streams import PlainStream, Stream, open_stream

log = logging.getLogger(__name__)

COMMIT_ROWS = 120_000
"""Rows that are held in memory before they are committed."""

COMMIT_BYTES = 512 << 20
"""Bytes that are read before their offsets are committed, however few rows they hold."""

STDIN = Path("-")


@dataclass
class Outcome:
    """What a backfill did: files read, files that failed and why, files that hold nothing it knows, open last lines."""

    files: int = 0
    tables: int = 0
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
    outcome, reading = Outcome(), _Reading(intake)
    queue = list(files)
    while queue:
        path = queue.pop(0)
        try:
            _read(path, reading, outcome, progress)
        except (OSError, SourceError) as error:
            outcome.failed.append(f"{path}: {_reason(error)}")
        outcome.files += 1
        if not queue:
            queue = reading.finish()
    return outcome


@dataclass
class _Reading:
    """The cursors whose rows wait to be committed, and those whose rows are on their way."""

    intake: Intake
    waiting: list[Cursor] = field(default_factory=list)
    flying: list[Cursor] = field(default_factory=list)
    again: list[Path] = field(default_factory=list)

    def flush(self, *, wait: bool) -> None:
        """Commit what waits, after what is on its way."""
        self.intake.settle()
        self.again += [c.path for c in self.flying if c.lost and c not in self.waiting and c.path != STDIN]
        self.intake.flush(self.waiting, wait=wait, file_times=True)
        self.flying, self.waiting = self.waiting, []

    def is_due(self) -> bool:
        """Whether enough waits to be worth a commit."""
        rows = sum(c.pending_rows for c in self.waiting)
        return rows >= COMMIT_ROWS or sum(c.pending_bytes for c in self.waiting) >= COMMIT_BYTES

    def finish(self) -> list[Path]:
        """Commit everything; return the files that must be read again because another writer read them too."""
        self.flush(wait=True)
        self.flush(wait=True)
        again, self.again = self.again, []
        return again


def _read(path: Path, reading: _Reading, outcome: Outcome, progress: Callable[[int, Path], None]) -> None:
    """Read *path* to its end, committing now and then."""
    intake = reading.intake
    cursor = _open(path, intake)
    if cursor is None:
        return
    try:
        known, consumed = cursor.committed is not None, 0
        sealed = path == STDIN or is_sealed(cursor.stream, quiet_seconds=quiet_seconds(path))
        while _is_placed(cursor, reading) and (taken := intake.read(cursor, sealed=sealed)):
            if cursor not in reading.waiting:
                reading.waiting.append(cursor)
            outcome.bytes += taken
            progress(cursor.stream.consumed(cursor.position) - consumed, path)
            consumed = cursor.stream.consumed(cursor.position)
            if reading.is_due():
                reading.flush(wait=False)
        if not known and not cursor.claimed and cursor.stream.read(cursor.position and cursor.position - 1, 1):
            outcome.unknown.append(path)
        if cursor.stream.read(cursor.position, 1):
            outcome.open_ended.append(path)
    finally:
        cursor.stream.close()


def _is_placed(cursor: Cursor, reading: _Reading) -> bool:
    """Wait for whoever may be reading the same source; False when nothing is left to read then."""
    if not reading.intake.may_read(cursor):
        reading.flush(wait=True)
        return reading.intake.place(cursor)
    return not cursor.lost or reading.intake.place(cursor)


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


def _spooled(stream: Stream) -> PlainStream:
    with tempfile.NamedTemporaryFile(prefix="ingest-stdin-") as file:
        at = 0
        while data := stream.read(at, 1 << 20):
            file.write(data)
            at += len(data)
        file.flush()
        return PlainStream(Path(file.name))


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
