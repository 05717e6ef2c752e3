"""One source being read: where it stands, what earlier lines say about later ones, and rows not yet committed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl
import xxhash

from ingest.documents import document
from ingest.identity import HEAD, Positions, continues, family_of, known_names, name_of
from ingest.pricing import Prices
from ingest.stamp import stamp
from ingest.streams import TAIL, Stream, tail_hash
from ingest.warehouse import Batch, Position
from parsers import Block, Contexts, Format, Rows, parse, recover
from parsers.records import MAX_KEPT, MAX_LINE, encoding_of, overlong
from parsers.schema import CALLS, EVENTS, REJECTS, conform, polars_schema

QUANTUM = 16 << 20
"""How many bytes are read and parsed at a time."""

_LINE_ENDS = {"utf-8": b"\n", "utf-16-le": b"\n\0", "utf-16-be": b"\0\n"}


@dataclass
class Cursor:
    """A source open for reading.

    `committed` is the offset in the warehouse, None while the warehouse doesn't know the source; `position` is how far
    it has been read. The rows between the two are `pending`. `claimed` counts the records that a format knew. `lost`
    says that the source has moved on in the warehouse, or that a commit failed: it must be placed anew. `rivals` and
    `births` are what `survey` found.
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

    @property
    def pending_rows(self) -> int:
        """Rows read and not yet committed."""
        return sum(r.calls.height + r.events.height + r.rejects.height for r in self.pending)

    @property
    def yielded(self) -> bool:
        """Whether anything that waits to be committed tells this source from others: a record that a format knows."""
        return any(r.calls.height or r.events.height or r.rejects["format"].count() for r in self.pending)

    @property
    def pending_bytes(self) -> int:
        """Bytes read and not yet committed."""
        return self.position - (self.committed or 0)


def unchanged(cursor: Cursor) -> bool:
    """Tell whether the bytes before the cursor's position are still those that it read."""
    before = cursor.stream.before(cursor.position)
    return before == cursor.tail[-len(before) :] if before else not cursor.position


def locate(stream: Stream, known: Positions) -> tuple[str, Position] | None:
    """Return the known source that *stream* continues, the one read furthest; None when it is a new one."""
    head = stream.read(0, HEAD)
    candidates = sorted(known_names(head, known), key=lambda found: found[1].offset)
    matching = [found for found in candidates if continues(stream, found[1])]
    return matching[-1] if matching else None


def survey(cursor: Cursor, head: bytes, known: Positions) -> None:
    """Note which known sources *cursor*, a source that begins with *head*, may be, and how many were named like it."""
    cursor.rivals = frozenset(name for name, _ in known_names(head, known))
    cursor.births = known.births(family_of(head))


def is_outdated(cursor: Cursor, head: bytes, known: Positions) -> bool:
    """Tell whether a source has been named since *cursor* was placed that it may be."""
    if known.births(family_of(head)) == cursor.births:
        return False
    # A shorter head may hide a name that was made of a longer one.
    return len(head) < HEAD or any(name not in cursor.rivals for name, _ in known_names(head, known))


def resume(cursor: Cursor, found: tuple[str, Position] | None) -> None:
    """Place *cursor* where the source that was *found* goes on, or, for a new source, at the beginning."""
    cursor.pending.clear()
    cursor.digest.reset()
    cursor.contexts, cursor.head, cursor.tail = {}, b"", b""
    cursor.source_id, cursor.committed, cursor.position, cursor.lost = None, None, 0, False
    cursor.encoding = encoding_of(cursor.stream.read(0, 2))
    if found:
        cursor.source_id, position = found
        if any(f.sets_context is not None for f in cursor.formats):
            _recover(cursor, position.offset)
        cursor.tail = cursor.stream.before(position.offset)
        cursor.committed = cursor.position = position.offset
    cursor.searched = cursor.position


def advance(cursor: Cursor, *, sealed: bool = False, quantum: int = QUANTUM) -> int:
    """Read and parse up to *quantum* bytes, more where a record is longer; return how many bytes of records that were.

    *sealed* says that the source can't grow, so that its last line and record are complete as they are.

    Raises:
        SourceError: A packed file is damaged.
        OSError: The file can't be read.
    """
    size = quantum
    while True:
        data = cursor.stream.read(cursor.position, size)
        ended = len(data) < size
        cut = len(data) if ended and sealed else _end_of_lines(data, cursor.encoding)
        if not cursor.position and (found := document(cursor.stream, data, cursor.formats, ended=ended)):
            rows, whole = found
            _consume(cursor, whole, rows)
            return len(whole)
        if not cut and len(data) > MAX_LINE:
            return _skip_overlong(cursor, data[:MAX_KEPT], sealed=sealed)
        if cut and (taken := _take(cursor, Block(data[:cut], cursor.position, ended and sealed, cursor.encoding))):
            return taken
        if ended:
            return 0
        size *= 2


