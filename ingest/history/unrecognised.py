"""Why a file gave nothing: what it looks like instead, or why a mapping takes none of its lines."""

from pathlib import Path

from ingest.files.streams import open_stream
from parsers import FORMATS, Block, parse
from parsers.mapping.mapping import Mapping, unmatched

_SAMPLE = 1 << 20


def why_nothing(
    path: Path, *, format_name: str | None = None, mapping: Mapping | None = None, again: bool = False
) -> str:
    """Return what to tell the user of *path*, in which no record of *format_name*, of *mapping*, or of any kind was.

    With *again*, the known formats have been listed for another file already.

    Raises:
        OSError: It can't be read again.
        SourceError: It is damaged.
    """
    sample = _sample(path)
    first = next((line for line in sample.decode("utf-8", "replace").splitlines() if line.strip()), "")
    if mapping:
        return f"{path}: {unmatched(mapping, first)}"
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
