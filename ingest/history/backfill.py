"""History → warehouse: every file of the given paths once, the oldest first, many files in one commit.

Names move while files are rotated, so which file was read is known by its device and inode, and before it ends a
backfill looks again for files that it has not met.
"""

import contextlib
import errno
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.errors import SourceError, complaint
from ingest.files.generations import Found, search
from ingest.files.identity import HEAD, known_names
from ingest.files.paths import STDIN, Listing, family, key_at
from ingest.files.streams import Key, PlainStream, Stream, is_ended, key_of, open_stream
from ingest.ledger import Ledger
from ingest.reading.cursor import Cursor
from ingest.reading.intake import Intake
from ingest.reading.publisher import COMMIT_BYTES, COMMIT_ROWS
from ingest.reading.small_files import SmallFiles, Turn

log = logging.getLogger(__name__)

EARLY_ROWS = COMMIT_ROWS // 2
"""Rows that are worth a commit while nothing else is being committed: at the end little is left to wait for."""

ROUNDS = 4
"""How often files are put off because they may be the same source as another, before each is read alone."""

LOOKS = 5
"""How often the paths are searched for files that have not been read, as those were renamed or packed meanwhile."""


@dataclass
class Outcome:
    """What a backfill did: files read, files that failed and why, files that hold nothing it knows, open last lines.

    `gone` are files that were listed and not there any more when it was their turn, under no name. `others` are those
    in given folders that don't look like logs, and `unlooked` how many more nobody looked at: they are passed over.
    `unread` says of how many lines of a file tokens and a model are told, and no format reads them. `silent` are
    objects of a bucket that hold nothing it knows. `missing` are files that may have another name by now, which whoever
    has chosen them looks for.
    """

    files: int = 0
    tables: int = 0
    bytes: int = 0
    failed: list[str] = field(default_factory=list)
    gone: list[Path] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    open_ended: list[Path] = field(default_factory=list)
    others: Sequence[Path] = ()
    unlooked: int = 0
    unread: dict[Path, int] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    missing: list[Path] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Add what was read beside this, of other files."""
        self.files += other.files
        self.tables += other.tables
        self.bytes += other.bytes
        self.failed += other.failed
        self.gone += other.gone
        self.unknown += other.unknown
        self.open_ended += other.open_ended
        self.unread |= other.unread
        self.silent += other.silent
        self.missing += other.missing

    def join(self, read: "Outcome", addresses: Mapping[Path, str]) -> None:
        """Add what was *read* of files that are called by their *addresses*."""
        self.files += read.files
        self.bytes += read.bytes
        for path, address in addresses.items():
            failed = (text for text in read.failed if text.startswith(str(path)))
            self.failed += [address + text.removeprefix(str(path)) for text in failed]
        self.silent += [addresses[path] for path in read.unknown if path in addresses]


def backfill(listing: Listing, intake: Intake, *, progress: Callable[[int, Path], None] | None = None) -> Outcome:
    """Read the files of *listing* to their ends and commit what they hold; call *progress* with bytes and the file.

    A file that can't be read doesn't stop the others. What is already in the warehouse is not read into it again.

    Raises:
        WarehouseError: Nothing more can be written; what was committed stays, and a later run goes on from there.
    """
    reading = _Reading(intake, progress)
    generations = reading.generations(look_beside(listing, intake.ledger))
    queue, rounds = [*generations, *listing.files], 0 if STDIN in listing.files else ROUNDS
    for _ in range(LOOKS):
        while queue:
            later = _round(queue, reading, SmallFiles(intake, _seals) if rounds else None)
            rounds -= bool(later)
            queue = reading.finish() + later
        queue = reading.unmet(listing)
        if not queue:
            break
    missed = reading.missed(listing)
    if listing.paths:
        tell_missing(missed, reading.outcome)
    else:
        reading.outcome.missing += missed  # whoever chose the files knows by which other names they may be read
    return reading.outcome


def tell_missing(paths: Iterable[Path], outcome: Outcome) -> None:
    """Note in *outcome* that files were listed as *paths*, and that nobody found them there or under another name."""
    for path in paths:
        if family(path):
            outcome.gone.append(path)
        else:
            outcome.failed.append(f"{path}: {os.strerror(errno.ENOENT)}")


def look_beside(listing: Listing, known: Ledger) -> Found:
    """Look for generations of the logs of *listing*, and for what is passed over in its folders."""
    # Of an empty warehouse nothing can go on elsewhere; a folder is searched for what is passed over, too.
    if not listing.paths or not (known.sources() or any(map(os.path.isdir, listing.paths))):
        return Found()
    return search(listing.paths, listing.files, known)


def _seals(stream: Stream, rest: bytes) -> bool:
    """Tell whether a last line without an end is read as it is: nobody goes on with it, whatever the *rest* holds."""
    del rest
    return is_ended(stream)


def _round(files: Sequence[Path], reading: "_Reading", small: SmallFiles | None) -> list[Path]:
    """Read *files*; return those that may be the same source as one of the others, for the next round."""
    later = []
    for path in files:
        if reading.visit(path, small):
            later.append(path)
        if small and small.full:
            reading.join(small, ahead=reading.intake.ahead.most)
    if small:
        reading.join(small, ahead=0)
    return later


@dataclass
class _Reading:
    """The cursors whose rows wait to be committed, and those whose rows are on their way; which files were `met`."""

    intake: Intake
    progress: Callable[[int, Path], None] | None
    outcome: Outcome = field(default_factory=Outcome)
    met: set[Key] = field(default_factory=set)
    missing: list[Path] = field(default_factory=list)
    waiting: dict[int, Cursor] = field(default_factory=dict)
    flying: list[Cursor] = field(default_factory=list)
    again: list[Path] = field(default_factory=list)
    rows: int = 0
    bytes: int = 0

    def visit(self, path: Path, small: SmallFiles | None) -> bool:
        """Read *path*, or leave it to *small*; tell whether it must be visited again, after those that were taken."""
        turn = Turn.ALONE
        try:
            stream = open_stream(path)
            if stream.opened:
                self.met.add(key_of(stream.opened))
            if path == STDIN:
                stream = _rereadable(stream, self.intake.ledger)
            if cursor := self.intake.bind(path, stream):
                with contextlib.closing(cursor.stream):
                    turn = small.offer(cursor) if small else Turn.ALONE
                    if turn is Turn.ALONE:
                        self._read(cursor, offered=small is not None)
                    elif turn is Turn.LATER:
                        self._leave(cursor)
            if stream.damage and turn is Turn.ALONE:
                raise stream.damage
        except FileNotFoundError:
            self.missing.append(path)  # it may still be met under another name
            return False
        except (OSError, SourceError) as error:
            if key := key_at(path):
                self.met.add(key)
            self.outcome.failed.append(complaint(path, error))
        self.outcome.files += turn is not Turn.LATER
        return turn is Turn.LATER

    def generations(self, found: Found) -> Sequence[Path]:
        """Return the rotated generations that were *found* by what they hold, and note what else was."""
        self.outcome.others, self.outcome.unlooked = found.others, found.unlooked
        return found.generations

    def unmet(self, listing: Listing) -> list[Path]:
        """Return the files that belong to *listing* now and were not met."""
        now = listing.now()
        if now == listing.files or not listing.paths:
            return [path for path, key in now.items() if key and key not in self.met]
        found = search(listing.paths, now, self.intake.ledger)
        keys = {path: key_at(path) for path in self.generations(found)} | now
        return [path for path, key in keys.items() if key and key not in self.met]

    def missed(self, listing: Listing) -> list[Path]:
        """Return which files of *listing* were not met at all."""
        expected = dict.fromkeys([*self.missing, *(path for path, key in listing.files.items() if key)])
        return [path for path in expected if listing.files.get(path) not in self.met]

    def join(self, small: SmallFiles, *, ahead: int) -> None:
        """Have parsed what *small* holds, and take what of it is parsed, all but so many blocks."""
        small.begin()
        read, alone = small.parsed(but=ahead)
        for part in read:
            self.rows += part.cursor.pending_rows
            if part.cursor.unread:
                self.outcome.unread[part.cursor.path] = part.cursor.unread
            if not part.cursor.claimed:
                self.outcome.unknown.append(part.cursor.path)
            if part.left:
                self.outcome.open_ended.append(part.cursor.path)
            self._took(part.cursor, len(part.data) - part.left, part.consumed)
        if read and self._is_due():
            self.flush(wait=False)
        for cursor in alone:
            self.outcome.files -= 1
            self._leave(cursor)
            self.visit(cursor.path, None)

    def flush(self, *, wait: bool) -> list[Cursor]:
        """Commit what waits, after what is on its way; return which of those sources another writer has moved."""
        if self.flying:
            self.intake.settle()
            self._leave_lost([cursor for cursor in self.flying if cursor.is_lost])
        self.flying = list(self.waiting.values())
        self.waiting, self.rows, self.bytes = {}, 0, 0
        return self.intake.flush(self.flying, wait=wait, file_times=True)

    def finish(self) -> list[Path]:
        """Commit everything; return the files that must be read again because another writer read them too."""
        self._leave_lost(self.flush(wait=True))
        again, self.flying, self.again = self.again, [], []
        return again

    def _leave_lost(self, lost: Sequence[Cursor]) -> None:
        """Note the sources that were on their way and that another writer has moved: they are read again."""
        again = [c for c in lost if id(c) not in self.waiting and c.path != STDIN]
        for cursor in again:
            self._leave(cursor)
        self.again += [c.path for c in again]

    def _leave(self, cursor: Cursor) -> None:
        """Forget that *cursor* met its file: it will be opened anew by its name, which may be another's by then."""
        if cursor.stream.opened:
            self.met.discard(key_of(cursor.stream.opened))

    def _read(self, cursor: Cursor, *, offered: bool) -> None:
        """Read to the end, committing now and then; *offered* says that a new source has just been told it may."""
        new, consumed, left = cursor.is_new, 0, True
        sealed = is_ended(cursor.stream)
        its_turn = offered and new
        while (left or cursor.is_lost) and (its_turn or self._is_placed(cursor)):
            its_turn, before = False, cursor.pending_rows
            if not (taken := self.intake.read(cursor, sealed=sealed)):
                break
            self.rows += cursor.pending_rows - before
            position = cursor.position
            done = cursor.stream.consumed(position)
            left = bool(cursor.stream.read(position, 1))
            self._took(cursor, taken, done - consumed)
            consumed = done
            if self._is_due():
                self.flush(wait=False)
        if cursor.stream.damage:
            return
        if new and not cursor.claimed and cursor.stream.read(cursor.position and cursor.position - 1, 1):
            self.outcome.unknown.append(cursor.path)
        if cursor.unread:
            self.outcome.unread[cursor.path] = cursor.unread
        if left and cursor.stream.read(cursor.position, 1):
            self.outcome.open_ended.append(cursor.path)

    def _took(self, cursor: Cursor, taken: int, consumed: int) -> None:
        """Note that *cursor* has read *taken* bytes, for which *consumed* bytes of its file were needed."""
        self.waiting[id(cursor)] = cursor
        self.bytes += taken
        self.outcome.bytes += taken
        if self.progress:
            self.progress(consumed, cursor.path)

    def _is_due(self) -> bool:
        """Whether enough waits to be worth a commit."""
        if self.rows >= COMMIT_ROWS or self.bytes >= COMMIT_BYTES:
            return True
        return self.rows >= EARLY_ROWS and self.intake.publisher.is_idle

    def _is_placed(self, cursor: Cursor) -> bool:
        """Wait for whoever may be reading the same source; False when nothing is left to read then."""
        if not self.intake.may_read(cursor):
            self.flush(wait=True)
            return self.intake.place(cursor)
        return not cursor.is_lost or self.intake.place(cursor)


def _rereadable(pipe: Stream, known: Ledger) -> Stream:
    """Return what comes through the *pipe* as a file where finding out which source it is may need reading it twice."""
    if next(known_names(pipe.read(0, HEAD), known), None) is None:
        return pipe
    with tempfile.NamedTemporaryFile(prefix="ingest-stdin-") as file:
        at = 0
        while data := pipe.read(at, 1 << 20):
            file.write(data)
            at += len(data)
        file.flush()
        return PlainStream(Path(file.name))
