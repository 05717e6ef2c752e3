"""Which file is which: a path is a label, an inode is a hint, content decides.

A source is named by its fingerprint: a digest of its first complete lines, up to 512 bytes, as they were at its first
commit. A file is that source when its bytes before the committed offset are the ones that were read. Another file with
the same head is another source: the same fingerprint with a number behind it.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from functools import lru_cache
from itertools import count, groupby, product
from pathlib import Path

import xxhash

from ingest.files.streams import Stream, open_stream
from ingest.ledger import HOST, TAIL, Ledger, Position, tail_hash

HEAD = 512
"""How many bytes of the first lines name a source."""

_LINE_END = re.compile(b"\n")


def name_of(head: bytes, known: Ledger, taken: Collection[str] = ()) -> str:
    """Return a free name for a new source whose first bytes, up to what was read of it, are *head*.

    *taken* are the names of the sources that will be committed together with it: their complete first lines may be the
    same although what follows within `HEAD` bytes isn't.
    """
    names = _generations(_digest(head, _runs(head)[0]), known.hosts[0])
    name = next(names)
    while name in taken or known.position(name) is not None:
        name = next(names)
    return name


@lru_cache(maxsize=1024)
def family_of(head: bytes, host: str) -> str:
    """Return a digest of the first line of *head*: sources of *host* that could be mistaken for each other share it."""
    return next(_generations(_digest(head, _runs(head)[-1] if head else 0), host))


def known_names(head: bytes, known: Ledger) -> Iterator[tuple[str, Position]]:
    """Yield the known sources that a file beginning with *head* may be: the longest common head first."""
    for length, host in product(_runs(head), known.hosts):
        for name in _generations(_digest(head, length), host):
            position = known.position(name)
            if position is None:
                break
            yield name, position


def continues(stream: Stream, position: Position) -> bool:
    """Tell whether *stream* holds, before *position*, the bytes that were read there."""
    before = stream.before(position.offset)
    return len(before) == min(position.offset, TAIL) and tail_hash(before) == position.tail


def holds(path: Path, position: Position) -> bool:
    """Tell whether the file *path* still holds, before *position*, the bytes that were read there.

    Raises:
        OSError: It can't be read.
        SourceError: It is damaged.
    """
    with closing(open_stream(path)) as stream:
        return continues(stream, position)


def furthest(stream: Stream, rivals: Mapping[str, Position]) -> tuple[str, Position] | None:
    """Return which of *rivals*, known sources, *stream* continues, of several the one read furthest; None if none."""
    in_order = sorted(rivals.items(), key=lambda found: found[1].offset)  # what is packed can't be read backwards
    matching = [found for found in in_order if continues(stream, found[1])]
    return matching[-1] if matching else None


def agreeing(stream: Stream, known: Ledger) -> tuple[list[str], int]:
    """Return the known sources that *stream* begins like, and the furthest offset up to which it is known to.

    That is the furthest end of a batch of theirs before which it holds what was read there. Where there is no such end,
    as it is too short or parts from them before the first, what is known of it is that its first lines are theirs: 0.
    """
    names = [name for name, _ in known_names(stream.read(0, HEAD), known)]
    agreed, furthest = names, 0
    for offset, ends in groupby(known.boundaries(names), key=lambda end: end[1].offset):
        before = stream.before(offset)
        if len(before) < min(offset, TAIL):
            break
        tail = tail_hash(before)
        if agree := [name for name, end in ends if end.tail == tail]:
            agreed, furthest = agree, offset
    return agreed, furthest


def _runs(head: bytes) -> list[int]:
    """Return the lengths of the runs of first lines within `HEAD` bytes, the longest first.

    A first line beyond `HEAD` counts with its first `HEAD` bytes; a short last line counts, as it was complete if its
    file was sealed.
    """
    within = head[:HEAD]
    ends = [found.end() for found in _LINE_END.finditer(within)]
    if within and (not ends or (len(head) < HEAD and ends[-1] != len(head))):
        ends.append(len(within))
    return ends[::-1]


def _digest(head: bytes, length: int) -> str:
    # Without the last newline: a line that was taken without it, when its file was sealed, is the same line with it.
    return xxhash.xxh3_128_hexdigest(head[:length].removesuffix(b"\n"))


def _generations(base: str, host: str) -> Iterator[str]:
    of = f"{HOST}{host}" if host else ""
    yield base + of
    for number in count(1):
        yield f"{base}.{number}{of}"
