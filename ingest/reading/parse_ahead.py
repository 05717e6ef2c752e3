"""Blocks that are parsed while those before them still are, each as if those changed no context."""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

from parsers import Block, Contexts, Format, Rows, parse
from parsers.claims.many_sources import Source, parse_many


def usable_cores() -> int:
    """Return on how many cores this process may run: fewer than there are, under `taskset` and in a container."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Parsing(Protocol):
    """A block that is being parsed."""

    def result(self) -> Rows:
        """Wait for its rows."""


class Ahead:
    """Threads that parse ahead, one for each of *jobs*. A block counts until its rows are taken or forgotten.

    `most` blocks count at once, whichever sources they are of: each holds its bytes, its texts and its rows in memory.
    `foresees` says whether `after` finds out what a block says about those after it.
    """

    foresees = False

    def __init__(self, jobs: int | None = None, *, most: int | None = None) -> None:
        """Start with nothing; by default with a thread for each core, and as many blocks as keep them busy."""
        jobs = jobs or usable_cores()
        self.most = most or jobs + 1  # one is ready for whoever has done while the rows of another are taken
        self._pool = ThreadPoolExecutor(jobs, "parse")
        self._waiting: WeakSet[Parsing] = WeakSet()

    @property
    def has_room(self) -> bool:
        """Whether another block may be given."""
        return len(self._waiting) < self.most

    def parse(
        self, block: Block, formats: Sequence[Format], contexts: Contexts, *, path: Path | None = None
    ) -> Parsing:
        """Have *block* parsed, whose bytes others find in the file at *path*, if there is one."""
        rows = self._begun(block, formats, contexts, path)
        self._waiting.add(rows)
        return rows

    def _begun(self, block: Block, formats: Sequence[Format], contexts: Contexts, path: Path | None) -> Parsing:
        del path  # the bytes are here
        return self._pool.submit(parse, block, formats, contexts)

    def after(self, block: Block, formats: Sequence[Format], contexts: Contexts) -> Contexts:
        """Return what the contexts will be after *block*, as far as it is worth knowing before its rows are there.

        A guess that is wrong costs that what follows is parsed again, and nothing else.
        """
        del block, formats
        return contexts

    def parse_many(self, sources: Sequence[Source], formats: Sequence[Format]) -> "Future[list[Rows | None]]":
        """Have *sources* parsed together; see `parsers.claims.many_sources`."""
        return self._pool.submit(parse_many, sources, formats)

    def close(self) -> None:
        """Wait for what is being parsed, and forget the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)
