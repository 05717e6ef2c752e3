"""A document that is written anew as it grows: of each of its states only what no state before it had is added.

What its path has stored, whatever sources that was read from, is compared record by record; of equal records as many
are added as there are more of now. A record that says something else than before, such as a message that was
completed, is another one. Two writers that see two states of one document take turns: who was compared with less than
there is when it commits is told so, and reads again.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import xxhash

from ingest.ledger import Ledger, Turn, marked
from ingest.reading.cursor import Cursor
from ingest.reading.succession import Succession, absolute
from parsers import Rows


def take_turns(cursors: Sequence[Cursor], ledger: Ledger, succession: Succession) -> dict[Cursor, Turn]:
    """Leave out of those of *cursors* that hold a whole document what its path has stored; return whose turn it is.

    Of two states of one document the second loses its place: it is read again when the first is committed.
    """
    turns, spellings = dict[Cursor, Turn](), dict[Cursor, set[str]]()
    names = set[str]()
    for cursor in cursors:
        if not (cursor.is_document and cursor.owes and not cursor.committed) or cursor.is_lost:
            continue
        name = _name(cursor.path)
        if name in names:
            cursor.lose()
            continue
        names.add(name)
        before = succession.spelling(cursor.path)
        turns[cursor] = Turn(name, ledger.turns(name))  # before looking: whoever comes meanwhile is noticed
        if turns[cursor].number or before:
            spellings[cursor] = {cursor.label, absolute(cursor.path), *before}
    if spellings:
        _leave_out(spellings, ledger.marks_under(set().union(*spellings.values())))
    return turns


def _leave_out(spellings: dict[Cursor, set[str]], stored: pl.DataFrame) -> None:
    for cursor, paths in spellings.items():
        # What a writer that died left of this very state is its own, and goes on from there.
        others = stored.filter(pl.col("source_path").is_in(paths), pl.col("source_id").ne_missing(cursor.source_id))
        if not others.is_empty():
            cursor.leave_out(partial(_news, counts=others.group_by("mark").len("known")))


def _news(rows: Rows, counts: pl.DataFrame) -> Rows:
    """Return *rows* without the first of each mark, as many as *counts* says are known."""
    calls, events, rejects = (
        _more_than(counts, table, frame)
        for table, frame in (("llm_calls", rows.calls), ("llm_events", rows.events), ("rejects", rows.rejects))
    )
    return replace(rows, calls=calls, events=events, rejects=rejects)


def _more_than(counts: pl.DataFrame, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    number = pl.int_range(pl.len()).over("mark")
    marks = marked(table, rows.lazy()).collect().with_columns(number=number)
    known = marks.join(counts, on="mark", how="left", maintain_order="left")["known"].fill_null(0)
    return rows.filter(marks["number"] >= known)


def _name(path: Path) -> str:
    """Return what a document is called for turns: its path, of which a digest is short and tells nothing."""
    return xxhash.xxh3_128_hexdigest(os.fsencode(absolute(path)))
