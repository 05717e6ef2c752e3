"""What a source yields between two of its positions, and many such drafts → batches, stamped and ready to be committed.

A source is a file or a table of a database; here they are the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple, Protocol

import polars as pl

from ingest.ledger import FRAMES, Batch, Turn
from ingest.prices.price import Prices, stamp
from parsers import Rows
from parsers.jsonl.structure import without_text
from parsers.schema import UTC, stacked


class Reader(Protocol):
    """Who reads a source, and knows where in it: the cursor of a file, the place in a table."""

    def lose(self) -> None:
        """Learn that the source has moved on in the warehouse: the reader must be placed anew before it reads on."""


class Draft(NamedTuple):
    """What *reader* read of a source from *start* to *end*, cut loose from it, so that it can read on meanwhile.

    The fields are those of `ledger.Batch`, but for the rows: pieces without source, times and costs. Calls without a
    time of their own get *file_time*, else the time when they are committed.
    """

    reader: Reader
    source_id: str
    label: str
    start: int | None
    end: int
    tail: int
    rows: Sequence[Rows]
    digest: str | None = None
    file_time: datetime | None = None
    family: str = ""
    births: int = 0
    missing: Mapping[str, int] = MappingProxyType({})
    turn: Turn | None = None
    unread: int = 0


def finish(
    drafts: Sequence[Draft], prices: Prices, now: datetime, *, keep_raw: bool = False, host: str | None = None
) -> list[Batch]:
    """Return *drafts* as rows of the warehouse, read *now*: all at once, since most of the work is the same for any.

    Of what was rejected only the structure is kept, unless *keep_raw*.
    *host* is the machine of the calls that don't say theirs.
    """
    tables = [
        _gathered([[getattr(r, name) for r in draft.rows] for draft in drafts], table) for name, table in FRAMES.items()
    ]
    calls, _, rejects = tables
    if not keep_raw and rejects.rows.height:
        tables[-1] = rejects._replace(rows=without_text(rejects.rows))
    ids = pl.Series([draft.source_id for draft in drafts])
    labels = pl.Series([draft.label for draft in drafts])
    times = pl.Series([draft.file_time for draft in drafts], dtype=UTC).gather(calls.source)
    labelled = [_labelled(table, ids, labels) for table in tables]
    if host:
        labelled[0] = labelled[0].with_columns(pl.col("host").fill_null(host))
    stamped = stamp(*labelled, prices=prices, now=now, file_time=times)
    parts = zip(*map(_parted, stamped, tables), strict=True)
    return [_batch(draft, *frames) for draft, frames in zip(drafts, parts, strict=True)]


class _Table(NamedTuple):
    """Rows of many drafts, those of each together: `heights` of them, and the draft of each row by its number."""

    rows: pl.DataFrame
    heights: list[int]
    source: pl.Series


def _gathered(frames: Sequence[Sequence[pl.DataFrame]], table: str) -> _Table:
    heights = [sum(frame.height for frame in of_draft) for of_draft in frames]
    rows = stacked(chain.from_iterable(frames), table)
    source = pl.int_range(len(frames), eager=True).repeat_by(pl.Series(heights)).explode()
    return _Table(rows, heights, source.drop_nulls())


def _labelled(table: _Table, ids: pl.Series, labels: pl.Series) -> pl.DataFrame:
    return table.rows.with_columns(source_id=ids.gather(table.source), source_path=labels.gather(table.source))


def _parted(rows: pl.DataFrame, table: _Table) -> Iterator[pl.DataFrame]:
    at, none = 0, rows.clear()
    for height in table.heights:
        yield rows.slice(at, height) if height else none
        at += height


def _batch(draft: Draft, calls: pl.DataFrame, events: pl.DataFrame, rejects: pl.DataFrame) -> Batch:
    return Batch(
        draft.source_id,
        draft.label,
        draft.start,
        draft.end,
        draft.digest,
        draft.tail,
        calls,
        events,
        rejects,
        draft.family,
        draft.births,
        draft.missing,
        draft.turn,
        draft.unread,
    )
