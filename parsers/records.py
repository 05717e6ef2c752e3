"""Bytes → lines → records, with the offset of each in its source.

A block holds whole lines of one source. `split` finds the lines without copying them, sets aside what can't be a line
(runs of NUL bytes, lines beyond the cap), and knows how to turn any choice of lines into a frame of text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

MAX_LINE = (16 << 20) + 4096
"""Longest line taken, in bytes: above the 16 MiB that maestro's usage log allows itself."""

MAX_KEPT = 64 << 10
"""How much of a rejected record is kept, in bytes."""

RECORDS = pl.Schema({"line": pl.String, "source_offset": pl.Int64, "source_end": pl.Int64})
"""Records of one format: text without its line end, byte range in the source. A record may span lines."""

REJECTED = pl.Schema(
    {"reason": pl.String, "line": pl.String, "raw": pl.Binary, "source_offset": pl.Int64, "source_end": pl.Int64}
)
"""Records that were not taken, before they are stamped with their source."""

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

_NEWLINE = 10
_FEW = 16
_BOM = b"\xef\xbb\xbf"
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


@dataclass(frozen=True)
class Block:
    """Consecutive bytes of one source that end where a line ends, or, *sealed*, where the source does.

    `offset` is where they begin in the decompressed source. `sealed` says that nothing can follow: then the last line
    is whole even without a newline, and the last record is closed. `encoding` is what `encoding_of` found at the
    beginning of the source.
    """

    data: bytes
    offset: int = 0
    sealed: bool = False
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Lines:
    """The lines of a block: `bounds` in `data`, where each begins and ends in the source, and which are `whole`.

    Line *i* is `data[bounds[i]:bounds[i + 1]]`, its line end included, less `skipped[i]` leading bytes (a byte order
    mark, NUL bytes). Lines that are not `whole` are among the `rejects`. `decoded` is their text, where that came
    for free.
    """

    data: bytes
    bounds: Positions
    skipped: Positions
    offsets: Positions
    source_ends: Positions
    whole: Mask
    sealed: bool
    rejects: pl.DataFrame
    decoded: pl.Series | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    def byte_at(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the byte at *index* of each line; 0 where the line is shorter."""
        if not len(self):
            return np.zeros(0, np.uint8)
        buffer = np.frombuffer(self.data, np.uint8)
        position = self.bounds[:-1] + self.skipped + index
        if position[-1] >= len(buffer):
            position = np.minimum(position, len(buffer) - 1)
        byte = buffer[position]
        return np.where(self.bounds[:-1] + self.skipped + index < self.bounds[1:], byte, np.uint8(0))

    def frame(self, chosen: Mask | None = None) -> pl.DataFrame:
        """Return the *chosen* whole lines as `RECORDS`, decoded with replacement where they are not UTF-8."""
        chosen = self.whole if chosen is None else self.whole & chosen
        offsets, source_ends, skipped = self.offsets, self.source_ends, self.skipped
        text = self._raw() if self.decoded is None else self.decoded
        if not chosen.all():
            text = text.filter(pl.Series(chosen))
            offsets, source_ends, skipped = offsets[chosen], source_ends[chosen], skipped[chosen]
        if self.decoded is None:
            text = _decode(text).str.strip_suffix("\n").str.strip_suffix("\r")
        if skipped.any():
            at = np.flatnonzero(self.skipped.astype(np.bool_) & chosen)
            text = text.scatter(np.flatnonzero(skipped), [self.text(i, i) for i in at.tolist()])
        return pl.DataFrame({"line": text, "source_offset": offsets, "source_end": source_ends}, schema=RECORDS)

    def _raw(self) -> pl.Series:
        buffers = [None, pa.py_buffer(self.bounds), pa.py_buffer(self.data)]
        return pl.Series("line", pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(self), buffers))

    def text(self, first: int, last: int) -> str:
        """Return lines *first* to *last*, both included, as one text without its last line end; `\\n` between them."""
        start = self.bounds[first] + self.skipped[first]
        text = self.data[start : self.bounds[last + 1]].decode("utf-8", "replace")
        return text.removesuffix("\n").removesuffix("\r").replace("\r\n", "\n")


def encoding_of(head: bytes) -> str:
    """Return the encoding that the byte order mark in *head*, the first bytes of a source, announces."""
    return _UTF16.get(head[:2], "utf-8")


def split(block: Block) -> Lines:
    """Return the lines of *block*. Overlong lines and runs of NUL bytes become rejects, not lines."""
    if (lines := _plain(block)) is not None:
        return lines
    data, bounds, offsets, source_ends = _bounds(block)
    skipped = np.zeros(len(offsets), np.int64)
    if block.offset == 0 and data.startswith(_BOM):
        skipped[0] = len(_BOM)
    whole = np.diff(bounds) <= MAX_LINE
    refused = [
        _overlong(data[bounds[i] : bounds[i] + MAX_KEPT], int(offsets[i]), int(source_ends[i]))
        for i in np.flatnonzero(~whole).tolist()
    ]
    if b"\0" in data:
        lines = Lines(data, bounds, skipped, offsets, source_ends, whole, block.sealed, _rejected([]))
        for i in np.flatnonzero((lines.byte_at(0) == 0) & whole).tolist():
            line = data[bounds[i] + skipped[i] : bounds[i + 1]]
            run = len(line) - len(line.lstrip(b"\0"))
            if run:
                refused.append((f"hole of {run} NUL bytes", b"", int(offsets[i]), int(offsets[i]) + run))
                skipped[i] += run
                offsets[i] += run
    return Lines(data, bounds, skipped, offsets, source_ends, whole, block.sealed, _rejected(refused))


def reject(frame: pl.DataFrame, reason: str | pl.Expr) -> pl.DataFrame:
    """Return the records of *frame* (`RECORDS` and any other columns) as `REJECTED`, their text bounded."""
    why = pl.lit(reason) if isinstance(reason, str) else reason
    return frame.select(
        why.cast(pl.String).alias("reason"),
        pl.col("line").str.head(MAX_KEPT),
        pl.lit(None, dtype=pl.Binary).alias("raw"),
        "source_offset",
        "source_end",
    )


def overlong(head: bytes, start: int, end: int) -> pl.DataFrame:
    """Return the reject row for a line from *start* to *end* of the source that is longer than `MAX_LINE`."""
    return _rejected([_overlong(head, start, end)])


def hole(start: int, end: int) -> pl.DataFrame:
    """Return the reject row for the NUL bytes from *start* to *end* of the source."""
    return _rejected([(f"hole of {end - start} NUL bytes", b"", start, end)])


def _plain(block: Block) -> Lines | None:
    """Return the lines of a block of nothing but UTF-8 and newlines, as most are, in half the time; else None."""
    data = block.data
    if not data or block.encoding != "utf-8" or b"\0" in data or b"\r" in data or data.startswith(_BOM):
        return None
    try:
        text = pl.scan_lines(data, name="line").collect().to_series()
    except pl.exceptions.PolarsError:
        return None
    bounds = np.zeros(len(text) + 1, np.int64)
    np.cumsum(text.str.len_bytes().to_numpy().astype(np.int64) + 1, out=bounds[1:])
    bounds[-1] -= not data.endswith(b"\n")
    whole = np.diff(bounds) <= MAX_LINE
    if bounds[-1] != len(data) or not whole.all():
        return None
    offsets = bounds + block.offset
    skipped = np.zeros(len(text), np.int64)
    return Lines(data, bounds, skipped, offsets[:-1], offsets[1:], whole, block.sealed, _rejected([]), text)


def _bounds(block: Block) -> tuple[bytes, Positions, Positions, Positions]:
    """Return the UTF-8 bytes of *block*, the bounds of its lines in them, and their starts and ends in the source."""
    if block.encoding == "utf-8":
        bounds = _line_bounds(np.frombuffer(block.data, np.uint8))
        return block.data, bounds, bounds[:-1] + block.offset, bounds[1:] + block.offset
    units = np.frombuffer(block.data[: len(block.data) // 2 * 2], "<u2" if block.encoding.endswith("le") else ">u2")
    source = _line_bounds(units) * 2
    data = block.data.decode(block.encoding, "replace").encode("utf-8", "replace")
    return data, _line_bounds(np.frombuffer(data, np.uint8)), source[:-1] + block.offset, source[1:] + block.offset


def _line_bounds(units: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> Positions:
    ends = np.flatnonzero(units == _NEWLINE).astype(np.int64) + 1
    if len(units) and (not len(ends) or ends[-1] != len(units)):
        ends = np.append(ends, np.int64(len(units)))
    return np.concatenate([np.zeros(1, np.int64), ends])


def _decode(lines: pl.Series) -> pl.Series:
    """Return binary *lines* as text; the few that are not UTF-8 with replacement characters."""
    try:
        return lines.cast(pl.String)
    except pl.exceptions.ComputeError:
        # One invalid byte fails the whole cast: halve until the lines that hold it are alone.
        if len(lines) <= _FEW:
            return pl.Series(lines.name, [raw.decode("utf-8", "replace") for raw in lines], dtype=pl.String)
        half = len(lines) // 2
        return pl.concat([_decode(lines.head(half)), _decode(lines.tail(len(lines) - half))])


def _overlong(head: bytes, start: int, end: int) -> tuple[str, bytes, int, int]:
    return f"line of {end - start} bytes is longer than {MAX_LINE}", head[:MAX_KEPT], start, end


def _rejected(rows: Sequence[tuple[str, bytes, int, int]]) -> pl.DataFrame:
    decoded = [
        (reason, raw.decode("utf-8", "replace"), _unless_utf8(raw), start, end) for reason, raw, start, end in rows
    ]
    return pl.DataFrame(decoded, schema=REJECTED, orient="row")


def _unless_utf8(raw: bytes) -> bytes | None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
    return None
