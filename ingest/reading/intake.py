"""Files in, drafts out: which source each file is, whose turn it is to read, and many sources in one commit.

Equal bytes under two names must count once, so two files that may be the same source never read side by side: the
second waits until the first is committed, and then its content decides.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from ingest.errors import SourceError
from ingest.files.identity import HEAD, family_of, furthest, known_names
from ingest.files.streams import Stream, archive_of
from ingest.ledger import Copy, Ledger
from ingest.prices.price import Prices
from ingest.reading.blocks import advance
from ingest.reading.copies import doubtful_copy, known_part, own_source
from ingest.reading.cursor import Cursor, first_line
from ingest.reading.parse_ahead import Ahead
from ingest.reading.publisher import Publisher, Totals
from ingest.reading.rewritten import take_turns
from ingest.reading.succession import Succession
from parsers import Format, Rows
from parsers.claims.documents import may_be_document

log = logging.getLogger(__name__)

NAMED = 3
"""Of more files that may be copies, or may not, only their number is said."""


@dataclass
class Intake:
    """Reads files, and has what they hold committed. One thread uses it; commits may run beside it.

    `publisher` is the way into the warehouse, which other kinds of sources share, and `totals` are of all of them.
    `addresses` says what files that were fetched from elsewhere are called there.
    """

    ledger: Ledger
    prices: Prices
    formats: Sequence[Format]
    keep_raw: bool = False
    host: str | None = None
    not_a_copy: bool = False
    addresses: Mapping[Path, str] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    ahead: Ahead = field(default_factory=Ahead)
    publisher: Publisher = field(init=False)
    succession: Succession = field(init=False)
    _claims: dict[str, Cursor] = field(default_factory=dict)
    _heads: dict[bytes, dict[Cursor, bytes]] = field(default_factory=dict)
    _doubtful: dict[str, Copy] = field(default_factory=dict)
    _settled: int = 0

    def __post_init__(self) -> None:
        """Make the way into the warehouse, which other kinds of sources share, and learn what was read before."""
        self.publisher = Publisher(self.ledger, self.prices, self.keep_raw, self.host, self.totals)
        self.succession = Succession(self.ledger)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Wait for a commit that is under way; whatever isn't committed is read again next time."""
        self.ahead.close()
        self.publisher.close()

    def bind(self, path: Path, stream: Stream) -> Cursor | None:
        """Place a cursor where the source in *stream* goes on; None for a shorter copy of what is known.

        A stream for which there is no cursor is closed.

        Raises:
            OSError: It can't be read.
            SourceError: A packed file is damaged.
        """
        cursor = Cursor(path, stream, self.formats, self.addresses.get(path))
        try:
            placed = self._place(cursor)
        except BaseException:
            stream.close()
            raise
        if not placed:
            stream.close()
        return cursor if placed else None

    def place(self, cursor: Cursor) -> bool:
        """Find out which source *cursor* reads, and go on where that stands; False for a copy of what is known.

        A copy that has gone on by itself is a source of its own, without the records that it shares.
        """
        self.release(cursor)
        self.succession.leave(cursor.source_id, cursor.path)
        cursor.stream.rewind()
        return self._place(cursor)

    def _place(self, cursor: Cursor) -> bool:
        head = cursor.stream.read(0, HEAD)
        if archive := archive_of(head):
            raise SourceError(f"{cursor.path} is a {archive}: unpack it, and name the files that it holds")
        rivals = dict(known_names(head, self.ledger))
        cursor.meet(rivals, self.ledger.births(family_of(head, self.ledger.hosts[0])))
        if not rivals:
            cursor.place(head, None)
            return True
        known: int | None = 0
        found = own_source(cursor.path, cursor.stream, rivals, self.succession)
        if not (found := found or furthest(cursor.stream, rivals)):
            self.settle()
            cursor.stream.rewind()
            known = known_part(cursor.path, cursor.stream, self.formats, self.ledger)
        same = [found[0]] if found else [*rivals] if known is None else []
        if self._is_own(cursor, same):
            same, found, known = [], None, 0
        for source in same:
            self.succession.meet(source, cursor.path)
        if known is None:
            return False
        if known:
            log.info("%s is for %s bytes a log that is known; what follows is new", cursor.path, f"{known:,}")
        cursor.stream.rewind()
        cursor.place(head, found)
        cursor.pass_over(known)
        return True

    def _is_own(self, cursor: Cursor, same: Sequence[str]) -> bool:
        """Tell whether *cursor* reads a log of its own, though it holds the *same* as others do."""
        copy = doubtful_copy(cursor.path, same, self.succession)
        if copy and not self.not_a_copy:
            self._doubtful[cursor.label] = copy
        return copy is not None and self.not_a_copy

    def _tell_of_copies(self) -> None:
        """Say once which files were taken for copies though nothing tells, of many only their number; note all."""
        copies, self._doubtful = self._doubtful, {}
        told = self.ledger.copies() if copies else {}
        news = {path: copy for path, copy in copies.items() if told.get(path) != copy}
        if not news:
            return
        self.ledger.note_copies(news)
        for path, copy in list(news.items())[:NAMED]:
            log.warning(
                "%s was taken for a copy of %s, as no record tells when it was written; if it is another log,"
                " read it with --not-a-copy",
                path,
                copy.original,
            )
        if (more := len(news) - NAMED) > 0:
            log.warning("so were %s more files; `ingest verify` names them", f"{more:,}")

    def may_read(self, cursor: Cursor, head: bytes | None = None) -> bool:
        """Tell whether *cursor* may read on now; False while a file that may be the same source isn't committed.

        *head* is how it begins, if that has just been read. A cursor whose source has been read on under another name
        is lost then, and must be placed first.
        """
        if cursor.is_new and not cursor.is_lost and not cursor.yielded:
            head = cursor.beginning() if head is None else head
            if self._heads and self._is_claimed(head, cursor):
                return False
            if cursor.is_outdated(head, self.ledger) and not self.place(cursor):
                cursor.lose()
                return False
        if cursor.source_id is None:
            return True
        if self.publisher.is_settled and not cursor.is_lost:
            position = self.ledger.position(cursor.source_id)
            if position is None or position.offset != cursor.committed:
                cursor.lose()
        return self._claims.get(cursor.source_id, cursor) is cursor

    def read(self, cursor: Cursor, *, sealed: bool = False) -> int:
        """Read on; return how many bytes of records that was. Call it only if `may_read`."""
        taken = advance(cursor, sealed=sealed, ahead=self.ahead)
        if cursor.pending_bytes:
            self._claim(cursor)
        return taken

    def take(self, cursor: Cursor, data: bytes, rows: Rows) -> None:
        """Let *cursor* have read of *data*, all that is behind it, what was parsed elsewhere.

        Call it only if `may_read`.
        """
        begun = cursor.position
        cursor.consume(data[: rows.end - begun], rows)
        if not begun and not rows.claimed and may_be_document(data, ended=True):
            cursor.take_document(None)
        self._claim(cursor)

    def _claim(self, cursor: Cursor) -> None:
        """Keep others from reading what may be the same source until this is committed; that will need the prices."""
        if cursor.source_id is not None:
            self._claims[cursor.source_id] = cursor
        elif cursor.yielded:
            head = cursor.beginning()
            self._heads.setdefault(first_line(head), {}).setdefault(cursor, head)
        if cursor.pending_rows:
            self.publisher.expect()

    def _is_claimed(self, head: bytes, cursor: Cursor) -> bool:
        """Tell whether another file that may be the same source, as it begins like *head*, waits to be committed."""
        others = self._heads.get(first_line(head), {}).items()
        return any(o is not cursor and (h.startswith(head) or head.startswith(h)) for o, h in others)

    def release(self, cursor: Cursor) -> None:
        """Let others read what *cursor* has read and will not commit."""
        if cursor.source_id is not None and self._claims.get(cursor.source_id) is cursor:
            del self._claims[cursor.source_id]
        if cursor.position and (claimed := self._heads.get(first_line(cursor.beginning()))):
            claimed.pop(cursor, None)

    def flush(self, cursors: Sequence[Cursor], *, wait: bool = True, file_times: bool = False) -> list[Cursor]:
        """Commit what *cursors* have read, in one commit; with *wait*, return when it is in the warehouse for good.

        Returns those whose source, as far as is known then, another writer has moved.

        Raises:
            WarehouseError: It can't be written now. What failed to be is kept, and committed before anything else.
        """
        self.settle()
        self._tell_of_copies()
        turns = take_turns(cursors, self.ledger, self.succession)
        drafts, names = [], set[str]()
        for cursor in cursors:
            if cursor.source_id in names:
                cursor.lose()  # another file of that source goes first: what comes after it is read again
                continue
            file_time = _file_time(cursor) if file_times else None
            missing = self._missing_before(cursor)
            turn = turns.get(cursor)
            if draft := cursor.cut(self.ledger, taken=names, file_time=file_time, missing=missing, turn=turn):
                self.succession.begin(draft.source_id, cursor.path)
                drafts.append(draft)
                names.add(draft.source_id)
                self._claims[draft.source_id] = cursor
        if drafts:
            self.publisher.publish(drafts)
        if wait:
            self.settle()
        lost = [cursor for cursor in cursors if cursor.is_lost]
        if wait:
            self.ledger.secure()  # what was there already, and so was not committed again, as well
        return lost

    def _missing_before(self, cursor: Cursor) -> dict[str, int]:
        """Say so when *cursor*, of a new source, has the name of another that nobody has found again."""
        if not cursor.is_new or cursor.is_lost or not cursor.owes or cursor.is_document:
            return {}
        missing = self.succession.ended(cursor.path)
        for source, size in missing.items():
            position = self.ledger.position(source)
            log.warning(
                "%s: what went on behind byte %s of the log that had this name before was not found;"
                " up to %s bytes may be missing",
                cursor.path,
                f"{position.offset if position else 0:,}",
                f"{size:,}",
            )
        return missing

    def settle(self) -> None:
        """Wait for the commit under way: then content decides between the files that waited for it.

        Raises:
            WarehouseError: It can't be written now.
        """
        self.publisher.settle()
        if self._settled != self.publisher.settled:
            self._settled = self.publisher.settled
            self._claims.clear()
            self._heads.clear()


def _file_time(cursor: Cursor) -> datetime | None:
    """Return when the file was written last, as of when it was opened; None where nobody knows."""
    try:
        return datetime.fromtimestamp(cursor.stream.opened.st_mtime, UTC) if cursor.stream.opened else None
    except (OverflowError, ValueError):
        return None
