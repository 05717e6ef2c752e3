"""What a cursor has read, cut loose from it and made ready for the warehouse."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from ingest.cursor import Cursor, is_outdated
from ingest.identity import Positions, family_of, name_of
from ingest.pricing import Prices
from ingest.stamp import stamp
from ingest.streams import tail_hash
from ingest.warehouse import Batch
from parsers import Rows
from parsers.schema import CALLS, EVENTS, REJECTS, polars_schema


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
    cursor: Cursor, known: Positions, *, taken: Collection[str] = (), file_time: datetime | None = None
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


def finish(draft: Draft, prices: Prices, now: datetime) -> Batch:
    """Return *draft* as rows of the warehouse, read *now*."""
    calls, events, rejects = (
        pl.concat([pl.DataFrame(schema=polars_schema(columns)), *frames])
        for columns, frames in (
            (CALLS, [r.calls for r in draft.rows]),
            (EVENTS, [r.events for r in draft.rows]),
            (REJECTS, [r.rejects for r in draft.rows]),
        )
    )
    stamped = stamp(
        calls,
        events,
        rejects,
        source_id=draft.source_id,
        path=draft.path,
        prices=prices,
        now=now,
        file_time=draft.file_time,
    )
    return Batch(
        draft.source_id,
        str(draft.path),
        draft.start,
        draft.end,
        draft.digest,
        draft.tail,
        *stamped,
        draft.family,
        draft.births,
    )
