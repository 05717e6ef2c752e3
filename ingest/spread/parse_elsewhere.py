"""Blocks of a large file, parsed by all workers: this process cuts it at line ends, reads it once and takes the rows.

What the lines of a block say about those after it is found out here, before its rows are there, so that blocks are
parsed apart and in the contexts that they have. Who takes the rows compares: a block that was parsed in others is
parsed again.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future  # noqa: TC003 # a class looks its types up

from ingest.reading.parse_ahead import Ahead, Parsing
from ingest.spread.engines import TRIES, Engine
from parsers import Block, Contexts, Format, Rows, recover

Parse = Callable[[Block, Contexts], Rows]
"""Parses a block by the formats that it knows by name."""

_MOST = 16
"""Blocks that are read and not taken yet, however many workers: each is up to 31 MB, and its rows."""


class Elsewhere(Ahead):
    """Has blocks parsed by the workers of *engine*, which get their bytes: so what is parsed is what was read."""

    foresees = True

    def __init__(self, engine: Engine, parse: Parse) -> None:
        """Keep each worker busy, and one block ready for it."""
        super().__init__(min(2 * engine.workers, _MOST))
        self._engine, self._parse = engine, parse

    def _begun(self, block: Block, formats: Sequence[Format], contexts: Contexts) -> Parsing:
        del formats  # a format is code: who parses looks them up by their names
        return Retried(self._engine, self._parse, block, contexts)

    def after(self, block: Block, formats: Sequence[Format], contexts: Contexts) -> Contexts:
        """Return what the contexts will be after *block*: those of formats that have any before it."""
        told = [format_ for format_ in formats if contexts.get(format_.name)]
        return recover(block, told, contexts) if told else contexts


class Retried:
    """What a worker returns; should that be lost, what another does."""

    def __init__(self, engine: Engine, each: Callable[..., Rows], *given: object) -> None:
        """Begin."""
        self._engine, self._each, self._given = engine, each, given
        self._done: Future[Rows] = engine.submit(each, *given)

    def result(self) -> Rows:
        """Wait for it."""
        for _ in range(TRIES - 1):
            try:
                return self._done.result()
            except self._engine.lost:
                self._done = self._engine.submit(self._each, *self._given)
        return self._done.result()
