"""The sources themselves, read again: do their bytes still give the digests that the ledger holds?"""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import xxhash

from ingest.errors import SourceError
from ingest.files.identity import continues
from ingest.files.paths import family
from ingest.files.streams import Stream, open_stream
from ingest.ledger import Position

_CHUNK = 4 << 20


@dataclass
class Again:
    """How many sources could be read again, could not be found, or may not be read; and which bytes differ."""

    read: int = 0
    gone: int = 0
    denied: int = 0
    problems: list[str] = field(default_factory=list)


def compare(ledger: pl.DataFrame, known: Mapping[str, Position]) -> Again:
    """Read every source of *ledger* (`batches`, in order) that is still there, and compare digest by digest."""
    again = Again()
    for (source,), batches in ledger.partition_by("source_id", as_dict=True, maintain_order=True).items():
        try:
            path = _find(batches, known.get(str(source)))
        except PermissionError:
            again.denied += 1
            continue
        if path is None:
            again.gone += 1
            continue
        again.read += 1
        try:
            again.problems += _differences(path, batches)
        except (OSError, SourceError) as error:
            again.problems.append(f"{path} can't be read again: {error}")
    return again


def _find(batches: pl.DataFrame, position: Position | None) -> Path | None:
    """Return the file that holds the source now: under its recorded paths, or of their families.

    Raises:
        PermissionError: One that may hold it can't be looked at, and no other does.
    """
    denied: PermissionError | None = None
    if position is None or not position.offset:
        return None
    for text in batches["source_path"].unique(maintain_order=True).reverse():
        path = Path(text)
        for candidate in dict.fromkeys([path, *family(path)]):
            try:
                if _holds(candidate, position):
                    return candidate
            except PermissionError as error:
                denied = error
    if denied:
        raise denied
    return None


def _holds(path: Path, position: Position) -> bool:
    if not path.is_file():
        return False
    try:
        with closing(open_stream(path)) as stream:
            return continues(stream, position)
    except PermissionError:
        raise
    except (OSError, SourceError):
        return False


def _differences(path: Path, batches: pl.DataFrame) -> Iterator[str]:
    with closing(open_stream(path)) as stream:
        for start, end, digest in batches.select("start_offset", "end_offset", "digest").iter_rows():
            if digest is not None and _digest(stream, start, end) != digest:
                yield f"{path}: bytes {start} to {end} are not those that were read"


def _digest(stream: Stream, start: int, end: int) -> str:
    digest = xxhash.xxh3_128()
    for at in range(start, end, _CHUNK):
        digest.update(stream.read(at, min(_CHUNK, end - at)))
    return digest.hexdigest()
