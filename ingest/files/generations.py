"""Rotated generations of a log, whatever they are called: the file that goes on where a source ended is that source.

The list of names in `paths.py` serves logs that were never read. Once a log was, its generations are looked for by what
they hold: in the folder of the log, of what it links to, one folder deeper, and in the folders that are given; all of a
folder that is given itself. A file is a generation when it begins as a known source of that log does and holds, before
the offset up to which that was read, the bytes that were read there. The name of one that was found tells the names of
those between it and the log, which nobody has seen yet: all that are called alike but for their numbers.
"""

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from ingest.errors import SourceError
from ingest.files.identity import HEAD, furthest, holds, known_names
from ingest.files.paths import STDIN, everything_below, is_folder, looks_like_log, member, path_of
from ingest.files.streams import Key, key_of, open_stream, suffix_of
from ingest.ledger import Ledger

MOST = 10_000
"""So many files are looked at in one search, those that were written last: of each its first bytes are read."""

_CHANGING = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{8,}(?![0-9a-zA-Z])|\d+")
"""What differs between the names of two generations: numbers, dates, and labels of hexadecimal digits."""


@dataclass(frozen=True)
class Found:
    """The `generations` that were found, the oldest first, and the other files of given folders: they are passed over.

    `unlooked` is how many more there were than are looked at.
    """

    generations: Sequence[Path] = ()
    others: Sequence[Path] = ()
    unlooked: int = 0


@dataclass(frozen=True)
class _Candidate:
    """A file that may be a generation: the `source` it goes on with, all that begin as it does, and its `shapes`."""

    path: Path
    status: os.stat_result
    source: str | None = None
    rivals: Collection[str] = ()
    shapes: Collection[str] = ()


@dataclass
class _Search:
    """What is looked for: the sources that `known` has of the logs called `names`, all of them with None."""

    known: Ledger
    labels: Mapping[str, Sequence[str]]
    names: Collection[str] | None
    smallest: int = field(init=False)

    def __post_init__(self) -> None:
        """Learn how large a file must be to hold any of the sources."""
        positions = [at for source, at in self.known.sources().items() if self.wants(source)]
        self.smallest = min((at.offset for at in positions), default=0)

    def wants(self, source: str) -> bool:
        """Tell whether *source* was read of one of the logs, under any of its names."""
        labels = self.labels.get(source, ())
        return self.names is None or any(member(Path(label)).base.name in self.names for label in labels)

    def generations(self, files: Sequence[_Candidate], held: Collection[Key]) -> list[Path]:
        """Return which of *files* are generations, the oldest first; those *held* open are, by that alone."""
        looked_at = [self._look(file) for file in files if file.status.st_size]
        found = [c for c in looked_at if key_of(c.status) in held or (c.source and not self._is_copy(c, c.source))]
        alike = {shape for candidate in found for shape in candidate.shapes} | self._shapes_of_old()
        paths = {candidate.path for candidate in found}
        found += [
            c for c in looked_at if c.path not in paths and alike.intersection(c.shapes) and self._may_be_unread(c)
        ]
        return [c.path for c in sorted(found, key=lambda c: (c.status.st_mtime_ns, c.path))]

    def _look(self, file: _Candidate) -> _Candidate:
        try:
            with closing(open_stream(file.path)) as stream:
                known = dict(known_names(stream.read(0, HEAD), self.known))
                wanted = {source: at for source, at in known.items() if self.wants(source)}
                too_short = stream.can_grow and file.status.st_size < self.smallest
                found = furthest(stream, wanted) if wanted and not too_short else None
                return replace(
                    file,
                    source=found[0] if found else None,
                    rivals=known,
                    shapes=_shapes(file.path, packed=not stream.can_grow),
                )
        except (OSError, SourceError):
            return file  # it is told of when it is read, if it is a generation by its name

    def _shapes_of_old(self) -> set[str]:
        """Return the shapes of names that no list has, and under which generations were read before."""
        labels = [Path(label) for source, labels in self.labels.items() if self.wants(source) for label in labels]
        return {shape for label in labels if not looks_like_log(label) for shape in _shapes(label, packed=False)}

    def _may_be_unread(self, candidate: _Candidate) -> bool:
        """Tell whether nobody has read *candidate* to its end, though it is called as generations are.

        It isn't one when it is known to be of another log: one that was never called as this is. A source without
        labels was named by a writer that died before it committed anything of it.
        """
        labels = [Path(label) for source in candidate.rivals for label in self.labels.get(source, ())]
        if not labels or any(self.wants(source) for source in candidate.rivals):
            return candidate.source is None
        return any(_shapes(label, packed=False).intersection(candidate.shapes) for label in labels)

    def _is_copy(self, candidate: _Candidate, source: str) -> bool:
        """Tell whether *source* is still under the name under which it was read last, and *candidate* a copy of it."""
        last = Path(self.labels[source][-1]) if self.labels.get(source) else candidate.path
        position = self.known.position(source)
        try:
            if position is None or not position.offset:
                return False  # a writer died before it committed anything: any file would hold that
            return not last.samefile(candidate.path) and holds(last, position)
        except (OSError, SourceError):
            return False


