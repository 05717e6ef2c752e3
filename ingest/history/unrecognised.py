"""Why a file gave nothing: what it looks like instead, or why a mapping takes none of its lines."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl

from ingest.errors import unread_lines
from ingest.files.streams import open_stream
from ingest.prices.installed import usual_file
from parsers import FORMATS, Block, parse
from parsers.formats.app_json import SUM
from parsers.mapping.mapping import Mapping as LineMapping
from parsers.mapping.mapping import unmatched

_SAMPLE = 1 << 20

NOTHING_UNREAD: Mapping[Path, int] = {}
NAMED = 3
"""Of more files that gave nothing only their number is told, and these many names: what lies beside sessions."""


def why_nothing_in(
    paths: Sequence[Path],
    warehouse: str,
    *,
    unread: Mapping[Path, int] = NOTHING_UNREAD,
    format_name: str | None = None,
    mappings: Sequence[LineMapping] = (),
) -> Iterator[str]:
    """Yield what to tell the user of *paths* in which there was nothing: a line each, or one line for many.

    Many are told once: the next run into *warehouse* tells those that are new or have changed since. Files with lines
    that are *unread*, by their number, are told in a line of their own, whether there were others or not.

    Raises:
        OSError: One can't be read again.
        SourceError: One is damaged.
    """
    notes = Notes(warehouse)
    speaking = {path: unread[path] for path in notes.news(unread)} if len(unread) > NAMED else unread
    if speaking:
        yield unread_lines(speaking)
    silent = [path for path in paths if path not in unread]
    if len(silent) > NAMED:
        silent = notes.news(silent)
    notes.write(unread, paths)
    if len(silent) > NAMED:
        names = ", ".join(str(path) for path in silent[:NAMED])
        wanted = f"record of {format_name}" if format_name else "record that ingest knows"
        yield f"{len(silent):,} files hold no {wanted}, such as {names}; `ingest explain FILE` says why"
        return
    for number, path in enumerate(silent):
        yield why_nothing(path, format_name=format_name, mappings=mappings, again=number > 0)


class Notes:
    """What users of a warehouse were told before of files that gave nothing, by what these files were then."""

    def __init__(self, warehouse: str) -> None:
        """Read the notes beside the price list that is cached; there may be none, and no place for any."""
        self._file = None
        self._before: dict[str, list[int]] = {}
        if place := usual_file():
            name = hashlib.sha256(str(Path(warehouse).absolute()).encode()).hexdigest()[:16]
            self._file = place.with_name(f"without-records-{name}.json")
            with contextlib.suppress(OSError, ValueError):  # no note yet, or one that somebody else wrote
                self._before = dict(json.loads(self._file.read_bytes()))

    def news(self, paths: Iterable[Path]) -> list[Path]:
        """Return those of *paths* that weren't told as they are now."""
        return [path for path in paths if self._before.get(str(path.absolute()), [])[:2] != _stamp(path)]

    def unread(self) -> dict[Path, int]:
        """Return the files that are as they were when so many lines of theirs were unread."""
        noted = ((Path(path), told) for path, told in self._before.items())
        return {path: told[2] for path, told in noted if len(told) > 2 and told[2] and told[:2] == _stamp(path)}  # noqa: PLR2004

    def write(self, unread: Mapping[Path, int], others: Iterable[Path]) -> None:
        """Note that it was told how many lines of each file are *unread*, and that *others* gave nothing."""
        now = {str(path.absolute()): [*_stamp(path), unread.get(path, 0)] for path in (*others, *unread)}
        if not self._file or all(self._before.get(path) == told for path, told in now.items()):
            return
        with contextlib.suppress(OSError):  # nowhere to note it: then it is told again
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._before | now))


def _stamp(path: Path) -> list[int]:
    try:
        status = path.stat()
    except OSError:  # gone meanwhile
        return []
    return [status.st_size, status.st_mtime_ns]


def why_nothing(
    path: Path, *, format_name: str | None = None, mappings: Sequence[LineMapping] = (), again: bool = False
) -> str:
    """Return what to tell the user of *path*, in which no record of *format_name*, of *mappings*, or of any kind was.

    With *again*, the known formats have been listed for another file already.

    Raises:
        OSError: It can't be read again.
        SourceError: It is damaged.
    """
    sample = _sample(path)
    first = next((line for line in sample.decode("utf-8", "replace").splitlines() if line.strip()), "")
    if mappings:
        return f"{path}: {unmatched(mappings, first)}"
    if first and pl.DataFrame({"line": [first]}).select(SUM).item():
        return f"{path}: sums over several requests, no calls; `ingest report reconcile -p file={path}` compares them"
    likely = _formats_in(sample) if format_name else []
    if likely:
        return f"{path}: no record of {format_name}; it looks like {' and '.join(likely)}: leave --format out"
    if again:
        return f"{path}: no record that ingest knows"
    names = ", ".join(sorted(f.name for f in FORMATS))
    others = "`ingest explain FILE --suggest-mapping` drafts a mapping for others"
    return f"{path}: no record that ingest knows; it reads {names}; {others}"


def _sample(path: Path) -> bytes:
    if path == Path("-"):
        return b""  # a pipe can't be read twice
    stream = open_stream(path)
    try:
        return stream.read(0, _SAMPLE)
    finally:
        stream.close()


def _formats_in(sample: bytes) -> list[str]:
    rows = parse(Block(sample[: sample.rfind(b"\n") + 1] or sample, sealed=True), FORMATS)
    found = {name for table in (rows.calls, rows.events) for name in table["format"].unique() if name}
    return sorted({name.split("/")[0] for name in found})
