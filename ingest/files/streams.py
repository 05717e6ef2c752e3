"""A path → its bytes, decompressed, by offset: plain files that may still grow, packed files, standard input.

All offsets are in decompressed bytes, so a file and its `.gz` share one line of offsets.
"""

import errno
import fcntl
import gzip
import logging
import lzma
import os
import stat
import sys
import time
import zlib
from pathlib import Path
from typing import IO, Protocol

import pyarrow as pa

from ingest.errors import SourceError
from ingest.files.unpacking import MAGIC, OPENERS, CutError, Opener, Unpacker, packing_of
from ingest.ledger import TAIL

log = logging.getLogger(__name__)


_CHUNK = 1 << 20

FIRST = 512
"""How many bytes are read on opening: enough to tell how a file is packed, and what it begins like."""


Key = tuple[int, int]
"""Which file it is, whatever its name: device and inode."""


class Stream(Protocol):
    """The bytes of one source. A read must not begin more than `TAIL` bytes before the last one but one did.

    `opened` is what the file was when it was opened, whatever its name denotes now; None for what is no file. `damage`
    says why the bytes ended too early, once they did.
    """

    can_grow: bool
    opened: os.stat_result | None
    damage: SourceError | None

    def read(self, offset: int, size: int) -> bytes:
        """Return up to *size* bytes from *offset*; fewer only where the bytes end now."""

    def before(self, offset: int) -> bytes:
        """Return the up to `TAIL` bytes before *offset*; fewer where the bytes end before it."""

    def rewind(self) -> None:
        """Make the bytes readable from the beginning again."""

    def consumed(self, offset: int) -> int:
        """Return how many bytes of the file itself have been read when the reader stands at *offset*."""

    def close(self) -> None:
        """Give the file back."""


