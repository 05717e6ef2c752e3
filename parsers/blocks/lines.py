"""Bytes → lines → records, with the offset of each in its source.

A block holds whole lines of one source. `split` finds the lines without copying them, sets aside what can't be a line
(runs of NUL bytes, lines beyond the cap), and knows how to turn any choice of lines into a frame of text.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from parsers.schema import UTC

MAX_LINE = (16 << 20) + 4096
"""Longest line taken, in bytes: above the 16 MiB that maestro's usage log allows itself."""

SHORT = 1 << 14
"""Texts of so many bytes are searched in Python: to begin with, Polars takes as long as for a hundred times as many."""

_SAMPLE = 64
"""So many texts are looked at one by one for what all of them may hold."""

MAX_RECORD = 16 << 20
"""An unfinished record that spans more bytes than this is closed as it is, so that a source never stalls."""

MAX_RECORD_LINES = 1 << 20
"""One that spans more lines than this likewise: a line costs memory, however short it is."""

MAX_KEPT = 64 << 10
"""How much of a rejected record is kept, in bytes."""

RECORDS = pl.Schema({"line": pl.String, "source_offset": pl.Int64, "source_end": pl.Int64})
"""Records of one format: text without its line end, byte range in the source. A record may span lines."""

REJECTED = pl.Schema(
    {
        "reason": pl.String(),
        "line": pl.String(),
        "raw": pl.Binary(),
        "source_offset": pl.Int64(),
        "source_end": pl.Int64(),
        "created_at": UTC,
    }
)
"""Records that were not taken, before they are stamped with their source."""

NONE_REJECTED = pl.DataFrame(schema=REJECTED)
"""What most blocks reject."""

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

