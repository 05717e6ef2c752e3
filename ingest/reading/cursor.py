"""One source being read: where it stands, what earlier lines say about later ones, and rows not yet committed."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future  # noqa: TC003 # dataclasses look their types up
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from ingest.files.identity import HEAD, continues, family_of, known_names
from ingest.files.streams import Stream
from ingest.ledger import Ledger, Position
from parsers import Block, Contexts, Format, Rows, recover
from parsers.blocks.lines import encoding_of

QUANTUM = 8 << 20
"""How many bytes are read and parsed at a time, unless they hold few rows."""

FIRST = 1 << 20
"""How many are read at first: enough to learn how many rows so many bytes hold, and what context they set."""

_LINE_ENDS = {"utf-8": b"\n", "utf-16-le": b"\n\0", "utf-16-be": b"\0\n"}


@dataclass(frozen=True)
class Guess:
    """A block that is being parsed ahead of its turn, as if the one before it changed no context."""

    block: Block
    contexts: Contexts
    rows: "Future[Rows]"


@dataclass(eq=False)
class Cursor:
    """A source open for reading.

    `committed` is the offset in the warehouse, None while the warehouse doesn't know the source; `position` is how far
    it has been read. The rows between the two are `pending`. `claimed` counts the records that a format knew. `lost`
    says that the source has moved on in the warehouse, or that a commit failed: it must be placed anew. `rivals` and
    `births` are what `survey` found. `ahead` are the blocks that follow and are being parsed already, `steady` says
    whether the last block left the contexts as they were, so that this is worth it, and `quantum` is the size of blocks
    that suits this source.
    `unrecalled` is the offset before which lines may set a context that nobody has looked for yet: see `recall`.
    `torn` says that it began like a document and wasn't one, nor lines that a format knows: it may be half written;
    `whole` that it was a document, of which no part can be read alone.
    """

    path: Path
    stream: Stream
    formats: Sequence[Format]
    source_id: str | None = None
    committed: int | None = None
    position: int = 0
    searched: int = 0
    encoding: str = "utf-8"
    contexts: Contexts = field(default_factory=dict)
    pending: list[Rows] = field(default_factory=list)
    digest: xxhash.xxh3_128 = field(default_factory=xxhash.xxh3_128)
    head: bytes = b""
    tail: bytes = b""
    claimed: int = 0
    lost: bool = False
    rivals: frozenset[str] = frozenset()
    births: int = 0
    ahead: deque[Guess] = field(default_factory=deque)
    steady: bool = True
    quantum: int = FIRST
    unrecalled: int = 0
    torn: bool = False
    whole: bool = False

    @property
    def pending_rows(self) -> int:
        """Rows read and not yet committed."""
        return sum(r.height for r in self.pending)

    @property
    def yielded(self) -> bool:
        """Whether anything that waits to be committed tells this source from others: a record that a format knows."""
        return any(r.calls.height or r.events.height or r.rejects["format"].count() for r in self.pending)

    @property
    def may_be_whole_now(self) -> bool:
        """Whether a source that changed is worth reading from its beginning, as it may have become a document."""
        return self.torn and self.position <= MAX_TORN

    @property
    def pending_bytes(self) -> int:
        """Bytes read and not yet committed."""
        return self.position - (self.committed or 0)


def unchanged(cursor: Cursor) -> bool:
    """Tell whether the bytes before the cursor's position are still those that it read."""
    before = cursor.stream.before(cursor.position)
    return before == cursor.tail[-len(before) :] if before else not cursor.position


def locate(stream: Stream, known: Ledger) -> tuple[str, Position] | None:
    """Return the known source that *stream* continues, the one read furthest; None when it is a new one."""
    head = stream.read(0, HEAD)
    candidates = sorted(known_names(head, known), key=lambda found: found[1].offset)
    matching = [found for found in candidates if continues(stream, found[1])]
    return matching[-1] if matching else None


def survey(cursor: Cursor, head: bytes, known: Ledger) -> None:
    """Note which known sources *cursor*, a source that begins with *head*, may be, and how many were named like it."""
    cursor.rivals = frozenset(name for name, _ in known_names(head, known))
    cursor.births = known.births(family_of(head))


def is_outdated(cursor: Cursor, head: bytes, known: Ledger) -> bool:
    """Tell whether a source has been named since *cursor* was placed that it may be."""
    if known.births(family_of(head)) == cursor.births:
        return False
    # A shorter head may hide a name that was made of a longer one.
    return len(head) < HEAD or any(name not in cursor.rivals for name, _ in known_names(head, known))


def resume(cursor: Cursor, found: tuple[str, Position] | None) -> None:
    """Place *cursor* where the source that was *found* goes on, or, for a new source, at the beginning."""
    cursor.pending.clear()
    cursor.digest.reset()
    cursor.ahead.clear()
    cursor.contexts, cursor.head, cursor.tail = {}, b"", b""
    cursor.source_id, cursor.committed, cursor.position, cursor.lost, cursor.unrecalled = None, None, 0, False, 0
    cursor.torn = cursor.whole = False
    cursor.encoding = encoding_of(cursor.stream.read(0, 2))
    if found:
        cursor.source_id, position = found
        cursor.unrecalled = position.offset
        if not cursor.stream.can_grow:
            recall(cursor)  # it can't be read backwards
        cursor.tail = cursor.stream.before(position.offset)
        cursor.committed = cursor.position = position.offset
    cursor.searched = cursor.position


def recall(cursor: Cursor) -> None:
    """Learn what the lines that were committed say about those after them.

    Not before there are such lines: it takes reading all of the source, and most have not grown since.
    """
    at, offset, cursor.unrecalled = 0, cursor.unrecalled, 0
    if all(f.sets_context is None for f in cursor.formats):
        return
    while at < offset:
        data = cursor.stream.read(at, min(QUANTUM, offset - at))
        if not data:
            return
        whole = len(data) if at + len(data) >= offset else end_of_lines(data, cursor.encoding) or len(data)
        cursor.contexts = recover(Block(data[:whole], at, encoding=cursor.encoding), cursor.formats, cursor.contexts)
        at += whole


def line_end_of(encoding: str) -> bytes:
    """Return the bytes that end a line in *encoding*."""
    return _LINE_ENDS[encoding]


def end_of_lines(data: bytes, encoding: str) -> int:
    """Return the length of the complete lines at the beginning of *data*."""
    line_end = _LINE_ENDS[encoding]
    at = data.rfind(line_end)
    while at >= 0 and at % len(line_end):
        at = data.rfind(line_end, 0, at + 1)
    return at + len(line_end) if at >= 0 else 0


MAX_TORN = 16 << 20
"""Up to this size what may become a document is looked at again, from its beginning, whenever it changed."""
