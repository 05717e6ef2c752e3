"""The files of a backfill → parts: which of them one worker reads, and which are so large that all read them together.

Any split is exact: whoever commits a source moves its offset by compare-and-swap, so that two workers that meet one
source, under whatever names, add it once. A plan only keeps apart what would be read twice in vain, and keeps in order
what is told by its order.
"""

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from ingest.errors import SourceError
from ingest.files.identity import HEAD
from ingest.files.paths import Listing, member
from ingest.files.streams import open_stream
from ingest.ledger import Ledger
from ingest.reading.succession import absolute

LARGE = 128 << 20
"""A plain file beyond this is read by all workers together if it is more than the share of one."""

_PART, SMALLEST = 64 << 20, 1 << 20
"""How many bytes of files make a part, at most, and at least even where that leaves workers idle."""

_MOST = 1024
"""How many files make a part."""

_PARTS_A_WORKER = 4
"""So many at least, if there is enough: then those that take longer hold nobody up."""

_Each = TypeVar("_Each")


@dataclass(frozen=True)
class Part(Generic[_Each]):
    """What one worker reads, in this order, and how many bytes that is."""

    each: tuple[_Each, ...]
    size: int

    def __str__(self) -> str:
        """Name it by what is first."""
        more = len(self.each) - 1
        return f"{self.each[0]} and {more:,} more" if more else str(self.each[0])


class Plan(NamedTuple):
    """Files that are `together` read by all workers, and `parts` of the others."""

    together: Sequence[Path]
    parts: Sequence[Part[Path]]


def planned(listing: Listing, known: Ledger, workers: int) -> Plan:
    """Return how so many *workers* read the files of *listing*."""
    sizes = {path: _size(path) for path, key in listing.files.items() if key}
    share = max(LARGE, sum(sizes.values()) // workers)
    bundles = _bundled(sizes, known)
    together, apart = list[Path](), list[list[Path]]()
    for bundle in bundles:
        if any(sizes[path] > share and _looked_at(path).can_be_cut for path in bundle):
            together += bundle
        else:
            apart.append(bundle)
    cut = packed(apart, [sum(sizes[path] for path in bundle) for bundle in apart], workers)
    return Plan(together, [Part(tuple(chain.from_iterable(part.each)), part.size) for part in cut])


def packed(things: Sequence[_Each], sizes: Sequence[int], workers: int) -> list[Part[_Each]]:
    """Return *things* in their order, so many together as make a part for one of *workers*."""
    most = min(_PART, max(SMALLEST, sum(sizes) // (workers * _PARTS_A_WORKER)))
    parts, some, size = list[Part[_Each]](), list[_Each](), 0
    for each, its_size in zip(things, sizes, strict=True):
        if some and (size + its_size > most or len(some) == _MOST):
            parts.append(Part(tuple(some), size))
            some, size = [], 0
        some.append(each)
        size += its_size
    return [*parts, Part(tuple(some), size)] if some else parts


def _bundled(files: Collection[Path], known: Ledger) -> list[list[Path]]:
    """Return *files* in their order, together those of which one tells how to read the other.

    That are the files of a log that was read before whose names move: which of them goes on where it ended is told by
    reading all of them. And files that begin alike, which may be copies.
    """
    names = {absolute(Path(path)) for paths in known.labels().values() for path in paths}
    read = {member(Path(name)).base for name in names}
    bundles: dict[object, list[Path]] = {}
    for path in files:
        this = member(Path(absolute(path)))
        moves = this.base in read and not (this.date and str(this.path) in names)
        bundles.setdefault(this.base if moves else _looked_at(path).head or path, []).append(path)
    return [*bundles.values()]


class _Look(NamedTuple):
    """The first bytes of a file, by which a copy is known, and whether it can be read from anywhere."""

    head: bytes = b""
    can_be_cut: bool = False


def _looked_at(path: Path) -> _Look:
    """Look into *path*; of what can't be read nothing is known, and whoever reads it will say why."""
    try:
        with closing(open_stream(path)) as stream:
            return _Look(stream.read(0, HEAD), stream.can_grow)
    except (OSError, SourceError):
        return _Look()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
