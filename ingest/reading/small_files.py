"""Many small files, and what many files gained, → one block: to plan costs the same for two lines as for 8 MB."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future  # noqa: TC003 # dataclasses look their types up
from dataclasses import dataclass, field
from enum import Enum

from ingest.files.identity import HEAD
from ingest.files.streams import PlainStream, Stream
from ingest.reading.cursor import MAX_LINES, QUANTUM, Cursor, first_line
from ingest.reading.intake import Intake
from parsers import Block, Rows, parse
from parsers.claims.many_sources import Source

MAX_FILE = 4 << 20
"""Files beyond this are worth a block of their own."""

MAX_GAIN = 256 << 10
"""A file that gained more is read alone."""

MAX_FILES = 1024
"""Files of a block."""

_BOM = b"\xef\xbb\xbf"


class Turn(Enum):
    """When a file is read: it was taken and is parsed with others, or it must wait for another, or be read alone."""

    TAKEN = "taken"
    LATER = "later"
    ALONE = "alone"


@dataclass
class Part:
    """What was read of a file, from its beginning or from where its cursor stood, and whether that is all there is.

    `consumed` are the bytes of the file itself that it took. It is `sealed` when its last line is complete as it is;
    `left` are the bytes of one that isn't.
    """

    cursor: Cursor
    data: bytes
    consumed: int
    whole: bool
    sealed: bool
    left: int = 0


@dataclass
class SmallFiles:
    """Small new files of one round, and what others gained, parsed together.

    Of files that may be the same source only the first is taken, or read alone; the others wait for the next round,
    when that one is committed and their content decides. `seals` tells whether the last line of a file, which has no
    end, may be read as it is.
    """

    intake: Intake
    seals: Callable[[Stream, bytes], bool]
    most: int = MAX_FILES
    parts: list[Part] = field(default_factory=list)
    size: int = 0
    lines: int = 0
    _parsing: "deque[tuple[list[Part], Future[list[Rows | None]]]]" = field(default_factory=deque)
    _whole: set[bytes] = field(default_factory=set)
    _short: dict[bytes, list[bytes]] = field(default_factory=dict)
    _lines: dict[bytes, list[bytes]] = field(default_factory=dict)
    _barren: dict[bytes, bool] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether it is time to parse."""
        return self.size >= QUANTUM or self.lines >= MAX_LINES or len(self.parts) >= self.most

    def offer(self, cursor: Cursor) -> Turn:
        """Take what *cursor* reads, if that is small, and new or more of a known source, and say whose turn it is.

        Raises:
            OSError: The file can't be read.
            SourceError: A packed file is damaged.
        """
        if cursor.position:
            return self._offer_gain(cursor)
        if not cursor.is_new:
            return Turn.ALONE
        part = _read(cursor, self.seals)
        head = part.data[:HEAD]
        line = first_line(head)
        waits = self._meets(head, line) or not self.intake.may_read(cursor, head)
        if not cursor.is_new:
            return Turn.ALONE  # it was named meanwhile, and goes on from where that ended
        taken = not waits and _can_join(part)
        if waits or taken:
            self._remember(head, line)
        if not taken:
            return Turn.LATER if waits else Turn.ALONE
        self._take(part)
        return Turn.TAKEN

    def _offer_gain(self, cursor: Cursor) -> Turn:
        """Take what the file has gained since *cursor* read it, unless it depends on what came before."""
        if cursor.is_new or cursor.contexts or cursor.needs_recall or cursor.encoding != "utf-8":
            return Turn.ALONE
        if not isinstance(cursor.stream, PlainStream) or cursor.may_be_document_now:
            return Turn.ALONE
        if not self.intake.may_read(cursor):
            return Turn.LATER
        data = cursor.stream.read(cursor.position, MAX_GAIN + 1)
        lines = data[: data.rfind(b"\n") + 1]
        # What was rewritten since somebody looked may be bytes of another source.
        if cursor.is_lost or not lines or len(data) > MAX_GAIN or lines.startswith(b"\0") or not cursor.is_unchanged():
            return Turn.ALONE
        self._take(Part(cursor, lines, len(lines), whole=True, sealed=False))
        return Turn.TAKEN

    def _take(self, part: Part) -> None:
        self.parts.append(part)
        self.size += len(part.data)
        self.lines += part.data.count(b"\n")

    def parse(self) -> tuple[list[Part], list[Cursor]]:
        """Parse what was taken; return the files that now have been read, and those that must be read alone."""
        self.begin()
        return self.parsed()

    def begin(self) -> None:
        """Have what was taken parsed beside what comes next."""
        if self.parts:
            sources = [Source(part.data, part.sealed, part.cursor.position) for part in self.parts]
            rows = self.intake.ahead.parse_many(sources, self.intake.formats)
            self._parsing.append((self.parts, rows))
        self.parts, self.size, self.lines = [], 0, 0

    def parsed(self, *, but: int = 0) -> tuple[list[Part], list[Cursor]]:
        """Wait until no more than *but* blocks are being parsed; return the files read, and those to be read alone."""
        read, alone = [], []
        while len(self._parsing) > but:
            parts, parsing = self._parsing.popleft()
            for part, rows in zip(parts, parsing.result(), strict=True):
                if rows is None:
                    alone.append(part.cursor)
                else:
                    before = part.cursor.position
                    self.intake.take(part.cursor, part.data, rows)
                    part.left = before + len(part.data) - rows.end
                    read.append(part)
        return read, alone

    def _meets(self, head: bytes, line: bytes) -> bool:
        """Tell whether a file with this *head*, and first *line*, may be the same source as one met in this round."""
        if len(head) < HEAD:
            met = any(other.startswith(head) for other in self._lines.get(line, ())) and not self._is_barren(head)
        else:
            met = head in self._whole
        return met or any(head.startswith(s) and not self._is_barren(s) for s in self._short.get(line, ()))

    def _remember(self, head: bytes, line: bytes) -> None:
        if len(head) < HEAD:
            if head not in self._short.get(line, ()):
                self._short.setdefault(line, []).append(head)
        else:
            self._whole.add(head)
        self._lines.setdefault(line, []).append(head)

    def _is_barren(self, head: bytes) -> bool:
        """Tell whether a file of nothing but *head* has no rows: many begin with the same header, no source yet."""
        if head not in self._barren:
            rows = parse(Block(head), self.intake.formats) if head.endswith(b"\n") else None
            self._barren[head] = rows is not None and not rows.height
        return self._barren[head]


def _read(cursor: Cursor, seals: Callable[[Stream, bytes], bool]) -> Part:
    """Return all bytes of the file; of one that is too large, those that tell it from others."""
    stream = cursor.stream
    is_large = isinstance(stream, PlainStream) and stream.stat().st_size > MAX_FILE
    data = stream.read(0, HEAD if is_large else MAX_FILE + 1)
    whole = not is_large and len(data) <= MAX_FILE
    sealed = whole and not data.endswith(b"\n") and seals(stream, data[data.rfind(b"\n") + 1 :])
    return Part(cursor, data, stream.consumed(len(data)), whole, sealed)


def _can_join(part: Part) -> bool:
    """Tell whether what was read can be parsed with others."""
    data, cursor = part.data, part.cursor
    if not part.whole or cursor.stream.damage or not data or data.count(b"\n") > MAX_LINES:
        return False
    return cursor.encoding == "utf-8" and not data.startswith(_BOM)
