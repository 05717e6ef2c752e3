"""The next bytes of a source → rows: blocks of whole records, one parsed here and the next one beside it."""

from concurrent.futures import Executor

import polars as pl

from ingest.cursor import QUANTUM, Cursor, Guess, end_of_lines, line_end_of, recall
from ingest.documents import document
from ingest.identity import HEAD
from ingest.streams import TAIL
from parsers import Block, Rows, parse
from parsers.records import MAX_KEPT, MAX_LINE, hole, overlong
from parsers.schema import CALLS, EVENTS, REJECTS, conform, polars_schema

FULL_ROWS = 40_000
"""How many rows of a block are worth its fixed cost."""

MAX_QUANTUM = 32 << 20
"""How large a block becomes that holds fewer."""

_HOLE = bytes(MAX_KEPT)
"""So many NUL bytes are passed over before lines are looked for; fewer are part of the line that they begin."""


def advance(cursor: Cursor, *, sealed: bool = False, pool: Executor | None = None) -> int:
    """Read and parse a block, more where a record is longer; return how many bytes of records that were.

    *sealed* says that the source can't grow, so that its last line and record are complete as they are. With a *pool*,
    the block that follows is parsed there meanwhile, and the next call finds it done.

    Raises:
        SourceError: A packed file is damaged.
        OSError: The file can't be read.
    """
    guess, cursor.guess = cursor.guess, None
    if guess and guess.block.offset == cursor.position and guess.contexts == cursor.contexts:
        return _took(cursor, guess.block, guess.rows.result())
    size = cursor.quantum
    while True:
        data = cursor.stream.read(cursor.position, size)
        ended = len(data) < size
        cut = len(data) if ended and sealed else end_of_lines(data, cursor.encoding)
        if cut and cursor.unrecalled:
            recall(cursor)
        if not cursor.position and (found := document(cursor.stream, data, cursor.formats, ended=ended)):
            rows, whole = found
            consume(cursor, whole, rows)
            return len(whole)
        if cursor.encoding == "utf-8" and data.startswith(_HOLE):
            return _skip_hole(cursor)
        if not cut and len(data) > MAX_LINE:
            return _skip_overlong(cursor, data[:MAX_KEPT], sealed=sealed)
        if cut and (
            taken := _take(cursor, Block(data[:cut], cursor.position, ended and sealed, cursor.encoding), pool)
        ):
            return taken
        if ended:
            return 0
        size *= 2


def _take(cursor: Cursor, block: Block, pool: Executor | None) -> int:
    if pool and len(block.data) > cursor.quantum // 2:
        _guess_next(cursor, block.offset + len(block.data), pool)
    return _took(cursor, block, parse(block, cursor.formats, cursor.contexts))


def _guess_next(cursor: Cursor, offset: int, pool: Executor) -> None:
    """Have the block at *offset* parsed, provided that it is a full one and so neither the last nor still growing."""
    data = cursor.stream.read(offset, cursor.quantum)
    cut = end_of_lines(data, cursor.encoding)
    if len(data) == cursor.quantum and cut:
        block = Block(data[:cut], offset, encoding=cursor.encoding)
        rows = pool.submit(parse, block, cursor.formats, cursor.contexts)
        cursor.guess = Guess(block, cursor.contexts, rows)


def _took(cursor: Cursor, block: Block, rows: Rows) -> int:
    taken = rows.end - block.offset
    if taken:
        consume(cursor, block.data[:taken], rows)
        cursor.contexts = rows.contexts
        if len(block.data) > cursor.quantum // 2 and not cursor.guess:
            # Each block costs some 20 ms however little it holds, and each row a kilobyte until it is committed.
            larger = rows.height * 2 < FULL_ROWS
            cursor.quantum = min(cursor.quantum * 2, MAX_QUANTUM) if larger else QUANTUM
    return taken


def consume(cursor: Cursor, data: bytes, rows: Rows | None) -> None:
    """Move *cursor* beyond *data*, which held *rows*."""
    cursor.digest.update(data)
    cursor.tail = (cursor.tail + data[-TAIL:])[-TAIL:]
    if len(cursor.head) < HEAD and cursor.committed is None:
        cursor.head = (cursor.head + data[:HEAD])[:HEAD]
    cursor.position += len(data)
    cursor.searched = cursor.position
    cursor.claimed += rows.claimed if rows else 0
    if rows and rows.height:
        cursor.pending.append(rows)


def _skip_hole(cursor: Cursor) -> int:
    """Pass over NUL bytes, however many: the record after them is none the worse for them.

    A writer without O_APPEND leaves them when its file is truncated, as long as the file was.
    """
    start = cursor.position
    while data := cursor.stream.read(cursor.position, QUANTUM):
        run = len(data) - len(data.lstrip(b"\0"))
        consume(cursor, data[:run], None)
        if run < QUANTUM:
            break
    return _refuse(cursor, hole(start, cursor.position), start)


def _skip_overlong(cursor: Cursor, head: bytes, *, sealed: bool) -> int:
    """Pass over a line longer than `MAX_LINE`, keeping no more of it in memory than a quantum."""
    start = cursor.position
    length = _length_of_line(cursor, sealed=sealed) if cursor.stream.can_grow else None
    if length == 0:
        return 0
    while length is None or cursor.position < start + length:
        size = QUANTUM if length is None else min(QUANTUM, start + length - cursor.position)
        data = cursor.stream.read(cursor.position, size)
        newline = data.find(line_end_of(cursor.encoding)) if length is None else -1
        piece = data if newline < 0 else data[: newline + len(line_end_of(cursor.encoding))]
        consume(cursor, piece, None)
        if newline >= 0 or len(data) < size:
            break
    return _refuse(cursor, overlong(head, start, cursor.position), start)


def _length_of_line(cursor: Cursor, *, sealed: bool) -> int:
    """Return the length of the line that begins at the cursor; 0 while its end isn't written."""
    start, line_end = cursor.position, line_end_of(cursor.encoding)
    at = max(cursor.searched, start)
    while True:
        data = cursor.stream.read(at, QUANTUM)
        newline = data.find(line_end)
        if newline >= 0:
            return at + newline + len(line_end) - start
        if len(data) < QUANTUM:
            cursor.searched = max(start, at + len(data) - len(line_end))
            return at + len(data) - start if sealed else 0
        at += len(data)


def _refuse(cursor: Cursor, rejected: pl.DataFrame, start: int) -> int:
    empty = pl.DataFrame(schema=polars_schema(CALLS)), pl.DataFrame(schema=polars_schema(EVENTS))
    cursor.pending.append(Rows(*empty, conform(rejected, REJECTS), cursor.position, cursor.contexts))
    return cursor.position - start
