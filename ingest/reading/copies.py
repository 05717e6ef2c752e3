"""A file that begins as a known source does: how much of it is known, so that no record counts twice, and none is lost.

Such a file is a copy that was made, or is being made, before its original grew; or a copy that has gone on otherwise
since. How far it agrees with its original is told by the ends of the batches that were read of that, and beyond the
last such end by the records themselves. Files that differ within the first bytes, which name a source, share nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from ingest.errors import SourceError
from ingest.files.identity import HEAD, agreeing, continues, holds
from ingest.files.paths import member
from ingest.files.streams import Stream
from ingest.ledger import Copy, Ledger, Position, marked
from ingest.reading.blocks import advance
from ingest.reading.cursor import Cursor
from ingest.reading.succession import Succession, absolute
from parsers import Format, Rows

Found = tuple[str, Position]

_MANY = 8
"""Of more sources that begin like a file, and have no end of a batch to compare, none is taken for its original."""


def own_source(path: Path, stream: Stream, rivals: Mapping[str, Position], names: Succession) -> Found | None:
    """Return the source of *rivals* that was read last under *path*, if *stream* continues it and times tell nothing.

    Another log, which holds the same, may have been read further: where nothing else tells them apart, the path does.
    """
    source = names.source_at(path) if len(rivals) > 1 else None
    if source is None or source not in rivals or not names.ledger.is_indistinct(source):
        return None
    if continues(stream, rivals[source]):
        return source, rivals[source]
    stream.rewind()
    return None


def doubtful_copy(path: Path, sources: Iterable[str], names: Succession) -> Copy | None:
    """Return what *path*, which holds what one of *sources* does, may be a copy of, or may not: nothing tells.

    That is another file, of another family, which still holds what was read there, when no call of it says a time or an
    identifier, and nothing of it was read under *path*.
    """
    for source in sources:
        read, position = names.names(source), names.ledger.position(source)
        if not read or absolute(path) in read or position is None or not position.offset:
            continue
        original = Path(read[-1])
        if member(original).base == member(Path(absolute(path))).base:
            continue
        try:
            same = original.samefile(path) or not holds(original, position)
        except (OSError, SourceError):
            continue
        if not same and names.ledger.is_indistinct(source):
            return Copy(source, str(original))
    return None


def known_part(path: Path, stream: Stream, formats: Sequence[Format], known: Ledger) -> int | None:
    """Return how many bytes of *stream*, which no known source goes on in, are known; None when all of them are.

    Where records say no times only the whole can be a copy: two logs may begin alike by chance. So it is of a document.

    Raises:
        OSError: It can't be read.
        SourceError: A packed file is damaged.
    """
    names, end = agreeing(stream, known)
    if not names or len(names) > _MANY:
        return 0
    stream.rewind()
    cursor = Cursor(path, stream, formats)
    cursor.place(stream.read(0, HEAD), (names[0], Position(end, 0)) if end else None)
    return _compared(cursor, known.marks(names, end), known.kept_since(names), names)


def _compared(cursor: Cursor, stored: pl.DataFrame, since: date | None, names: Sequence[str]) -> int | None:
    """Return where the first record of *cursor* begins that none of *names* has *stored*; None if one has them all."""
    shared = cursor.position
    alike, timeless = list(names), False
    while alike and advance(cursor, sealed=not cursor.stream.can_grow):
        read = cursor.drain()
        found = pl.concat([stored.clear().with_columns(kept=True), *(_marks(rows, since) for rows in read)])
        timeless |= any(rows.calls["created_at"].has_nulls() for rows in read)
        strange = {name: _first_strange(found, stored.filter(pl.col("source_id") == name)) for name in alike}
        alike = [name for name, at in strange.items() if at is None]
        if not alike:
            longest = max(at for at in strange.values() if at is not None)
            shared = longest if shared or (found["source_offset"] < longest).any() else 0
        elif not found.is_empty():
            shared = cursor.position
    if alike:
        return None if shared else 0
    return 0 if timeless or cursor.is_document else shared


def _first_strange(found: pl.DataFrame, stored: pl.DataFrame) -> int | None:
    """Return where the first record is that was *found* and isn't *stored*, unless it wouldn't have been `kept`."""
    strange = found.filter("kept").join(stored, on=["source_offset", "mark"], how="anti")["source_offset"]
    return None if strange.is_empty() else int(strange.min())  # type: ignore[arg-type]  # a number, as there are some


def _marks(rows: Rows, since: date | None) -> pl.DataFrame:
    """Return the marks of *rows*, and which would be `kept`: those before *since* may have been taken out."""
    tables = {"llm_calls": rows.calls, "llm_events": rows.events, "rejects": rows.rejects}
    kept = pl.lit(value=True) if since is None else (pl.col("created_at").dt.date() >= since).fill_null(value=True)
    return pl.concat(marked(name, frame.lazy(), kept.alias("kept")) for name, frame in tables.items()).collect()
