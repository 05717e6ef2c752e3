"""One file being read: where its reader stands, what earlier lines say about later ones, and rows not yet committed.

Only this module changes a cursor. What always holds:

- Of a new source nothing is committed and nothing named: `source_id` and `committed` are both None, or neither is.
- `committed` ≤ `position`. The rows that are pending lie between the two; the digest is of the bytes between them, and
  the tail is the last of the bytes before `position`, as they were when they were read.
- The contexts are what all lines before `position` say, but for those before `_unrecalled`: see `recall`.
- A lost cursor commits nothing more until it is placed again.
"""

import os
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import polars as pl
import xxhash

from ingest.files.identity import HEAD, family_of, known_names, name_of
from ingest.files.streams import Stream
from ingest.ledger import TAIL, Ledger, Position, Turn, tail_hash
from ingest.reading.draft import Draft
from ingest.reading.parse_ahead import Parsing
from parsers import Block, Contexts, Format, Rows, recover
from parsers.blocks.lines import encoding_of, line_ends
from parsers.schema import EMPTY, REJECTS, conform

QUANTUM = 8 << 20
"""How many bytes are read and parsed at a time, unless they hold few rows."""

FIRST = 1 << 20
"""How many are read at first: enough to learn how many rows so many bytes hold, and what context they set."""

FULL_ROWS = 40_000
"""How many rows of a block are worth its fixed cost."""

MAX_QUANTUM = 31 << 20
"""How large a block becomes that holds fewer. From 32 MiB on glibc gives memory back each time, and clears it anew."""

MAX_LINES = 1 << 20
"""How many lines a block has at most: each costs some hundred bytes while it is parsed, however short it is."""

MAX_TORN = 16 << 20
"""Up to this size what may become a document is looked at again, from its beginning, whenever it changed."""

_PIECE = 4096
"""In pieces of so many bytes the lines of a block are counted that has too many."""

_LINE_ENDS = {"utf-8": b"\n", "utf-16-le": b"\n\0", "utf-16-be": b"\0\n"}


class Guess(NamedTuple):
    """A block that is being parsed ahead of its turn, as if the contexts before it were these."""

    block: Block
    contexts: Contexts
    rows: Parsing


