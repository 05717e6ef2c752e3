"""Why a file gave nothing: what it looks like instead, or why a mapping takes none of its lines."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from ingest.files.streams import open_stream
from ingest.prices.installed import usual_file
from parsers import FORMATS, Block, parse
from parsers.formats.app_json import SUM
from parsers.mapping.mapping import Mapping, unmatched

_SAMPLE = 1 << 20

NAMED = 3
"""Of more files that gave nothing only their number is told, and these many names: what lies beside sessions."""


def why_nothing_in(
    paths: Sequence[Path], warehouse: str, *, format_name: str | None = None, mappings: Sequence[Mapping] = ()
) -> Iterator[str]:
    """Yield what to tell the user of *paths* in which there was nothing: a line each, or one line for many.

    Many are told once: the next run into *warehouse* tells those that are new or have changed since.

    Raises:
        OSError: One can't be read again.
        SourceError: One is damaged.
    """
    if len(paths) > NAMED:
        paths = _not_yet_told(paths, warehouse)
    if len(paths) > NAMED:
        names = ", ".join(str(path) for path in paths[:NAMED])
        wanted = f"record of {format_name}" if format_name else "record that ingest knows"
        yield f"{len(paths):,} files hold no {wanted}, such as {names}; `ingest explain FILE` says why"
        return
    for number, path in enumerate(paths):
        yield why_nothing(path, format_name=format_name, mappings=mappings, again=number > 0)


def _not_yet_told(paths: Sequence[Path], warehouse: str) -> list[Path]:
    """Return those of *paths* that weren't told before as they are now, and note that they have been."""
    told = usual_file()
    if told is None:
        return list(paths)
    name = hashlib.sha256(str(Path(warehouse).absolute()).encode()).hexdigest()[:16]
    told = told.with_name(f"without-records-{name}.json")
    before: dict[str, list[int]] = {}
    with contextlib.suppress(OSError, ValueError):  # no note yet, or one that somebody else wrote
        before = dict(json.loads(told.read_bytes()))
    now = {}
    for path in paths:
        with contextlib.suppress(OSError):  # gone meanwhile
            status = path.stat()
            now[str(path.absolute())] = [status.st_size, status.st_mtime_ns]
    with contextlib.suppress(OSError):  # nowhere to note it: then it is told again
        told.parent.mkdir(parents=True, exist_ok=True)
        told.write_text(json.dumps(before | now))
    return [path for path in paths if before.get(str(path.absolute())) != now.get(str(path.absolute()))]


def why_nothing(
    path: Path, *, format_name: str | None = None, mappings: Sequence[Mapping] = (), again: bool = False
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
    return f"{path}: no record that ingest knows; it reads {names}, and any other log by --mapping"


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
