"""Blocks of a large file, parsed by all workers: this process cuts it at line ends, reads it once and takes the rows.

What the lines of a block say about those after it is found out here, before its rows are there, so that blocks are
parsed apart and in the contexts that they have. Who takes the rows compares: a block that was parsed in others is
parsed again.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import xxhash

from ingest.files.streams import PlainStream
from ingest.reading.parse_ahead import Ahead, Parsing
from ingest.spread.engines import TRIES, Engine
from parsers import Block, Contexts, Format, Rows, parse, recover

if TYPE_CHECKING:
    from concurrent.futures import Future

log = logging.getLogger(__name__)

_MOST = 16
"""Blocks that are read and not taken yet, however many workers: each is up to 31 MB, and its rows."""


class Piece(NamedTuple):
    """A block, but for its bytes: these are in a file, between two offsets, and have this digest."""

    path: Path
    offset: int
    size: int
    digest: int
    sealed: bool
    encoding: str

    def block(self) -> Block | None:
        """Return the block; None where the file holds something else there, here or by now."""
        try:
            with closing(PlainStream(self.path)) as stream:
                data = stream.read(self.offset, self.size)
        except OSError:
            return None
        return Block(data, self.offset, self.sealed, self.encoding) if _digest(data) == self.digest else None


ParsePiece = Callable[[Piece, Contexts], Rows | None]
"""Parses a piece by the formats that it knows by name; None for one whose bytes aren't there."""


class Elsewhere(Ahead):
    """Has blocks parsed by the workers of *engine*, which read their bytes themselves."""

    foresees = True

    def __init__(self, engine: Engine, parse_piece: ParsePiece) -> None:
        """Keep each worker busy, and one block ready for it."""
        super().__init__(most=min(2 * engine.workers, _MOST))
        self._engine, self._parse_piece = engine, parse_piece

    def _begun(self, block: Block, formats: Sequence[Format], contexts: Contexts, path: Path | None) -> Parsing:
        if path is None:
            return super()._begun(block, formats, contexts, path)
        data = block.data
        piece = Piece(path, block.offset, len(data), _digest(data), block.sealed, block.encoding)
        ask = partial(self._engine.submit, self._parse_piece, piece, contexts)
        return _Asked(ask, partial(parse, block, formats, contexts), self._engine.lost)

    def after(self, block: Block, formats: Sequence[Format], contexts: Contexts) -> Contexts:
        """Return what the contexts will be after *block*: those of formats that have any before it."""
        told = [format_ for format_ in formats if contexts.get(format_.name)]
        return recover(block, told, contexts) if told else contexts


class _Asked:
    """A block whose rows a worker is asked for, should that be `lost` another, and if nobody has them, this process."""

    def __init__(
        self,
        ask: "Callable[[], Future[Rows | None]]",
        here: Callable[[], Rows],
        lost: tuple[type[BaseException], ...],
    ) -> None:
        self._ask, self._here, self._lost = ask, here, lost
        self._done = ask()

    def result(self) -> Rows:
        return self._awaited() or self._here()

    def _awaited(self) -> Rows | None:
        for _ in range(TRIES):
            if not isinstance(self._done.exception(), self._lost):  # to raise it would keep this block in memory
                return self._done.result()
            log.warning("a worker was lost that parsed a part of a file; that is done again")
            self._done = self._ask()
        return None


def _digest(data: bytes) -> int:
    return xxhash.xxh3_64_intdigest(data)