@dataclass(frozen=True)
class Draft:
    """What a cursor read since its last commit, cut loose from it, so that it can be committed while it reads on."""

    source_id: str
    path: Path
    start: int | None
    end: int
    digest: str
    tail: int
    rows: Sequence[Rows]
    file_time: datetime | None
    family: str = ""
    births: int = 0


def cut(cursor: Cursor, known: Positions, *, file_time: datetime | None = None) -> Draft | None:
    """Take what *cursor* read since its last commit out of it; None when there is nothing to remember.

    A source that has yielded nothing is not remembered: many files begin alike, and only a record tells them apart.
    Records without a time of their own will get *file_time*, else the time when they are committed.
    """
    if cursor.lost or not cursor.pending_bytes or (cursor.committed is None and not cursor.yielded):
        return None
    if cursor.source_id is None and is_outdated(cursor, cursor.head, known):
        cursor.lost = True
        return None
    source_id = cursor.source_id or name_of(cursor.head, known)
    family = family_of(cursor.head) if cursor.committed is None else ""
    draft = Draft(
        source_id,
        cursor.path,
        cursor.committed,
        cursor.position,
        cursor.digest.hexdigest(),
        tail_hash(cursor.tail),
        list(cursor.pending),
        file_time,
        family,
        known.births(family),
    )
    cursor.source_id, cursor.committed = source_id, cursor.position
    cursor.pending.clear()
    cursor.digest.reset()
    return draft


def finish(draft: Draft, prices: Prices, now: datetime) -> Batch:
    """Return *draft* as rows of the warehouse, read *now*."""
    calls, events, rejects = (
        pl.concat([pl.DataFrame(schema=polars_schema(columns)), *frames])
        for columns, frames in (
            (CALLS, [r.calls for r in draft.rows]),
            (EVENTS, [r.events for r in draft.rows]),
            (REJECTS, [r.rejects for r in draft.rows]),
        )
    )
    stamped = stamp(
        calls,
        events,
        rejects,
        source_id=draft.source_id,
        path=draft.path,
        prices=prices,
        now=now,
        file_time=draft.file_time,
    )
    return Batch(
        draft.source_id,
        str(draft.path),
        draft.start,
        draft.end,
        draft.digest,
        draft.tail,
        *stamped,
        draft.family,
        draft.births,
    )


def _take(cursor: Cursor, block: Block) -> int:
    rows = parse(block, cursor.formats, cursor.contexts)
    taken = rows.end - block.offset
    if taken:
        _consume(cursor, block.data[:taken], rows)
        cursor.contexts = rows.contexts
    return taken


def _consume(cursor: Cursor, data: bytes, rows: Rows | None) -> None:
    cursor.digest.update(data)
    cursor.tail = (cursor.tail + data[-TAIL:])[-TAIL:]
    if len(cursor.head) < HEAD and cursor.committed is None:
        cursor.head = (cursor.head + data[:HEAD])[:HEAD]
    cursor.position += len(data)
    cursor.searched = cursor.position
    cursor.claimed += rows.claimed if rows else 0
    if rows and (rows.calls.height or rows.events.height or rows.rejects.height):
        cursor.pending.append(rows)


def _skip_overlong(cursor: Cursor, head: bytes, *, sealed: bool) -> int:
    """Pass over a line longer than `MAX_LINE`, keeping no more of it in memory than a quantum."""
    start, line_end = cursor.position, _LINE_ENDS[cursor.encoding]
    at = max(cursor.searched, start)
    while True:
        data = cursor.stream.read(at, QUANTUM)
        newline = data.find(line_end)
        if newline >= 0 or (sealed and len(data) < QUANTUM):
            end = at + (newline + len(line_end) if newline >= 0 else len(data))
            break
        if len(data) < QUANTUM:
            cursor.searched = max(start, at + len(data) - len(line_end))
            return 0
        at += len(data)
    for offset in range(start, end, QUANTUM):
        _consume(cursor, cursor.stream.read(offset, min(QUANTUM, end - offset)), None)
    rejects = conform(overlong(head, start, end), REJECTS)
    empty = pl.DataFrame(schema=polars_schema(CALLS)), pl.DataFrame(schema=polars_schema(EVENTS))
    cursor.pending.append(Rows(*empty, rejects, end, cursor.contexts))
    return end - start


def _recover(cursor: Cursor, offset: int) -> None:
    """Learn what the lines before *offset* say about those after it."""
    at = 0
    while at < offset:
        data = cursor.stream.read(at, min(QUANTUM, offset - at))
        if not data:
            return
        whole = len(data) if at + len(data) >= offset else _end_of_lines(data, cursor.encoding) or len(data)
        cursor.contexts = recover(Block(data[:whole], at, encoding=cursor.encoding), cursor.formats, cursor.contexts)
        at += whole


def _end_of_lines(data: bytes, encoding: str) -> int:
    """Return the length of the complete lines at the beginning of *data*."""
    line_end = _LINE_ENDS[encoding]
    at = data.rfind(line_end)
    while at >= 0 and at % len(line_end):
        at = data.rfind(line_end, 0, at + 1)
    return at + len(line_end) if at >= 0 else 0
