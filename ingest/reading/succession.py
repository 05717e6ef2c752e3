"""Which source follows which under one name: where one ended, was what it went on with found, under any name?

A log whose name denotes another source than before was rotated, truncated or replaced. What was written to the old one
after it was read last is in a generation of it, which was read before, or it is gone: that is said, and remembered.
"""

import os
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from ingest.files.paths import member
from ingest.ledger import Ledger


@dataclass
class Succession:
    """The sources that were read last under each name, and those that were met in a file since the reading began."""

    ledger: Ledger
    _met: dict[str, Path] = field(default_factory=dict)
    _last: dict[str, str] | None = None
    _read: dict[str, list[str]] = field(default_factory=dict)
    _spelled: dict[str, set[str]] = field(default_factory=dict)

    def meet(self, source: str, path: Path) -> None:
        """Note that *source* is in the file *path*."""
        self._met[source] = path

    def leave(self, source: str | None, path: Path) -> None:
        """Note that the file *path* may hold another source than *source* now."""
        if source is not None and self._met.get(source) == path:
            del self._met[source]

    def ended(self, path: Path) -> dict[str, int]:
        """Return the source that had the name *path* of a new one before, unless it was met, and what may be missing.

        That is as many bytes as the largest generation of this log has, as far as is known: rotated by size, the others
        grow no larger.
        """
        source = self._by_name().get(absolute(path))
        if source is None or source in self._met:
            return {}
        name = member(path).base.name
        alike = [s for label, s in self._by_name().items() if member(Path(label)).base.name == name]
        known = [position.offset for s in alike if (position := self.ledger.position(s))]
        return {source: max([*known, _size(path)])}

    def begin(self, source: str, path: Path) -> None:
        """Note that *source* is the one that is read under the name *path* now."""
        self.meet(source, path)
        self._by_name()[absolute(path)] = source
        self._read.setdefault(source, []).append(absolute(path))

    def source_at(self, path: Path) -> str | None:
        """Return the source that was read last under the name *path*."""
        return self._by_name().get(absolute(path))

    def names(self, source: str) -> list[str]:
        """Return under which paths *source* was read, the last one last."""
        self._by_name()
        return self._read.get(source, [])

    def spelling(self, path: Path) -> set[str]:
        """Return how *path* was written when it was read before, here and now or in earlier runs."""
        self._by_name()
        return self._spelled.get(absolute(path), set())

    def _by_name(self) -> dict[str, str]:
        if self._last is None:
            labels = self.ledger.labels()
            self._last = {absolute(Path(paths[-1])): source for source, paths in labels.items()}
            self._read = {source: [absolute(Path(path)) for path in paths] for source, paths in labels.items()}
            for path in chain.from_iterable(labels.values()):
                self._spelled.setdefault(absolute(Path(path)), set()).add(path)
        return self._last


def absolute(path: Path) -> str:
    """Return *path* from the root of the file system, links in it as they are."""
    return os.path.abspath(path)  # noqa: PTH100 # a link is a name, and stays one


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
