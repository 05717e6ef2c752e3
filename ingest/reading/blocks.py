"""The next bytes of a source → rows: blocks of whole records, the blocks that follow being parsed meanwhile."""

from pathlib import Path

from ingest.reading.cursor import MAX_LINES, QUANTUM, Cursor, Guess, end_of_block, end_of_lines, line_end_of
from ingest.reading.parse_ahead import Ahead
from parsers import Block, Rows, parse
from parsers.blocks.lines import MAX_KEPT, MAX_LINE, hole, line_ends, overlong
from parsers.claims.documents import may_be_document, parse_document

_HOLE = bytes(MAX_KEPT)
"""So many NUL bytes are passed over before lines are looked for; fewer are part of the line that they begin."""

_WINDOW = 256 << 10
"""Where the last line end of a block is looked for before the block is read, so that it need not be copied."""

_MAX_DOCUMENT = 256 << 20
"""Largest document taken, in bytes: it must be in memory as a whole."""


def advance(cursor: Cursor, *, sealed: bool = False, ahead: Ahead | None = None) -> int:
    """Read and parse a block, more where a record is longer; return how many bytes of records that were.

    *sealed* says that the source can't grow, so that its last line and record are complete as they are. With *ahead*,
    the blocks that follow are parsed meanwhile, and the next calls find them done.

    Raises:
        SourceError: A packed file is damaged.
        OSError: The file can't be read.
    """
    if taken := _take_guessed(cursor, ahead, sealed=sealed):
        return taken
    size, most = cursor.quantum, MAX_LINES
    while True:
        data, ended = _read(cursor, cursor.position, size)
        sealed = sealed and not cursor.stream.damage
        cut = end_of_block(data, cursor.encoding, most=most, whole=ended and sealed)
        if cut and cursor.needs_recall:
            cursor.recall()
        if not cursor.position and (taken := _take_document(cursor, data, ended=ended)):
            return taken
        if cursor.encoding == "utf-8" and data.startswith(_HOLE):
            return _skip_hole(cursor)
        if not cut and len(data) > MAX_LINE:
            return _skip_overlong(cursor, data[:MAX_KEPT], sealed=sealed)
        if cut:
            last = ended and sealed and cut == len(data)
            block = Block(data[:cut], cursor.position, last, cursor.encoding)
            if taken := cursor.take(block, _parse(cursor, block, ahead, sealed=sealed)):
                return taken
        if ended and most >= line_ends(data):
            return 0
        size, most = size * 2, most * 2


def _take_document(cursor: Cursor, beginning: bytes, *, ended: bool) -> int:
    """Take a source as a whole if it is one JSON document that a format knows; return how many bytes that was.

    *beginning* is what has been read of it, all of it if it *ended*. A complete document can't grow, so it need not be
    sealed to be taken; one that is written anew, longer, is another source.
    """
    if not may_be_document(beginning, ended=ended):
        return 0
    data = beginning if ended else cursor.stream.read(0, _MAX_DOCUMENT + 1)
    rows = parse_document(data, cursor.formats) if len(data) <= _MAX_DOCUMENT else None
    return cursor.take_document((rows, data) if rows else None)


def _read(cursor: Cursor, offset: int, size: int) -> tuple[bytes, bool]:
    """Return up to *size* bytes from *offset*, and whether the source ends there; else they may end with a line."""
    if cursor.stream.can_grow and size > _WINDOW:
        window = cursor.stream.read(offset + size - _WINDOW, _WINDOW)
        if len(window) == _WINDOW:
            size -= _WINDOW - (end_of_lines(window, cursor.encoding) or _WINDOW)
    data = cursor.stream.read(offset, size)
    if cursor.stream.can_grow and not cursor.is_unchanged():
        return b"", True  # rewritten since somebody looked: these may be bytes of another source
    return data, len(data) < size


def _take_guessed(cursor: Cursor, ahead: Ahead | None, *, sealed: bool) -> int:
    """Take the block at the cursor if it has been read ahead; return how many bytes of records that were."""
    if (guess := cursor.next_guess()) is None:
        return 0
    if guess.contexts != cursor.contexts:
        cursor.forget_guesses()  # which were made of this one
        return cursor.take(guess.block, parse(guess.block, cursor.formats, cursor.contexts))
    _look_ahead(cursor, guess.block, ahead, sealed=sealed)
    return cursor.take(guess.block, guess.rows.result())


def _parse(cursor: Cursor, block: Block, ahead: Ahead | None, *, sealed: bool) -> Rows:
    """Parse *block*, and meanwhile begin with what follows it."""
    if ahead is None or len(block.data) < QUANTUM // 2 or not ahead.has_room:
        return parse(block, cursor.formats, cursor.contexts)
    rows = ahead.parse(block, cursor.formats, cursor.contexts, path=_place(cursor))
    _look_ahead(cursor, block, ahead, sealed=sealed)
    return rows.result()


def _look_ahead(cursor: Cursor, block: Block, ahead: Ahead | None, *, sealed: bool) -> None:
    """Have what follows *block* parsed, as far as it is there, in the contexts that it is expected to have."""
    if ahead is None or not cursor.may_guess(foreseen=ahead.foresees):
        return
    most = ahead.most if cursor.stream.can_grow else 1  # a packed file can't be read backwards further
    while ahead.has_room and cursor.guessed < most:
        last, before = cursor.furthest(block)
        offset = last.offset + len(last.data)
        data, ended = _read(cursor, offset, cursor.quantum)
        sealed = sealed and not cursor.stream.damage
        cut = end_of_block(data, cursor.encoding, whole=ended and sealed)
        if not cut or data.startswith(_HOLE):
            return
        following = Block(data[:cut], offset, ended and sealed and cut == len(data), cursor.encoding)
        contexts = ahead.after(last, cursor.formats, before)
        cursor.guess(Guess(following, contexts, ahead.parse(following, cursor.formats, contexts, path=_place(cursor))))


def _place(cursor: Cursor) -> Path | None:
    """Return the file in which others find the bytes at the offsets of *cursor*; None for what is packed."""
    return cursor.path if cursor.stream.can_grow else None


def _skip_hole(cursor: Cursor) -> int:
    """Pass over NUL bytes, however many: the record after them is none the worse for them.

    A writer without O_APPEND leaves them when its file is truncated, as long as the file was.
    """
    start = cursor.position
    while data := cursor.stream.read(cursor.position, QUANTUM):
        run = len(data) - len(data.lstrip(b"\0"))
        cursor.consume(data[:run])
        if run < QUANTUM:
            break
    return cursor.refuse(hole(start, cursor.position), start)


def _skip_overlong(cursor: Cursor, head: bytes, *, sealed: bool) -> int:
    """Pass over a line longer than `MAX_LINE`, keeping no more of it in memory than a quantum."""
    start = cursor.position
    length = cursor.length_of_line(sealed=sealed) if cursor.stream.can_grow else None
    if length == 0:
        return 0
    while length is None or cursor.position < start + length:
        size = QUANTUM if length is None else min(QUANTUM, start + length - cursor.position)
        data = cursor.stream.read(cursor.position, size)
        newline = data.find(line_end_of(cursor.encoding)) if length is None else -1
        piece = data if newline < 0 else data[: newline + len(line_end_of(cursor.encoding))]
        cursor.consume(piece)
        if newline >= 0 or len(data) < size:
            break
    return cursor.refuse(overlong(head, start, cursor.position), start)
