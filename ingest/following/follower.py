"""Follow files as they grow, are rotated, renamed, truncated and replaced, and commit what they gain.

The file that a descriptor holds is followed, whatever its name becomes; a rotated generation is read to its end, and
closed when it is sealed. Nothing depends on file events or on the clock: every look compares names, sizes and content.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import cast

from ingest.errors import SourceError, complaint, unended, unread_lines
from ingest.files.generations import Found, passed_over, search
from ingest.files.paths import expand, keys_of, what_is_missing
from ingest.files.streams import Key, PlainStream, suffix_of
from ingest.following.tracked import (
    Tracked,
    behind,
    close,
    ends,
    has_more,
    has_nothing,
    held,
    holds,
    idlest,
    is_due,
    is_gone,
    is_new,
    is_whole,
    most_open,
    newest,
    open_itself,
    rename,
    state,
)
from ingest.reading.cursor import Cursor
from ingest.reading.intake import Intake
from ingest.reading.small_files import SmallFiles, Turn

log = logging.getLogger(__name__)

REMEMBER_SECONDS = 30.0
"""How often the offset of a source that grows without yielding rows is committed."""

FEW = 8
"""Up to this many files are read one by one; more, if they are new or gain little, are parsed together."""

NAMED = 3
"""Of more files without a record only their number is said."""

REST = 20
"""For so many times as long as a search for generations took there is no other."""

TURN_SECONDS = 0.5
"""How long files are read before what is due is committed, and before somebody may ask to stop."""


@dataclass
class Follower:
    """The state of following the files of *paths*; `tick` looks once, and at what *also* looks at."""

    paths: Sequence[str]
    intake: Intake
    interval: float = 1.0
    also: Callable[[], object] | None = None
    tracked: dict[Key, Tracked] = field(default_factory=dict)
    committed_at: float = field(default_factory=time.monotonic)
    remembered_at: float = field(default_factory=time.monotonic)
    unread: dict[Path, int] = field(default_factory=dict)
    _missing: set[str] = field(default_factory=set)
    _found: Found = field(default_factory=Found)
    _moved: bool = True
    _search_at: float = 0.0
    _told: set[Key] = field(default_factory=set)
    _opened: dict[Key, Tracked] = field(default_factory=dict)
    _left: OrderedDict[Key, None] = field(default_factory=OrderedDict)
    _waits: bool = False
    _small: SmallFiles | None = None
    _many: bool = False
    _few_new: bool = False
    _offered: list[Tracked] = field(default_factory=list)

    def tick(self, *, final: bool = False) -> float | None:
        """Look at all files once, read what is new, commit what is due; return when to look again, in seconds.

        None says that there is more to read right away. *final* commits everything that is complete.

        Raises:
            WarehouseError: It can't be written now; nothing is lost, and a later tick tries again.
        """
        if not self._left:
            self._discover(final=final)
        if held(self._opened.values()).is_enough:
            self._commit()  # it failed the last time: no more is read before
        self._look()
        if self.also:
            self.also()
        self._tell_of_nothing()
        due = self.committed_at + self.interval - time.monotonic()
        last = final and not self._left
        if last or due <= 0 or self._waits:
            self._commit(everything=last or self._waits)
            due = self.interval
        self._close_idle()
        more = bool(self._left) or (final and self._moved) or any(has_more(f) for f in self.tracked.values())
        if final and not more:
            self._tell_of_unended()
        return None if more else due if self._pending() else self.interval

    @property
    def behind(self) -> int:
        """How many bytes have not been read."""
        return sum(map(behind, self.tracked.values()))

    def close(self) -> None:
        """Close all files."""
        for file in [*self._opened.values()]:
            self._close(file)

    def _close(self, file: Tracked) -> None:
        close(file)
        self._opened.pop(file.key, None)

    def _look(self) -> None:
        """Read what is new, for as long as a turn takes; the files that are `_left` then are the first of the next.

        Those that grow come last in each: of what is committed right after, a line of theirs has waited least.
        """
        last = self._growing() if self._left else self._begin_round()
        self._offered, self._waits = [], False
        most_idle, most_new = most_open()
        self._small = SmallFiles(self.intake, is_whole, most_new) if self._many else None
        now = held(self._opened.values())
        for key in chain(self._turn(), last):
            if (file := self.tracked.get(key)) is None:
                continue
            had = holds(file)
            self._read(file)
            now = now.changed(had, holds(file))
            full = now.opened >= most_idle + most_new
            if full or (self._small and self._small.full):
                self._read_small()
                now = held(self._opened.values())
            if full or now.is_enough:
                self._commit()
                self._close_idle()
                now = held(self._opened.values())
        self._read_small()

    def _begin_round(self) -> list[Key]:
        """Let all files be `_left` but the newest, and return these."""
        new = newest(self.tracked.values())
        self._left = OrderedDict.fromkeys(self.tracked)
        for key in new:
            del self._left[key]
        self._many = len(self.tracked) > FEW
        self._few_new = len([*islice(filter(is_new, self.tracked.values()), FEW + 1)]) <= FEW
        return new

    def _turn(self) -> Iterator[Key]:
        """Take the files that are left, one by one, until the turn is over."""
        begun = time.monotonic()
        while self._left:
            yield self._left.popitem(last=False)[0]
            if time.monotonic() - begun >= TURN_SECONDS:
                break

    def _growing(self) -> list[Key]:
        """Return the open files that grow, and are not left anyway: they need not wait for a folder of new ones."""
        return [key for key, file in self._opened.items() if file.grows and key not in self._left]

    def _read_small(self) -> None:
        """Parse the small new files that were offered, and read alone those that can't be parsed with others."""
        small, offered, self._small, self._offered = self._small, self._offered, None, []
        alone = set(map(id, small.parse()[1])) if small else set()
        for file in offered:
            if file.cursor and id(file.cursor) in alone:
                self._read(file)
            else:
                file.waits = behind(file) > 0
        self._small = small

    def _tell_of_nothing(self) -> None:
        """Say once of each file that was read to its end that no line of it is known; of many only their number."""
        if self._left or self._waits:
            return
        self._tell_of_unread()
        silent = [f for f in self.tracked.values() if f.key not in self._told and has_nothing(f)]
        named = silent[: max(0, NAMED - len(self._told))]
        self._told.update(f.key for f in silent)
        for file in named:
            log.info("%s: no record that ingest knows so far; `ingest explain %s` says why", file.path, file.path)
        if more := len(silent) - len(named):
            said = f"{more:,} more files hold" if more > 1 else "1 more file holds"
            log.info("%s no record that ingest knows so far", said)

    def _tell_of_unended(self) -> None:
        """Say which files end in a line without an end, once they have been read as far as they can be."""
        if paths := [f.path for f in self.tracked.values() if f.waits or f.rest]:
            log.info("%s", unended(paths))

    def _tell_of_unread(self) -> None:
        """Say once of each file that was read to its end how many lines of it speak of calls, and were not read."""
        cursors = [f.cursor for f in self.tracked.values() if f.cursor and f.cursor.unread and not behind(f)]
        news = {c.path: c.unread for c in cursors if c.path not in self.unread}
        self.unread |= {c.path: c.unread for c in cursors}
        if news:
            self._told.update(f.key for f in self.tracked.values() if f.cursor and f.cursor.path in news)
            log.warning("%s", unread_lines(news))

    def _discover(self, *, final: bool) -> None:
        """Find the files that the paths name now; what was found before stays tracked under its new name."""
        listed = expand(self.paths, families=True)
        self._moved |= rename(self.tracked, listed, self._found.generations)
        if self._moved and (final or time.monotonic() >= self._search_at):
            self._search(listed)
            rename(self.tracked, listed, self._found.generations)
        for key in [key for key, file in self.tracked.items() if not file.present and file.cursor is None]:
            del self.tracked[key]
        for given in self.paths:
            if given not in self._missing and (missing := what_is_missing(given)):
                self._missing.add(given)
                log.info("%s", missing)

    def _search(self, listed: Sequence[Path]) -> None:
        """Look for generations under names that nobody knows, as a log is another file now than it was."""
        begun, before = time.monotonic(), len(self._found.others) + self._found.unlooked
        held_open = {key for key, file in self.tracked.items() if file.cursor}
        self._found, self._moved = search(self.paths, keys_of(listed), self.intake.ledger, held=held_open), False
        self._search_at = time.monotonic() + REST * (time.monotonic() - begun)
        if before < len(self._found.others) + self._found.unlooked:
            log.info("%s", passed_over(self._found.others, self._found.unlooked))

    def _read(self, file: Tracked) -> None:
        """Read what is new in one file; say so once when that isn't possible."""
        file.more = False
        try:
            if file.packed or suffix_of(file.path):
                self._read_packed(file)
            elif self._is_readable(file) and file.cursor:
                self._read_packed(file) if file.packed else self._read_plain(file, file.cursor)
        except FileNotFoundError:
            file.more = True  # its name went to another file, or away, after the folder was listed
        except (OSError, SourceError) as error:
            said = complaint(file.path, error)
            if said != file.complaint:
                log.warning("%s; trying again", said)
            file.complaint = said
            self._give_back(file)
        else:
            if file.complaint:
                log.info("%s can be read again", file.path)
            file.complaint = ""

    def _give_back(self, file: Tracked) -> None:
        """Let go of a file that can't be read, so that it's opened anew; one without a name could not be."""
        if file.cursor is not None:
            self.intake.flush([file.cursor])
            self.intake.release(file.cursor)
            if not file.present:
                file.cursor.lose()
                return
        self._close(file)
        # Unpacking from the beginning each second would cost too much: a damaged file must change first.
        if not file.packed and not suffix_of(file.path):
            file.seen = (-1, -1)

    def _is_readable(self, file: Tracked) -> bool:
        """Open and place the file where needed; False when there is nothing new in it."""
        if file.cursor is None:
            return file.present and self._open(file)
        status = cast("PlainStream", file.cursor.stream).stat()
        now = state(status)
        if now != file.seen:
            file.seen, file.changed_at, file.grows = now, time.monotonic(), True
            if file.cursor.may_be_document_now:
                file.cursor.lose()
        elif not file.cursor.is_lost and not self._goes_on(file, file.cursor, status.st_size):
            return False
        if not status.st_size:
            self._save(file, file.cursor)
            return False
        if file.cursor.is_lost or status.st_size < file.cursor.position or not file.cursor.is_unchanged():
            return self._replace(file, file.cursor)
        return True

    def _goes_on(self, file: Tracked, cursor: Cursor, size: int) -> bool:
        """Tell whether there is something to read in *file*, of *size* bytes, which has not changed since."""
        return cursor.position < size and (not file.waits or ends(file, cursor))

    def _open(self, file: Tracked) -> bool:
        status = file.path.stat()
        if status.st_size and (state(status) != file.seen or is_due(file, status)):
            self._bind(file)
        return file.cursor is not None

    def _bind(self, file: Tracked) -> None:
        """Place a cursor in the file, unless its name went to another meanwhile: then it is looked for anew."""
        stream = open_itself(file)
        file.more = stream is None
        if stream:
            file.cursor, file.changed_at = self.intake.bind(file.path, stream), time.monotonic()
            file.rest = 0
            if file.cursor:
                self._opened[file.key] = file

    def _replace(self, file: Tracked, cursor: Cursor) -> bool:
        """Find out what the file holds now that its content isn't what was read."""
        self._save(file, cursor)
        if self.intake.place(cursor):
            return True
        self._close(file)  # a shorter copy; looked at again when it changes
        return False

    def _save(self, file: Tracked, cursor: Cursor) -> None:
        """Commit what was read of a content that is gone, before the cursor is placed anew."""
        if cursor.position and not cursor.is_lost:
            log.info("%s was truncated or rewritten", file.path)
            self._moved = True
            self.intake.flush([cursor])
            cursor.lose()

    def _read_plain(self, file: Tracked, cursor: Cursor) -> None:
        if not self._is_its_turn(file, cursor):
            return
        file.waits = False
        if cursor.is_lost:
            file.more = self.intake.place(cursor)
        elif self.intake.read(cursor):
            file.more = behind(file) > 0
        elif cursor.stream.read(cursor.position, 1):
            file.waits = not (ends(file, cursor) and self.intake.read(cursor, sealed=True))

    def _is_its_turn(self, file: Tracked, cursor: Cursor) -> bool:
        """Tell whether to read *file* now; not while it is read with others, or may be one that isn't committed."""
        together = self._small if cursor.position or not self._few_new else None
        turn = together.offer(cursor) if together else Turn.ALONE
        if turn is Turn.TAKEN:
            self._offered.append(file)
            file.waits = False
            return False
        file.more = turn is Turn.LATER or not self.intake.may_read(cursor)
        self._waits = self._waits or file.more  # for a commit, and that need not wait for its time
        return not file.more

    def _read_packed(self, file: Tracked) -> None:
        """Read a packed file to its end; it is looked at again only when it changes."""
        if file.present and file.cursor is None and file.seen != state(file.path.stat()):
            self._bind(file)
        if not file.present or file.cursor is None or not self._is_its_turn(file, file.cursor):
            return
        if file.cursor.is_lost:
            self._close(file)
            file.seen, file.more = (-1, -1), True
        elif self.intake.read(file.cursor, sealed=True):
            file.more = True
        elif damage := file.cursor.stream.damage:
            self.intake.flush([file.cursor])
            raise damage
        elif not file.cursor.pending_bytes:
            self._close(file)

    def _pending(self) -> list[Cursor]:
        return [f.cursor for f in self._opened.values() if f.cursor and not f.cursor.is_lost and f.cursor.yielded]

    def _commit(self, *, everything: bool = False) -> None:
        """Commit pending rows, and now and then offsets without rows."""
        cursors, now = self._pending(), time.monotonic()
        if everything or held(self._opened.values()).is_enough or now - self.remembered_at >= REMEMBER_SECONDS:
            cursors = [f.cursor for f in self._opened.values() if f.cursor and f.cursor.pending_bytes]
            self.remembered_at = now
        self.committed_at = now
        self.intake.flush(cursors)

    def _close_idle(self) -> None:
        """Forget files that are gone and sealed; keep the number of open ones bounded."""
        for file in [f for f in self._opened.values() if is_gone(f)]:
            self._close(file)
            del self.tracked[file.key]
        for file in idlest(self._opened.values(), but=most_open()[0]):
            self._close(file)