class Cursor:
    """A file open for reading, and the source that it turned out to be."""

    def __init__(self, path: Path, stream: Stream, formats: Sequence[Format], address: str | None = None) -> None:
        """Stand at the beginning of *stream*; `place` says which source that is. Elsewhere it is called *address*."""
        self.stream: Final = stream
        self.formats: Final = formats
        self._path = path
        self._address = address
        self._rivals: frozenset[str] = frozenset()
        self._births = 0
        self._claimed = self._unread = 0
        self._quantum = FIRST
        self._steady = True
        self._digest = xxhash.xxh3_128()
        self._pending: list[Rows] = []
        self._pending_rows = self._pending_unread = 0
        self._yielded = False
        self._ahead: deque[Guess] = deque()
        self._stand(None, 0)

    def _stand(self, source_id: str | None, position: int) -> None:
        """Stand at the *position* of a source, None for a new one, as if nothing had been read."""
        self._source_id = source_id
        self._committed = position if source_id else None
        self._position = self._searched = self._unrecalled = position
        self._contexts: Contexts = {}
        self._head = self._tail = b""
        self._encoding = "utf-8"
        self._lost = self._torn = self._whole = False
        self.drain()
        self._digest.reset()
        self._ahead.clear()

    @property
    def path(self) -> Path:
        """What the file is called now."""
        return self._path

    @property
    def label(self) -> str:
        """What the file is called now, as text: what is no UTF-8 as `\\xe9`."""
        return self._address or os.fsencode(self._path).decode("utf-8", "backslashreplace")

    @property
    def source_id(self) -> str | None:
        """The name of the source; None while it has none."""
        return self._source_id

    @property
    def is_new(self) -> bool:
        """Whether the warehouse doesn't know the source, not even by a commit that is under way."""
        return self._source_id is None

    @property
    def committed(self) -> int | None:
        """Up to where it has been committed, or is being so; None of a new source."""
        return self._committed

    @property
    def position(self) -> int:
        """How far it has been read."""
        return self._position

    @property
    def encoding(self) -> str:
        """How its text is encoded."""
        return self._encoding

    @property
    def contexts(self) -> Contexts:
        """What its lines so far say about those that follow."""
        return self._contexts

    @property
    def claimed(self) -> int:
        """How many of its records a format knew."""
        return self._claimed

    @property
    def unread(self) -> int:
        """How many of its lines speak of tokens and a model, though no format knew them."""
        return self._unread

    @property
    def is_lost(self) -> bool:
        """Whether it has moved on in the warehouse, or a commit failed: it must be placed anew."""
        return self._lost

    @property
    def is_document(self) -> bool:
        """Whether it was read as one document, of which no part can be read alone."""
        return self._whole

    @property
    def may_be_document_now(self) -> bool:
        """Whether it began like a document and wasn't one, nor lines that a format knows, and may have become one."""
        return self._torn and self._position <= MAX_TORN

    @property
    def pending_rows(self) -> int:
        """Rows read and not yet committed."""
        return self._pending_rows

    @property
    def pending_bytes(self) -> int:
        """Bytes read and not yet committed."""
        return self._position - (self._committed or 0)

    @property
    def yielded(self) -> bool:
        """Whether anything that waits to be committed tells this source from others: a record that a format knows."""
        return self._yielded

    @property
    def owes(self) -> bool:
        """Whether something waits to be committed; of a source that has yielded nothing, nothing ever is."""
        return bool(self.pending_bytes) and (not self.is_new or self.yielded)

    def rename(self, path: Path) -> None:
        """Learn what the file is called now."""
        self._path = path

    def beginning(self) -> bytes:
        """Return the first bytes, up to `HEAD`: of a new source that has been read those that were read."""
        return self._head if self._position else self.stream.read(0, HEAD)

    def is_unchanged(self) -> bool:
        """Tell whether the bytes before the position are still those that were read."""
        if not self._position:
            return True
        before = self.stream.before(self._position)
        return bool(before) and before == self._tail[-len(before) :]

    # Which source it is

    def meet(self, rivals: Collection[str], births: int) -> None:
        """Note which known sources it may be, by its first lines, and how many have been named that begin like it."""
        self._rivals, self._births = frozenset(rivals), births

    def is_outdated(self, head: bytes, known: Ledger) -> bool:
        """Tell whether a source that it may be, as it begins with *head*, has been named since it met the others."""
        return known.births(family_of(head, known.hosts[0])) != self._births and self._is_met(head, known)

    def _is_met(self, head: bytes, known: Ledger) -> bool:
        """Tell whether one of the sources that were named meanwhile may be this one; a shorter head may hide it."""
        return len(head) < HEAD or any(name not in self._rivals for name, _ in known_names(head, known))

    def place(self, head: bytes, found: tuple[str, Position] | None) -> None:
        """Go on where the source that was *found* does, or at the beginning of a new one that begins with *head*."""
        name, at = (found[0], found[1].offset) if found else (None, 0)
        self._stand(name, at)
        self._encoding = encoding_of(head)
        if at and not self.stream.can_grow:
            self.recall()  # it can't be read backwards
        self._tail = self.stream.before(at) if at else b""

    def pass_over(self, end: int) -> None:
        """Go to *end* of a new source without its records: another source has them."""
        while self._position < end:
            self.consume(self.stream.read(self._position, min(QUANTUM, end - self._position)))
            self._unrecalled = self._position

    def recall(self) -> None:
        """Learn what the lines that were committed say about those after them.

        Not before there are such lines: it takes reading all of the source, and most have not grown since.
        """
        at, offset, self._unrecalled = 0, self._unrecalled, 0
        if all(f.sets_context is None for f in self.formats):
            return
        while at < offset:
            data = self.stream.read(at, min(QUANTUM, offset - at))
            if not data:
                return
            ended = at + len(data) >= offset
            whole = end_of_block(data, self._encoding, whole=ended) or len(data)
            self._contexts = recover(Block(data[:whole], at, encoding=self._encoding), self.formats, self._contexts)
            at += whole

    @property
    def needs_recall(self) -> bool:
        """Whether lines before the position may set a context that nobody has looked for yet."""
        return bool(self._unrecalled)

    # What was read

    def consume(self, data: bytes, rows: Rows | None = None) -> None:
        """Go beyond *data*, which held *rows*."""
        self._digest.update(data)
        self._tail = (self._tail + data[-TAIL:])[-TAIL:]
        if self._committed is None and len(self._head) < HEAD:
            self._head = (self._head + data[:HEAD])[:HEAD]
        self._position += len(data)
        self._searched = self._position
        if rows and rows.claimed:
            self._claimed += rows.claimed
            self._torn = False
        if rows:
            self._unread += rows.unread
            self._pending_unread += rows.unread
            self._whole |= rows.whole
            self._keep(rows)

    def take(self, block: Block, rows: Rows) -> int:
        """Go beyond what of *block* was whole records, which held *rows*; return how many bytes that was."""
        taken = rows.end - block.offset
        if taken:
            self.consume(block.data[:taken], rows)
            self._steady = rows.contexts == self._contexts
            self._contexts = rows.contexts
            if len(block.data) > self._quantum // 2:
                # Each block costs some 20 ms however little it holds, and each row a kilobyte until it is committed.
                full = len(block.data) * FULL_ROWS // max(rows.height, 1)
                few_lines = len(block.data) * MAX_LINES // max(rows.lines, 1)
                self._quantum = min(max(full, QUANTUM), MAX_QUANTUM, few_lines)
        return taken

    def take_document(self, found: tuple[Rows, bytes] | None) -> int:
        """Go beyond the document that was *found*, all of it; with None, it begins like one, and may be half written.

        Returns how many bytes that was.
        """
        self._torn = found is None
        if found is None:
            return 0
        rows, data = found
        self.consume(data, rows)
        return len(data)

    def refuse(self, rejected: pl.DataFrame, start: int) -> int:
        """Note that what lies between *start* and the position is *rejected*; return how many bytes that was."""
        self._keep(
            Rows(EMPTY["llm_calls"], EMPTY["llm_events"], conform(rejected, REJECTS), self._position, self._contexts)
        )
        return self._position - start

    def _keep(self, rows: Rows) -> None:
        if height := rows.height:
            self._pending.append(rows)
            self._pending_rows += height
            self._yielded |= height > rows.rejects["format"].null_count()

    def leave_out(self, news: Callable[[Rows], Rows]) -> None:
        """Keep of what is pending only the *news*: the rest is known already."""
        self._pending = [news(rows) for rows in self._pending]
        self._pending_rows = sum(rows.height for rows in self._pending)

    def drain(self) -> list[Rows]:
        """Return what is pending, and forget it."""
        rows, self._pending = self._pending, []
        self._pending_rows, self._pending_unread, self._yielded = 0, 0, False
        return rows

    def length_of_line(self, *, sealed: bool) -> int:
        """Return the length of the line at the position; 0 while its end isn't written, which the next call goes on.

        With *sealed*, it ends where the file does.
        """
        start, line_end = self._position, line_end_of(self._encoding)
        at = max(self._searched, start)
        while True:
            data = self.stream.read(at, QUANTUM)
            newline = data.find(line_end)
            if newline >= 0:
                return at + newline + len(line_end) - start
            if len(data) < QUANTUM:
                self._searched = max(start, at + len(data) - len(line_end))
                return at + len(data) - start if sealed else 0
            at += len(data)

    # What is parsed before its turn

    @property
    def quantum(self) -> int:
        """How many bytes make a block that suits this source."""
        return self._quantum

    def may_guess(self, *, foreseen: bool) -> bool:
        """Tell whether it is worth parsing ahead: blocks are large, and what will be their contexts is *foreseen*.

        Or the last block left the contexts as they were.
        """
        return (self._steady or foreseen) and self._quantum >= QUANTUM

    @property
    def guessed(self) -> int:
        """How many blocks are being parsed already."""
        return len(self._ahead)

    def furthest(self, block: Block) -> tuple[Block, Contexts]:
        """Return the last block that is being parsed, *block* at the position if no other is, and its contexts."""
        return (self._ahead[-1].block, self._ahead[-1].contexts) if self._ahead else (block, self._contexts)

    def guess(self, guess: Guess) -> None:
        """Note that the block after those is being parsed."""
        self._ahead.append(guess)

    def forget_guesses(self) -> None:
        """Learn that what is being parsed already is parsed in contexts that it doesn't have."""
        self._ahead.clear()

    def next_guess(self) -> Guess | None:
        """Take out the block at the position if it is being parsed already."""
        if self._ahead and self._ahead[0].block.offset != self._position:
            self._ahead.clear()  # the last record of the block before it goes on in it
        return self._ahead.popleft() if self._ahead else None

    # What is committed

    def lose(self) -> None:
        """Learn that the source isn't what, or where, it was: nothing more is committed before it is placed anew."""
        self._lost = True

    def cut(
        self,
        known: Ledger,
        *,
        taken: Collection[str] = (),
        file_time: datetime | None = None,
        missing: Mapping[str, int] = MappingProxyType({}),
        turn: Turn | None = None,
    ) -> Draft | None:
        """Take out what was read since the last commit; None when there is nothing to remember.

        A new source gets a name; *taken* are the names of sources that are committed together with it. One that has
        yielded nothing is not remembered: many files begin alike, and only a record tells them apart. It loses itself
        where another one was named meanwhile that it may be.
        """
        if self._lost or not self.owes:
            return None
        family, births, source_id = "", 0, self._source_id
        if source_id is None:
            family = family_of(self._head, known.hosts[0])
            source_id, births = name_of(self._head, known, taken), known.births(family)
            if births != self._births and self._is_met(self._head, known):
                self.lose()
                return None
        tail, unread = tail_hash(self._tail), self._pending_unread
        draft = Draft(
            self,
            source_id,
            self.label,
            self._committed,
            self._position,
            tail,
            self.drain(),
            self._digest.hexdigest(),
            file_time,
            family,
            births,
            missing,
            turn,
            unread,
        )
        self._source_id, self._committed = source_id, self._position
        self._digest.reset()
        return draft


def first_line(head: bytes) -> bytes:
    """Return the first line of *head*: sources with different ones are different."""
    return head[: head.find(b"\n") + 1] or head


def line_end_of(encoding: str) -> bytes:
    """Return the bytes that end a line in *encoding*."""
    return _LINE_ENDS[encoding]


def end_of_block(data: bytes, encoding: str, *, most: int = MAX_LINES, whole: bool = False) -> int:
    """Return the length of the complete lines at the beginning of *data*, but no more of them than *most* and a piece.

    With *whole*, nothing follows *data*: its last line needs no end.
    """
    if line_ends(data) <= most:
        return len(data) if whole else end_of_lines(data, encoding)
    lines = end = 0
    while lines < most:
        lines += data.count(b"\n", end, end + _PIECE)
        end += _PIECE
    return end_of_lines(data[:end], encoding) or end_of_lines(data, encoding)


def end_of_lines(data: bytes, encoding: str) -> int:
    """Return the length of the complete lines at the beginning of *data*."""
    line_end = _LINE_ENDS[encoding]
    at = data.rfind(line_end)
    while at >= 0 and at % len(line_end):
        at = data.rfind(line_end, 0, at + 1)
    return at + len(line_end) if at >= 0 else 0
