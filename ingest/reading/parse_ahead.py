"""Blocks that are parsed while those before them still are, each as if those changed no context."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from weakref import WeakSet

from parsers import Block, Contexts, Format, Rows, parse
from parsers.claims.many_sources import Source, parse_many

MOST = 3
"""So many at once, whichever sources they are of: each holds its bytes, its texts and its rows in memory. One more than
there are threads, which keeps them busy while the rows of another are taken."""

_THREADS = 2


class Ahead:
    """Threads that parse ahead. A block counts until its rows are taken or forgotten."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._pool = ThreadPoolExecutor(_THREADS, "parse")
        self._waiting: WeakSet[Future[Rows]] = WeakSet()

    @property
    def has_room(self) -> bool:
        """Whether another block may be given."""
        return len(self._waiting) < MOST

    def parse(self, block: Block, formats: Sequence[Format], contexts: Contexts) -> "Future[Rows]":
        """Have *block* parsed."""
        rows = self._pool.submit(parse, block, formats, contexts)
        self._waiting.add(rows)
        return rows

    def parse_many(self, sources: Sequence[Source], formats: Sequence[Format]) -> "Future[list[Rows | None]]":
        """Have *sources* parsed together; see `parsers.claims.many_sources`."""
        return self._pool.submit(parse_many, sources, formats)

    def close(self) -> None:
        """Wait for what is being parsed, and forget the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)