_NEWLINE = 10
_PIECE = 1 << 18
_FEW = 16
_SPARSE = 4
_HANDFUL = 16
_CHUNK = 1 << 18
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
    mark, NUL bytes). Lines that are not `whole` are among the `rejects`.
    """

    data: bytes
    bounds: Positions
    skipped: Positions
    offsets: Positions
    source_ends: Positions
    whole: Mask
    sealed: bool
    rejects: pl.DataFrame

    @classmethod
    def of(cls, texts: pl.Series, offsets: pl.Series, ends: pl.Series, *, like: Self) -> Self:
        """Return *texts* as lines that are at the *offsets* of a source, up to *ends*; *like* others of its block."""
        ended = texts.to_frame("line").select(pl.col("line") + "\n").to_series()
        array = ended.to_arrow(compat_level=pl.CompatLevel.oldest())
        data = b"".join(_bytes(chunk) for chunk in getattr(array, "chunks", [array]))
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(ended.str.len_bytes().to_numpy(), dtype=np.int64)])
        skipped, whole = np.zeros(len(texts), np.int64), np.ones(len(texts), np.bool_)
        places = offsets.to_numpy(), ends.to_numpy()
        return cls(data, bounds, skipped, *places, whole, like.sealed, like.rejects)

    def __len__(self) -> int:
        return len(self.offsets)

    def head(self, count: int) -> Self:
        """Return the first *count* lines."""
        bounds = self.bounds[: count + 1]
        return replace(
            self,
            data=self.data[: bounds[-1]],
            bounds=bounds,
            skipped=self.skipped[:count],
            offsets=self.offsets[:count],
            source_ends=self.source_ends[:count],
            whole=self.whole[:count],
        )

    @cached_property
    def first_byte(self) -> npt.NDArray[np.uint8]:
        """Return `byte_at(0)`, which everybody asks for who tells JSON from text."""
        return self.byte_at(0)

    def byte_at(self, index: int) -> npt.NDArray[np.uint8]:
        """Return the byte at *index* of each line; 0 where the line is shorter."""
        if not len(self):
            return np.zeros(0, np.uint8)
        position = self.bounds[:-1] + self.skipped + index
        byte = np.frombuffer(self.data, np.uint8).take(position, mode="clip")
        byte[position >= self.bounds[1:]] = 0
        return byte

    def punctuated(self, fixed: Mapping[int, str], at: Positions) -> Mask:
        """Return which of the lines *at* these positions are whole and have the bytes *fixed* at these indexes."""
        width = max(fixed) + 1
        begins = self.bounds[at] + self.skipped[at]
        found: Mask = self.whole[at] & (begins + width <= self.bounds[at + 1])
        if found.any():
            heads = np.lib.stride_tricks.sliding_window_view(np.frombuffer(self.data, np.uint8), width)[begins[found]]
            found[found] = np.all([heads[:, index] == ord(byte) for index, byte in fixed.items()], axis=0)
        return found

    def holding(self, literals: Collection[str]) -> Mask:
        """Return which lines hold one of *literals*.

        The block is searched as one text, at 3 GB/s for thirty literals.
        """
        held: Mask = np.zeros(len(self), np.bool_)
        if self._is_short and not any(literal.encode() in self.data for literal in literals):
            return held
        if self._whole_text is None:
            lines = _decode(_pieces(self.data, self.bounds))
            return lines.str.contains("|".join(map(pl.escape_regex, literals))).to_numpy()
        hits = self._whole_text.str.find_many(sorted(literals), leftmost=True).explode().drop_nulls().to_numpy()
        held[np.searchsorted(self.bounds, hits, side="right") - 1] = True
        return held

    def has(self, *literals: bytes) -> bool:
        """Tell whether one of *literals* is in the block: one search for all, which keeps no other thread waiting."""
        if self._is_short:
            return any(literal in self.data for literal in literals)
        if self._whole_text is None:
            return any(bool(self._one.bin.contains(literal).any()) for literal in literals)
        pattern = "|".join(pl.escape_regex(literal.decode()) for literal in literals)
        return bool(self._whole_text.str.contains(pattern).any())

    def frame(self, chosen: Mask | None = None) -> pl.DataFrame:
        """Return the *chosen* whole lines as `RECORDS`, decoded with replacement where they are not UTF-8."""
        chosen = self.whole if chosen is None else self.whole & chosen
        at = np.flatnonzero(chosen)
        text = self._gathered(at) if len(at) * _SPARSE > len(self) else None
        if text is None:
            edges = np.column_stack([self.bounds[at], self.bounds[at + 1]]).ravel()
            pieces = _pieces(self.data, np.append(edges, len(self.data)))  # every other one is a line
            text = _decode(pieces.gather_every(2)).str.strip_suffix("\n").str.strip_suffix("\r")
        skipped = np.flatnonzero(self.skipped[at])
        if len(skipped):
            text = text.scatter(skipped, [self.text(i, i) for i in at[skipped].tolist()])
        # Copied: memory of Python that a thread of Polars lets go of stops whoever pickles rows at that time.
        places = (numbers(self.offsets[at], "source_offset") + 0, numbers(self.source_ends[at], "source_end") + 0)
        return pl.DataFrame([text.alias("line"), *places], schema=RECORDS)

    def _gathered(self, at: Positions) -> pl.Series | None:
        """Return the text of the lines *at* in half the time, if there is nothing but UTF-8 and newlines; else None."""
        if (text := self._plain) is None or len(at) == len(text):
            return text
        return text.gather(numbers(at, "at"))

    @property
    def _one(self) -> pl.Series:
        """Return the block as one text; an empty one beside it, lest Polars take it for a constant and copy it."""
        return _pieces(self.data, np.array([0, len(self.data), len(self.data)]))

    @property
    def _is_short(self) -> bool:
        """Tell whether Python is faster with all of it than Polars is with beginning."""
        return len(self.data) <= SHORT

    @cached_property
    def _whole_text(self) -> pl.Series | None:
        """Return all lines as one text; None where they aren't UTF-8."""
        try:
            return self._one.cast(pl.String)
        except pl.exceptions.ComputeError:
            return None

    @cached_property
    def _plain(self) -> pl.Series | None:
        """Return the text of all lines, for who asks for most of them again; None where a line needs a closer look."""
        if self.has(b"\r") or self.data.startswith(_BOM):
            return None
        try:
            if self._is_short:
                return pl.Series("line", self.data.decode().removesuffix("\n").split("\n")) if self.data else None
        except UnicodeDecodeError:
            return None
        try:
            text = pl.scan_lines(self.data, name="line").collect().to_series()
        except pl.exceptions.PolarsError:
            return None
        return text if len(text) == len(self) else None

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
    data, bounds, offsets, source_ends = _bounds(block)
    skipped = np.zeros(len(offsets), np.int64)
    if block.offset == 0 and data.startswith(_BOM):
        skipped[0] = len(_BOM)
    whole = np.diff(bounds) <= MAX_LINE
    refused = [
        _overlong(data[bounds[i] : bounds[i] + MAX_KEPT], int(offsets[i]), int(source_ends[i]))
        for i in np.flatnonzero(~whole).tolist()
    ]
    lines = Lines(data, bounds, skipped, offsets, source_ends, whole, block.sealed, _rejected(refused))
    if lines.has(b"\0"):
        for i in np.flatnonzero((lines.byte_at(0) == 0) & whole).tolist():
            line = data[bounds[i] + skipped[i] : bounds[i + 1]]
            run = len(line) - len(line.lstrip(b"\0"))
            if run:
                refused.append((f"hole of {run} NUL bytes", b"", int(offsets[i]), int(offsets[i]) + run))
                skipped[i] += run
                offsets[i] += run
        lines = replace(lines, rejects=_rejected(refused))
    return lines


