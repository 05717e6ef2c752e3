"""What a cursor has read, cut loose from it and made ready for the warehouse."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from ingest.files.identity import family_of, name_of
from ingest.ledger import Batch, Ledger, tail_hash
from ingest.prices.price import Prices, stamp
from ingest.reading.cursor import Cursor, is_outdated
from parsers import Rows
from parsers.blocks.lines import numbers
from parsers.blocks.structure import without_text
from parsers.schema import CALLS, EVENTS, REJECTS, UTC, Column, polars_schema

_MANY = 64
"""More pieces than this are copied into one: each column of each piece has its own price from then on."""


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


def cut(
    cursor: Cursor, known: Ledger, *, taken: Collection[str] = (), file_time: datetime | None = None
) -> Draft | None:
    """Take what *cursor* read since its last commit out of it; None when there is nothing to remember.

    *taken* are the names of the sources that are committed together with it.

    A source that has yielded nothing is not remembered: many files begin alike, and only a record tells them apart.
    Records without a time of their own will get *file_time*, else the time when they are committed.
    """
    if cursor.lost or not cursor.pending_bytes or (cursor.committed is None and not cursor.yielded):
        return None
    if cursor.source_id is None and is_outdated(cursor, cursor.head, known):
        cursor.lost = True
        return None
    source_id = cursor.source_id or name_of(cursor.head, known, taken)
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


def finish(drafts: Sequence[Draft], prices: Prices, now: datetime, *, keep_raw: bool = False) -> list[Batch]:
    """Return *drafts* as rows of the warehouse, read *now*: all at once, since most of the work is the same for any.

    Of what was rejected only the structure is kept, unless *keep_raw*.
    """
    calls, events, rejects = (
        _gathered([[getattr(r, name) for r in draft.rows] for draft in drafts], columns)
        for name, columns in (("calls", CALLS), ("events", EVENTS), ("rejects", REJECTS))
    )
    if not keep_raw:
        rejects = rejects._replace(rows=without_text(rejects.rows))
    ids = pl.Series([draft.source_id for draft in drafts])
    paths = pl.Series([_text(draft.path) for draft in drafts])
    times = pl.Series([draft.file_time for draft in drafts], dtype=UTC)
    stamped = stamp(
        *(_labelled(table, ids, paths) for table in (calls, events, rejects)),
        prices=prices,
        now=now,
        file_time=times.gather(calls.source),
    )
    parts = zip(*map(_parted, stamped, (calls, events, rejects)), strict=True)
    return [_batch(draft, *frames) for draft, frames in zip(drafts, parts, strict=True)]


def _text(path: Path) -> str:
    r"""Return *path* as text; bytes of its name that are no UTF-8 as `\xe9`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class _Table(NamedTuple):
    """Rows of many drafts, those of each together: `heights` of them, and the draft of each row by its number."""

    rows: pl.DataFrame
    heights: list[int]
    source: pl.Series


def _gathered(frames: Sequence[Sequence[pl.DataFrame]], columns: Sequence[Column]) -> _Table:
    heights = [sum(frame.height for frame in of_draft) for of_draft in frames]
    filled = [frame for of_draft in frames for frame in of_draft if frame.height]
    rows = pl.concat(filled, rechunk=len(filled) > _MANY) if filled else pl.DataFrame(schema=polars_schema(columns))
    return _Table(rows, heights, numbers(np.repeat(np.arange(len(frames)), heights), "source"))


def _labelled(table: _Table, ids: pl.Series, paths: pl.Series) -> pl.DataFrame:
    return table.rows.with_columns(source_id=ids.gather(table.source), source_path=paths.gather(table.source))


def _parted(rows: pl.DataFrame, table: _Table) -> Iterator[pl.DataFrame]:
    at = 0
    for height in table.heights:
        yield rows.slice(at, height)
        at += height


def _batch(draft: Draft, calls: pl.DataFrame, events: pl.DataFrame, rejects: pl.DataFrame) -> Batch:
    return Batch(
        draft.source_id,
        _text(draft.path),
        draft.start,
        draft.end,
        draft.digest,
        draft.tail,
        calls,
        events,
        rejects,
        draft.family,
        draft.births,
    )
