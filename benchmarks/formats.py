"""What parsing costs, format by format: the lines of each fixture again and again, through all formats at once."""

import time
from pathlib import Path

from benchmarks.measure import Options, Taken, head, must, row
from parsers import FORMATS, Block, parse

FIXTURES = Path(__file__).parent.parent / "fixtures"
BLOCK = 8 << 20


def main(options: Options) -> None:
    """Measure the fixture of each format that is a file of lines and has the most calls."""
    head("parsing, by format, one thread", "records", "MB/s", "records/s")
    for format_ in FORMATS:
        folder = FIXTURES / format_.name
        if folder.is_dir() and format_.heads is None:
            _measure(format_.name, folder, options)


def _measure(name: str, folder: Path, options: Options) -> None:
    files = [f for f in sorted(folder.iterdir()) if f.suffix in (".jsonl", ".log") and ".expected" not in f.name]
    lines, once = max((_accepted(f) for f in files), key=lambda found: found[1])
    if not once:
        return
    times = max(1, int(BLOCK * options.scale) // len(lines))
    block = Block(lines * times)
    parse(block, FORMATS)
    seconds, cpu, found = [], 0.0, 0
    for _ in range(options.runs):
        began, busy = time.perf_counter(), time.process_time()
        rows = parse(block, FORMATS)
        seconds.append(time.perf_counter() - began)
        cpu, found = time.process_time() - busy, rows.calls.height + rows.events.height
    must(found, once * times, f"rows of {name}")
    taken = Taken(tuple(seconds), cpu)
    megabytes = len(block.data) / 1e6 / taken.median
    row(f"`{name}`", taken, f"{found:,}", f"{megabytes:,.0f}", f"{found / taken.median:,.0f}")


def _accepted(file: Path) -> tuple[bytes, int]:
    """Return the lines of *file* that each make one row by themselves, and how many rows that is."""
    kept, rows = [], 0
    for line in file.read_bytes().splitlines(keepends=True):
        alone = parse(Block(line, sealed=True), FORMATS)
        if line.endswith(b"\n") and alone.calls.height == 1 and not alone.rejects.height and not alone.contexts:
            kept.append(line)
            rows += 1 + alone.events.height
    return b"".join(kept), rows
