"""Packed bytes → what they hold, forward; of a file that ends too early, all of it that lies before the cut."""

import bz2
import contextlib
import gzip
import lzma
import os
from collections.abc import Callable
from typing import IO, cast

import pyarrow as pa

Opener = Callable[[IO[bytes]], IO[bytes]]

OPENERS: dict[str, Opener] = {
    ".gz": lambda raw: cast("IO[bytes]", gzip.GzipFile(fileobj=raw)),
    ".bz2": lambda raw: cast("IO[bytes]", bz2.BZ2File(raw)),
    ".xz": lambda raw: cast("IO[bytes]", lzma.LZMAFile(raw)),  # noqa: SIM115 # the stream closes it
    ".zst": lambda raw: cast("IO[bytes]", pa.input_stream(raw, compression="zstd")),
}
"""How to read packed files, by suffix."""

_MAGICS = {b"\x1f\x8b\x08": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\0": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}

MAGIC = max(map(len, _MAGICS))
"""How many bytes tell how a file is packed."""

_READERS = (gzip.GzipFile, bz2.BZ2File, lzma.LZMAFile)
_PIECE = 1 << 20


def packing_of(beginning: bytes) -> str:
    """Return the suffix for what is packed and has this *beginning*: svlogd packs without changing the name."""
    return next((suffix for magic, suffix in _MAGICS.items() if beginning.startswith(magic)), "")


class CutError(Exception):
    """The packed bytes end before what they hold does; all that lies before that has been read."""


class Unpacker:
    """What a packed file holds, piece by piece; `given` is how many bytes that was so far. A pipe is read as it is."""

    def __init__(self, raw: IO[bytes], opener: Opener | None) -> None:
        """Read what *opener* makes of *raw*; without one, *raw* itself."""
        self._raw, self._opener = raw, opener
        self._begin()

    def _begin(self) -> None:
        self._source = self._opener(self._raw) if self._opener else self._raw
        self._cut = ""
        self.given = 0

    def read(self, size: int) -> bytes:
        """Return up to *size* bytes more, none at the end.

        Raises:
            CutError: The file ends too early.
        """
        data = b"" if self._cut else self._read(size)
        self.given += len(data)
        if self._cut and not data:
            raise CutError(self._cut)
        return data

    def rewind(self) -> None:
        """Begin anew with this very file, whatever has its name now."""
        raw = os.fdopen(os.dup(self._raw.fileno()), "rb")
        self.close()  # pyarrow's reader closes the file that it unpacks, so that goes on as another
        raw.seek(0)
        self._raw = raw
        self._begin()

    def consumed(self) -> int | None:
        """Return how many packed bytes have been read; None for a pipe."""
        return self._raw.tell() if self._raw.seekable() else None

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        self._raw.close()

    def _read(self, size: int) -> bytes:
        try:
            if isinstance(self._source, pa.NativeFile):
                return bytes(self._source.read(min(size, _PIECE)))
            # `read` would lose what it has when something that isn't packed, or nothing at all, follows.
            return self._source.read1(size) if isinstance(self._source, _READERS) else self._source.read(size)
        except EOFError as error:
            self._cut = str(error)
            return b""
        except OSError as error:
            if not str(error).startswith("Truncated"):
                raise
            data = self._byte_by_byte()
            self._cut = str(error)
            return data

    def _byte_by_byte(self) -> bytes:
        """Return what follows what was given: pyarrow gives nothing of a piece that isn't there as a whole."""
        left = self.given
        self.rewind()
        while left and (skipped := self._source.read(min(left, _PIECE))):
            left -= len(skipped)
            self.given += len(skipped)
        data = bytearray()
        with contextlib.suppress(OSError):
            while byte := self._source.read(1):
                data += byte
        return bytes(data)