def reject(frame: pl.DataFrame, reason: str | pl.Expr) -> pl.DataFrame:
    """Return the records of *frame* (`RECORDS` and any other columns) as `REJECTED`, their text bounded.

    Their time is that of `_created_at`, `_started_at` or `created_at`, where one of these is a time already.
    """
    times = [name for name in ("_created_at", "_started_at", "created_at") if frame.schema.get(name) == UTC]
    at = pl.coalesce(*times, pl.lit(None, dtype=UTC))
    why = pl.lit(reason) if isinstance(reason, str) else reason
    return frame.select(
        why.cast(pl.String).alias("reason"),
        pl.col("line").str.head(MAX_KEPT),
        pl.lit(None, dtype=pl.Binary).alias("raw"),
        "source_offset",
        "source_end",
        pl.when(at.dt.year().is_between(2000, 2100)).then(at).alias("created_at"),
    )


def overlong(head: bytes, start: int, end: int) -> pl.DataFrame:
    """Return the reject row for a line from *start* to *end* of the source that is longer than `MAX_LINE`."""
    return _rejected([_overlong(head, start, end)])


def hole(start: int, end: int) -> pl.DataFrame:
    """Return the reject row for the NUL bytes from *start* to *end* of the source."""
    return _rejected([(f"hole of {end - start} NUL bytes", b"", start, end)])


def numbers(values: Positions, name: str) -> pl.Series:
    """Return *values* as a column; from an array of NumPy, Polars makes the same, but imports `numpy.ma` first."""
    return pl.Series(name, _Exported(pa.Int64Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])))


def flags(values: Mask) -> pl.Series:
    """Return *values* as a column, likewise."""
    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pl.Series(_Exported(pa.BooleanArray.from_buffers(pa.bool_(), len(values), [None, bits])))


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
    chunks = range(0, len(units), _CHUNK)  # so many fit into the processor's cache, which halves the time
    starts = [np.zeros(1, np.int64)]
    starts += [np.flatnonzero(units[at : at + _CHUNK] == _NEWLINE) + (at + 1) for at in chunks]
    if len(units) and units[-1] != _NEWLINE:
        starts.append(np.array([len(units)]))
    return np.concatenate(starts)


def _pieces(data: bytes, bounds: Positions) -> pl.Series:
    """Return the pieces of *data* between *bounds*, without copying them."""
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(data)]
    return pl.Series("line", _Exported(pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(bounds) - 1, buffers)))


@dataclass(frozen=True)
class _Exported:
    """An Arrow array of which Polars knows no more than that, so that it doesn't import `pyarrow.compute` (0.1 s)."""

    array: pa.Array

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        exported: tuple[object, object] = self.array.__arrow_c_array__(requested_schema)
        return exported


def _bytes(texts: pa.LargeStringArray) -> bytes:
    """Return the bytes of *texts*, one after the other."""
    _, bounds, data = texts.buffers()
    if data is None:
        return b""
    first, last = np.frombuffer(bounds, np.int64)[[texts.offset, texts.offset + len(texts)]].tolist()
    return data[first:last].to_pybytes()  # type: ignore[no-any-return]


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
        (reason, raw.decode("utf-8", "replace"), _unless_utf8(raw), start, end, None)
        for reason, raw, start, end in rows
    ]
    return pl.DataFrame(decoded, schema=REJECTED, orient="row")


def _unless_utf8(raw: bytes) -> bytes | None:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw
    return None


def line_ends(data: bytes) -> int:
    """Return how many line ends are in *data*: ten times as fast as Python counts, by pieces that stay in the cache."""
    buffer = np.frombuffer(data, np.uint8)
    return sum(int(np.count_nonzero(buffer[at : at + _PIECE] == _NEWLINE)) for at in range(0, len(buffer), _PIECE))


def occurring(texts: pl.Series, literals: Collection[str]) -> set[str]:
    """Return which of *literals* are in any of *texts*.

    Dozens of formats ask for hundreds of words, and a source holds few of them. A sample tells most of those; the
    others, which are mostly nowhere, are then searched for together, in one pass: each costs nothing by itself.
    """
    # At random (the same each time): kinds of lines that take turns would escape a sample of every hundredth.
    found = _within(texts.sample(_SAMPLE, seed=0) if len(texts) > _SAMPLE else texts, literals)
    others = [literal for literal in literals if literal not in found]
    if not others or len(texts) <= _SAMPLE:
        return found
    if len(others) <= _HANDFUL:
        # Without their first character, mostly a quote: a regex whose words begin alike stops at all that does.
        holding = texts.filter(texts.str.contains("|".join(sorted(pl.escape_regex(word[1:]) for word in others))))
    else:
        holding = texts.filter(texts.str.contains_any(others))
    return found | _within(holding, others)


def _within(texts: pl.Series, literals: Collection[str]) -> set[str]:
    """Return which of *literals*, of which one may begin or end in another, are in any of *texts*."""
    if texts.is_empty():
        return set()
    if texts.str.len_bytes().sum() <= SHORT:
        text = "\n".join(texts.drop_nulls().to_list())
        return {literal for literal in literals if literal in text}
    found = texts.str.extract_many(list(literals), overlapping=True).explode(empty_as_null=False).drop_nulls()
    return set(found.unique().to_list())
