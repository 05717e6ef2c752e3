"""What parsing costs, format by format: the lines of each fixture again and again, through all formats at once."""

import json
import time
from itertools import accumulate
from pathlib import Path

from benchmarks import maestro
from benchmarks.measure import Options, Taken, head, must, row
from parsers import FORMATS, Block, parse

FIXTURES = Path(__file__).parent.parent / "fixtures"
BLOCK = 8 << 20


def main(options: Options) -> None:
    """Measure the fixture of each format that is a file of lines and has the most calls."""
    head("parsing, by format, one thread", "records", "MB/s", "records/s")
    for format_ in FORMATS:
        folder = FIXTURES / format_.name
        if format_.heads is None:
            _measure(format_.name, folder, options)
        if list(folder.glob("*.csv")):
            _measure_below_header(f"{format_.name}, as CSV", folder, options)
    _measure_wrapped(options)


def _measure_wrapped(options: Options) -> None:
    """Measure a maestro log that Docker wrapped beside the plain one: the same records."""
    log = options.data / "wrapped.log"
    maestro.write(log, size=1 << 20, kind=maestro.PLAIN)
    lines = [line for line in log.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n")]
    at = "2026-01-01T00:00:00.000000000Z"
    wrapped = (json.dumps({"log": line, "stream": "stdout", "time": at}, separators=(",", ":")) for line in lines)
    _measure_lines("maestro-log, 5% calls", b"", "".join(lines).encode(), options)
    _measure_lines("the same, wrapped by Docker", b"", "".join(f"{line}\n" for line in wrapped).encode(), options)


def _measure(name: str, folder: Path, options: Options) -> None:
    files = [f for f in sorted(folder.iterdir()) if f.suffix in (".jsonl", ".log") and ".expected" not in f.name]
    if not files:
        return  # documents, which can't be read again and again as lines
    lines = max((_calls(f) for f in files), key=_rows) or max((_accepted(f) for f in files), key=_rows)
    _measure_lines(name, b"", lines, options)


def _measure_below_header(name: str, folder: Path, options: Options) -> None:
    files = [file.read_bytes() for file in sorted(folder.glob("*.csv"))]
    rows = [(head + b"\n", line) for data in files for head, *rest in [data.splitlines()] for line in rest]
    good = [(head, line + b"\n") for head, line in rows if _rows(head + line + b"\n") == 1]
    if not good:
        return
    header = good[0][0]
    _measure_lines(name, header, b"".join(line for head, line in good if head == header), options)


def _measure_lines(name: str, header: bytes, lines: bytes, options: Options) -> None:
    times = max(2, int(BLOCK * options.scale) // len(lines))
    again = _rows(header + lines * 2) - _rows(header + lines)
    block = Block(header + lines * times)
    parse(block, FORMATS)
    seconds, cpu, found = [], 0.0, 0
    for _ in range(options.runs):
        began, busy = time.perf_counter(), time.process_time()
        rows = parse(block, FORMATS)
        seconds.append(time.perf_counter() - began)
        cpu, found = time.process_time() - busy, rows.calls.height + rows.events.height
    must(found, _rows(header + lines) + again * (times - 1), f"rows of {name}")
    taken = Taken(tuple(seconds), cpu)
    megabytes = len(block.data) / 1e6 / taken.median
    row(f"`{name}`", taken, f"{found:,}", f"{megabytes:,.0f}", f"{found / taken.median:,.0f}")


def _calls(file: Path) -> bytes:
    """Return the lines of *file* that each make one call by themselves."""
    return b"".join(line for line in _lines(file) if _is_one_call(line))


def _accepted(file: Path) -> bytes:
    """Return the lines of *file* that are no reject."""
    lines = _lines(file)
    refused = parse(Block(b"".join(lines)), FORMATS).rejects["source_offset"].to_list()
    starts = accumulate((len(line) for line in lines), initial=0)
    return b"".join(line for start, line in zip(starts, lines, strict=False) if start not in refused)


def _lines(file: Path) -> list[bytes]:
    return [line for line in file.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def _is_one_call(line: bytes) -> bool:
    alone = parse(Block(line, sealed=True), FORMATS)
    return alone.calls.height == 1 and not alone.rejects.height and not alone.contexts


def _rows(lines: bytes) -> int:
    found = parse(Block(lines), FORMATS)
    return found.calls.height + found.events.height