def search(
    paths: Sequence[str], listed: Mapping[Path, Key | None], known: Ledger, *, held: Collection[Key] = frozenset()
) -> Found:
    """Look for generations of the logs that *paths* name beside the files that are *listed* for them by their names.

    *held* are files that were listed, and are open: one that is found is a generation under its new name.
    """
    folders, logs = list[Path](), list[Path]()
    for path in [path_of(text) for text in paths if text != str(STDIN)]:
        (folders if is_folder(path) else logs).append(path)
    logs += [path for path in listed if not any(folder in path.parents for folder in folders)]
    taken = {key for key in listed.values() if key}
    below, unlooked = _candidates(_files(folders), taken)
    beside, more = _candidates(_files(_folders_of(logs), depth=1), taken | {key_of(c.status) for c in below})
    labels = known.labels() if below or beside else {}  # mostly there is nothing to ask the ledger about
    if not labels:
        return Found((), [c.path for c in below], unlooked)
    found = _Search(known, labels, None).generations(below, held) if below else []
    if beside:
        names = {member(path).base.name for path in logs}
        found += _Search(known, labels, names).generations(beside, held)
    return Found(found, [c.path for c in below if c.path not in set(found)], unlooked + more)


def passed_over(others: Sequence[Path], unlooked: int) -> str:
    """Say how many files of given folders are not read, as they don't look like logs, nor go on with one."""
    count = len(others)
    some = f", such as {others[0]}" if others else ""
    said = f"{count:,} file{'s' * (count != 1)} passed over that do{'es' * (count == 1)} not look like logs{some}"
    return f"{said}; {unlooked:,} more were not looked at" if unlooked else said


def _candidates(files: Iterable[Path], taken: Collection[Key]) -> tuple[list[_Candidate], int]:
    """Return those of *files* that aren't *taken*, the last written first, and how many more there are than `MOST`."""
    met, found = set(taken), []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode) and key_of(status) not in met:
            met.add(key_of(status))
            found.append(_Candidate(path, status))
    found.sort(key=lambda c: -c.status.st_mtime_ns)
    return found[:MOST], max(0, len(found) - MOST)


def _files(folders: Iterable[Path], *, depth: int | None = None) -> Iterator[Path]:
    for folder in folders:
        yield from everything_below(folder, depth=depth)


def _folders_of(logs: Iterable[Path]) -> list[Path]:
    """Return the folders of *logs*, and of what they link to."""
    folders = [path.parent for path in logs]
    folders += [Path(os.path.realpath(path)).parent for path in logs if os.path.islink(path)]  # noqa: PTH114 # the other may raise
    return list(dict.fromkeys(folders))


def _shapes(path: Path, *, packed: bool) -> set[str]:
    """Return what the names of all generations of a log have in common with that of *path*, whatever packing added."""
    name = path.name.removesuffix(suffix_of(path))
    return {_CHANGING.sub("#", each) for each in ([name, Path(name).stem] if packed and name == path.name else [name])}