class PlainStream:
    """A file read by position; it may grow, shrink or lose its name while it is open."""

    can_grow = True

    def __init__(self, path: Path) -> None:
        """Open *path*.

        Raises:
            OSError: It can't be opened.
        """
        self.fd = _opened(path)
        self.opened: os.stat_result | None = os.fstat(self.fd)
        self.damage: SourceError | None = None
        self._first = b""

    def first(self, size: int) -> bytes:
        """Return up to *size* of the first bytes; whoever asks for no more of them right after needs no other read."""
        self._first = self.read(0, size)
        return self._first

    def read(self, offset: int, size: int) -> bytes:
        """Return up to *size* bytes from *offset*."""
        first, self._first = self._first, b""
        if first and not offset and size <= FIRST:
            return first[:size]
        data = os.pread(self.fd, size, offset)
        while len(data) < size and (more := os.pread(self.fd, size - len(data), offset + len(data))):
            data += more
        return data

    def before(self, offset: int) -> bytes:
        """Return the up to `TAIL` bytes before *offset*."""
        start = max(0, offset - TAIL)
        return self.read(start, offset - start)

    def rewind(self) -> None:
        """Do nothing: a file that is read by position can be read anywhere."""

    def consumed(self, offset: int) -> int:
        """Return *offset*: the file holds the bytes themselves."""
        return offset

    def stat(self) -> os.stat_result:
        """Return size, times and link count as they are now."""
        return os.fstat(self.fd)

    def has_writer(self) -> bool | None:
        """Tell whether any process has the file open for writing; None where the system can't say.

        A read lease is granted only while nobody has (fcntl(2), F_SETLEASE). It needs the file's
        owner and a local disk.
        """
        try:
            fcntl.fcntl(self.fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return True if error.errno in (errno.EAGAIN, errno.EBUSY) else None
        fcntl.fcntl(self.fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


class PackedStream:
    """A compressed file or a pipe: read forward, keeping the last chunk for those who ask twice."""

    can_grow = False

    def __init__(self, name: str, raw: IO[bytes], opener: Opener | None = None) -> None:
        """Read what *opener* makes of *raw*, called *name* in messages; without one, a pipe as it is."""
        self._name = name
        self._source = Unpacker(raw, opener)
        self.opened = os.fstat(raw.fileno()) if opener else None
        self._begin()

    def _begin(self) -> None:
        self.damage: SourceError | None = None
        self._is_over = False
        self._held = b""
        self._held_at = 0
        self._asked = 0

    def rewind(self) -> None:
        """Make the bytes readable from the beginning again: of this very file, whatever has its name now."""
        if self._held_at:
            self._source.rewind()
            self._begin()

    def read(self, offset: int, size: int) -> bytes:
        """Return up to *size* bytes from *offset*.

        Raises:
            SourceError: The file is damaged. One that ends too early only has `damage`.
        """
        self._skip(max(self._held_at, offset - TAIL))
        if offset < self._held_at:
            raise SourceError(f"{self._name} can't be read backwards")
        keep = max(self._held_at, min(offset, self._asked) - TAIL)
        self._held, self._held_at, self._asked = self._held[keep - self._held_at :], keep, offset
        skipped = offset - self._held_at
        parts, have = [self._held], len(self._held)
        while have < skipped + size and (more := self._next(skipped + size - have)):
            parts.append(more)
            have += len(more)
        self._held = b"".join(parts)
        return self._held[skipped : skipped + size]

    def before(self, offset: int) -> bytes:
        """Return the up to `TAIL` bytes before *offset*."""
        start = max(0, offset - TAIL)
        return self.read(start, offset - start)

    def consumed(self, offset: int) -> int:
        """Return how many packed bytes have been read; *offset* of a pipe."""
        packed = self._source.consumed()
        return offset if packed is None else packed

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def _skip(self, offset: int) -> None:
        """Read on until what is held reaches *offset*, forgetting what lies before it."""
        while self._held_at + len(self._held) < offset:
            self._held_at += len(self._held)
            self._held = self._next(min(_CHUNK, offset - self._held_at))
            if not self._held:
                self._held_at = offset

    def _next(self, size: int) -> bytes:
        try:
            return b"" if self._is_over else self._source.read(size)
        except CutError as error:
            self._is_over, self.damage = True, self._damaged(error)
            return b""
        except gzip.BadGzipFile as error:
            # What isn't packed but follows what is, gunzip passes over too; a bad checksum is another matter.
            self._is_over = str(error).startswith("Not a gzipped file") and self._source.given > 0
            if not self._is_over:
                raise self._damaged(error) from error
            log.warning("%s: what follows the packed part isn't packed, and is passed over", self._name)
            return b""
        except (OSError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> SourceError:
        return SourceError(f"{self._name} is damaged, or still being written: {error}")


def archive_of(head: bytes) -> str | None:
    """Return which archive begins with *head*: read as one file, what it holds between its files breaks their lines."""
    if head[257:262] == b"ustar":
        return "tar archive"
    return "zip archive" if head.startswith(b"PK\x03\x04") else None


def suffix_of(path: Path) -> str:
    """Return the suffix that says how *path* is packed; empty for a name that says nothing of it."""
    return path.suffix if path.suffix in OPENERS else ""


def key_of(status: os.stat_result) -> Key:
    """Return which file *status* is of."""
    return status.st_dev, status.st_ino


def open_stream(path: Path) -> Stream:
    """Open *path*, plain or packed, whatever it is called; `-` is standard input.

    Raises:
        OSError: It can't be opened.
    """
    if str(path) == "-":
        return PackedStream("standard input", sys.stdin.buffer)
    if opener := OPENERS.get(suffix_of(path)):
        return PackedStream(str(path), os.fdopen(_opened(path), "rb"), opener)
    plain = PlainStream(path)
    try:
        packing = packing_of(plain.first(FIRST)[:MAGIC])
    except OSError:
        plain.close()
        raise
    return PackedStream(str(path), os.fdopen(plain.fd, "rb"), OPENERS[packing]) if packing else plain


def _opened(path: Path) -> int:
    """Open *path*, which must be a file: to open a named pipe would wait until somebody writes to it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.ESPIPE, "a pipe, which can't be read by position; read it with `ingest backfill - <PIPE`")
    return fd


QUIET_SECONDS = 30.0
"""How long a file must not have grown."""


def is_sealed(stream: Stream, *, quiet_seconds: float) -> bool:
    """Tell whether *stream*, which last grew *quiet_seconds* ago, is complete: no process has it open for writing."""
    if not isinstance(stream, PlainStream):
        return True
    return quiet_seconds >= QUIET_SECONDS and stream.has_writer() is not True


def is_ended(stream: Stream) -> bool:
    """Tell whether *stream* has been quiet, by its own time stamp, for so long that its last line is complete."""
    return is_sealed(stream, quiet_seconds=quiet_seconds(stream))


def quiet_seconds(stream: Stream) -> float:
    """Return how long ago the file was written, by its own time stamp; nothing for one in the future, or no file."""
    status = stream.stat() if isinstance(stream, PlainStream) else stream.opened
    return max(0.0, time.time() - status.st_mtime) if status else 0.0
