"""Many small sources, or what each gained, → rows: parsed as one block, since planning costs the same for any size.

What depends on other lines of its own source stays out: a source with a line that sets a context, with a record that
may span lines, or with a header that names the format must be parsed alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import polars as pl

from parsers.blocks.format import Format
from parsers.blocks.lines import Block, Lines, Mask, Positions, flags, numbers, split
from parsers.claims.documents import document_of, may_be_document, rows_in
from parsers.claims.overlooked import unread
from parsers.claims.parse import Rows, claimed_by, flagged, rows_of, values
from parsers.envelopes.unwrap import Opened, unwrap


class Source(NamedTuple):
    """Bytes of a source, UTF-8 without a byte order mark, to its end, and from its beginning or an *offset*.

    Before the offset are whole records, which say nothing of those after them. *sealed*: nobody can go on with its last
    line.
    """

    data: bytes
    sealed: bool = False
    offset: int = 0

    @property
    def is_unended(self) -> bool:
        """Whether its last line is complete though it has no end."""
        return self.sealed and not self.data.endswith(b"\n")

    @property
    def lines(self) -> bytes:
        """Its complete lines, each with its end."""
        return self.data + b"\n" if self.is_unended else self.data[: self.data.rfind(b"\n") + 1]


def parse_many(sources: Sequence[Source], formats: Sequence[Format]) -> list[Rows | None]:
    """Return the rows of each of *sources*; None for one that must be parsed alone.

    What is a document that no format knows is read as lines, as one JSON line is; of what may be half a document
    nothing is read here. A last line that may go on is left.
    """
    rows: list[Rows | None] = [None] * len(sources)
    of_lines = []
    for number, source in enumerate(sources):
        if source.offset or not may_be_document(source.data, ended=True):
            of_lines.append(number)
        elif document := document_of(source.data):
            rows[number] = rows_in(document, formats)
            if rows[number] is None:
                of_lines.append(number)
    if of_lines:
        found = _parse_lines([sources[number] for number in of_lines], formats)
        for number, lines in zip(of_lines, found, strict=True):
            rows[number] = lines
    return rows


def _parse_lines(sources: Sequence[Source], formats: Sequence[Format]) -> list[Rows | None]:
    """Return the rows of each of *sources*, as lines of one block; None for one that must be parsed alone."""
    texts = [source.lines for source in sources]
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum([len(text) for text in texts], dtype=np.int64)])
    lines = split(Block(b"".join(texts)))
    offsets = np.array([source.offset for source in sources], np.int64)
    alone = _headed(lines, starts[:-1][offsets == 0], starts, formats)
    claimed = []
    opened = unwrap(lines, formats, int(starts[-1]))
    alone[_home(opened.refused.slice(len(lines.rejects)), starts)] = True
    for begin, end in zip(opened.joined.begins, opened.joined.ends, strict=True):  # what one left open, another may end
        alone[np.searchsorted(starts, begin, side="right") - 1 : np.searchsorted(starts, end, side="left")] = True
    if opened.facts is not None:  # envelopes cut lines into pieces, and those of two sources must not be joined
        alone[_wrapped(opened, starts)] = True
    for format_, records in claimed_by(opened.lines, formats):
        home = _home(records, starts)
        alone[home[_bound(records, format_)]] = True
        if format_.whole:
            alone[np.intersect1d(home, _home(opened.lines.frame(values(opened.lines)), starts))] = True
        claimed.append((format_, records, home))
    refused = lines.rejects
    if alone.any():
        claimed = [(f, records.filter(flags(~alone[home])), home[~alone[home]]) for f, records, home in claimed]
        refused = refused.filter(flags(~alone[_home(refused, starts)]))
    count = np.bincount(
        np.concatenate([home for _, _, home in claimed] or [np.zeros(0, np.int64)]),
        minlength=len(sources),
    )
    found = [(format_, records) for format_, records, _ in claimed]
    rows = rows_of(found, refused, int(starts[-1]), {})
    if any(source.is_unended for source in sources):
        last = np.array([s.data.rfind(b"\n") + 1 if s.is_unended else len(s.data) for s in sources], np.int64)
        on_last = rows.calls["source_offset"].to_numpy() >= (starts[:-1] + last)[_home(rows.calls, starts)]
        rows = replace(rows, calls=flagged(rows.calls, pl.lit(flags(on_last))))
    sizes = np.array([min(len(s.data), len(text)) for s, text in zip(sources, texts, strict=True)], np.int64)
    return _parted(rows, starts, (offsets, sizes), alone, (count, _left(opened, claimed, formats, starts)))


def _left(
    opened: Opened,
    claimed: Sequence[tuple[Format, pl.DataFrame, Positions]],
    formats: Sequence[Format],
    starts: Positions,
) -> Positions:
    """Return how many lines of each source speak of calls and are none of those *claimed*."""
    counts, own = np.zeros(len(starts) - 1, np.int64), np.zeros(len(starts) - 1, np.bool_)
    for format_, _, home in claimed:
        if not format_.rank:  # what it leaves is side lines
            own[home] = True
    if not own.all():
        found = [(format_, records) for format_, records, _ in claimed]
        left = unread(opened.lines, found, formats, before=int(starts[-1]))
        counts = np.bincount(np.searchsorted(starts, left, side="right") - 1, minlength=len(counts))
    return np.where(own, 0, counts)


def _home(rows: pl.DataFrame, starts: Positions) -> Positions:
    """Return the number of the source that each of *rows* lies in."""
    return np.searchsorted(starts, rows["source_offset"].to_numpy(), side="right").astype(np.int64) - 1


def _wrapped(opened: Opened, starts: Positions) -> Positions:
    """Return the numbers of the sources that have lines in envelopes."""
    assert opened.facts is not None  # noqa: S101
    wrapped = opened.facts.filter(pl.col("envelope").is_not_null()).select(source_offset="begin")
    return _home(wrapped, starts)


def _bound(records: pl.DataFrame, format_: Format) -> Mask:
    """Return which of *records* say something about other lines, or may go on in them."""
    bound = np.zeros(len(records), np.bool_)
    if format_.sets_context is not None:
        bound |= records.select(format_.sets_context.fill_null(value=False)).to_series().to_numpy()
    if format_.closed is not None:
        bound |= records.select(~format_.closed).to_series().to_numpy()
    return bound


def _headed(lines: Lines, heads_at: Positions, starts: Positions, formats: Sequence[Format]) -> Mask:
    """Return which sources begin with a line, one of those *heads_at*, that says what the whole source is."""
    alone = np.zeros(len(starts) - 1, np.bool_)
    heads = [f.heads.fill_null(value=False) for f in formats if f.heads is not None]
    if heads:
        first = lines.frame(np.isin(lines.bounds[:-1], heads_at))
        told = first.select(pl.any_horizontal(heads)).to_series()
        if told.any():
            alone[_home(first.filter(told), starts)] = True
    return alone


def _parted(
    rows: Rows,
    starts: Positions,
    places: tuple[Positions, Positions],
    alone: Mask,
    counts: tuple[Positions, Positions],
) -> list[Rows | None]:
    """Return *rows*, cut at the *starts* of the sources; None for each that must be parsed *alone*.

    *places* are the offsets and sizes of the sources, *counts* how many lines of each were claimed and how many unread.
    """
    known, left = counts
    offsets, sizes = places
    tables = [_in_order(frame) for frame in (rows.calls, rows.events, rows.rejects)]
    edges = [np.searchsorted(table["source_offset"].to_numpy(), starts).tolist() for table in tables]
    tables = [_placed(table, starts, offsets, sizes) for table in tables]
    parts: list[Rows | None] = []
    for i, end in enumerate((offsets + sizes).tolist()):
        calls, events, rejects = (
            t.slice(at[i], at[i + 1] - at[i]) if t.height else t for t, at in zip(tables, edges, strict=True)
        )
        parts.append(None if alone[i] else Rows(calls, events, rejects, end, {}, int(known[i]), unread=int(left[i])))
    return parts


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if frame["source_offset"].is_sorted() else frame.sort("source_offset", maintain_order=True)


def _placed(frame: pl.DataFrame, starts: Positions, offsets: Positions, sizes: Positions) -> pl.DataFrame:
    """Return *frame* with the offsets that its rows have in their sources, none beyond the ends of these."""
    moved = offsets - starts[:-1]
    if frame.is_empty() or (not moved.any() and sizes[0] == starts[-1]):
        return frame
    home = _home(frame, starts)
    by, end = numbers(moved[home], "by"), numbers((offsets + sizes)[home], "end")
    columns = [name for name in ("source_offset", "source_end") if name in frame.columns]
    return frame.with_columns(pl.min_horizontal(pl.col(name) + by, end).alias(name) for name in columns)
