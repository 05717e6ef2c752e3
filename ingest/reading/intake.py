"""Files in, commits out: which source each file is, whose turn it is to read, and many sources in one commit.

Equal bytes under two names must count once, so two files that may be the same source never read side by side: the
second waits until the first is committed, and then its content decides.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from ingest.errors import SourceError, WarehouseError
from ingest.files.identity import HEAD, first_line
from ingest.files.streams import Stream, archive_of
from ingest.ledger import Conflict, Ledger
from ingest.prices.price import Prices
from ingest.reading.blocks import advance, consume, pass_over
from ingest.reading.copies import known_part
from ingest.reading.cursor import Cursor, is_outdated, locate, resume, survey
from ingest.reading.draft import Draft, cut, finish
from ingest.reading.parse_ahead import Ahead
from parsers import Format, Rows

log = logging.getLogger(__name__)


@dataclass
class Totals:
    """What has been committed so far, and when last by the monotonic clock."""

    calls: int = 0
    events: int = 0
    rejects: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    commits: int = 0
    committed_at: float = 0.0

    def add(self, calls: int, events: int, rejects: int, tokens: int, cost_usd: float) -> None:
        """Add what one source brought in one commit."""
        self.calls += calls
        self.events += events
        self.rejects += rejects
        self.tokens += tokens
        self.cost_usd += cost_usd


@dataclass
class Intake:
    """Reads sources and commits what they hold. One thread uses it; commits may run beside it.

    `keep_raw` keeps the text of what is rejected, which may hold prompts and keys, and not only its structure.
    """

    warehouse: Ledger
    prices: Prices
    formats: Sequence[Format]
    keep_raw: bool = False
    totals: Totals = field(default_factory=Totals)
    ahead: Ahead = field(default_factory=Ahead)
    _claims: dict[str, Cursor] = field(default_factory=dict)
    _heads: dict[bytes, list[tuple[bytes, Cursor]]] = field(default_factory=dict)
    _worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "commit"))
    _priced: bool = False
    _flying: tuple["Future[None]", list[tuple[Cursor, Draft]]] | None = None
    _owed: list[tuple[Cursor, Draft]] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Wait for a commit that is under way; whatever isn't committed is read again next time."""
        self.ahead.close()
        self._worker.shutdown(wait=True)

    def bind(self, path: Path, stream: Stream) -> Cursor | None:
        """Place a cursor where the source in *stream* goes on; None for a shorter copy of what is known.

        A stream for which there is no cursor is closed.

        Raises:
            OSError: It can't be read.
            SourceError: A packed file is damaged.
        """
        cursor = Cursor(path, stream, self.formats)
        try:
            placed = self.place(cursor)
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
        cursor.stream.rewind()
        head = cursor.stream.read(0, HEAD)
        if archive := archive_of(head):
            raise SourceError(f"{cursor.path} is a {archive}: unpack it, and name the files that it holds")
        survey(cursor, head, self.warehouse)
        found = locate(cursor.stream, self.warehouse) if cursor.rivals else None
        known: int | None = 0
        if found is None and cursor.rivals:
            self.settle()
            cursor.stream.rewind()
            known = known_part(cursor.path, cursor.stream, self.formats, self.warehouse)
        if known is None:
            return False
        if known:
            log.info("%s is for %s bytes a log that is known; what follows is new", cursor.path, f"{known:,}")
        cursor.stream.rewind()
        resume(cursor, found)
        pass_over(cursor, known)
        return True

    def may_read(self, cursor: Cursor) -> bool:
        """Tell whether *cursor* may read on now; False while a file that may be the same source isn't committed.

        A cursor whose source has been read on under another name is `lost` then, and must be placed first.
        """
        if cursor.source_id is None and not cursor.lost and not cursor.yielded:
            head = cursor.stream.read(0, HEAD) if not cursor.position else cursor.head
            others = self._heads.get(first_line(head), ())
            if any(o is not cursor and (h.startswith(head) or head.startswith(h)) for h, o in others):
                return False
            if is_outdated(cursor, head, self.warehouse) and not self.place(cursor):
                cursor.lost = True
                return False
        if cursor.source_id is None:
            return True
        if self._flying is None and not self._owed and not cursor.lost:
            position = self.warehouse.position(cursor.source_id)
            cursor.lost = position is None or position.offset != cursor.committed
        return self._claims.get(cursor.source_id, cursor) is cursor

    def read(self, cursor: Cursor, *, sealed: bool = False) -> int:
        """Read on; return how many bytes of records that was. Call it only if `may_read`."""
        taken = advance(cursor, sealed=sealed, ahead=self.ahead)
        if cursor.pending_bytes:
            self._claim(cursor)
        return taken

    def take(self, cursor: Cursor, data: bytes, rows: Rows) -> None:
        """Let *cursor* have read *data*, which was parsed elsewhere. Call it only if `may_read`."""
        consume(cursor, data, rows)
        self._claim(cursor)

    def _claim(self, cursor: Cursor) -> None:
        """Keep others from reading what may be the same source until this is committed; that will need the prices."""
        if cursor.pending and not self._priced:
            self._priced = True
            self._worker.submit(self.prices.load)
        if cursor.source_id is not None:
            self._claims[cursor.source_id] = cursor
        elif cursor.yielded and not cursor.committed:
            claimed = self._heads.setdefault(first_line(cursor.head), [])
            if not any(o is cursor for _, o in claimed):
                claimed.append((cursor.head, cursor))

    def release(self, cursor: Cursor) -> None:
        """Let others read what *cursor* has read and will not commit."""
        if cursor.source_id is not None and self._claims.get(cursor.source_id) is cursor:
            del self._claims[cursor.source_id]
        if claimed := self._heads.get(first_line(cursor.head)):
            claimed[:] = [(head, other) for head, other in claimed if other is not cursor]

    def flush(self, cursors: Iterable[Cursor], *, wait: bool = True, file_times: bool = False) -> None:
        """Commit what *cursors* have read, in one commit; with *wait*, return when it is in the warehouse for good.

        Raises:
            WarehouseError: It can't be written now. What failed to be is kept, and committed before anything else.
        """
        self.settle()
        drafts, names = [], set[str]()
        for cursor in cursors:
            if cursor.source_id in names:
                cursor.lost = True  # another file of that source goes first: what comes after it is read again
                continue
            file_time = _file_time(cursor) if file_times else None
            if draft := cut(cursor, self.warehouse, taken=names, file_time=file_time):
                drafts.append((cursor, draft))
                names.add(draft.source_id)
                self._claims[draft.source_id] = cursor
        if drafts:
            self._submit(drafts)
        if wait:
            self.settle()
            self.warehouse.secure()  # what was there already, and so was not committed again, as well

    @property
    def is_idle(self) -> bool:
        """Whether no commit is under way."""
        return self._flying is None or self._flying[0].done()

    def settle(self) -> None:
        """Wait for the commit under way; cursors whose source another writer moved are placed anew.

        Raises:
            WarehouseError: It can't be written now. The same is tried again the next time: the file may be gone then.
        """
        if self._owed:
            self._submit(self._owed)
        if self._flying is None:
            return
        (future, drafts), self._flying, self._owed = self._flying, None, []
        try:
            future.result()
        except WarehouseError:
            self._owed = drafts
            raise
        except Conflict:
            self._retry(drafts)
        self._claims.clear()
        self._heads.clear()

    def _submit(self, drafts: list[tuple[Cursor, Draft]]) -> None:
        self._flying = self._worker.submit(self._commit, [d for _, d in drafts]), drafts

    def _retry(self, drafts: list[tuple[Cursor, Draft]]) -> None:
        """Commit those of *drafts* that still continue their source; the others' cursors are placed anew."""
        self.warehouse.refresh()
        good = []
        for cursor, draft in drafts:
            position = self.warehouse.position(draft.source_id)
            unmoved = (position.offset if position else None) == draft.start
            if unmoved and self.warehouse.births(draft.family) == draft.births:
                good.append((cursor, draft))
            else:
                cursor.lost = True
        if good:
            self._submit(good)
            self.settle()

    def _commit(self, drafts: Sequence[Draft]) -> None:
        now = datetime.now(UTC)
        batches = finish(drafts, self.prices, now, keep_raw=self.keep_raw)
        self.warehouse.commit(batches)
        self.prices.keep()
        self.totals.commits += 1
        self.totals.committed_at = time.monotonic()
        for b in batches:
            tokens, cost = b.calls["total_tokens"].sum(), b.calls["cost_usd"].sum()
            self.totals.add(b.calls.height, b.events.height, b.rejects.height, int(tokens), float(cost or 0))


def _file_time(cursor: Cursor) -> datetime | None:
    """Return when the file was written last, as of when it was opened; None where nobody knows."""
    try:
        return datetime.fromtimestamp(cursor.stream.opened.st_mtime, UTC) if cursor.stream.opened else None
    except (OverflowError, ValueError):
        return None
