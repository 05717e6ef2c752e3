"""How fast history is read: `ingest backfill` end to end beside `grep -c`, `grep | gawk` and a Python loop."""

import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.maestro import Truth, write
from benchmarks.measure import INGEST, Options, Taken, bar, head, must, read_once, row, run

GREP = 'LC_ALL=C grep -c "LLM call to model \'" {log}'
GAWK = (
    "LC_ALL=C grep \"LLM call to model '.*': latency\" {log} | LC_ALL=C gawk '"
    "match($0, /^\\[([^:]*:[0-9]*)/, t) && match($0, /total tokens: ([0-9,]+)/, n) "
    '{{ gsub(",", "", n[1]); sum[t[1]] += n[1] }} END {{ for (m in sum) print m, sum[m] }}\''
)


def main(options: Options) -> None:
    """Measure a large log with few calls and a dense one."""
    floor, ours, gawk, _ = _measure(options, "log with 5% call lines", 1000, 0.05)
    bar(f"at most 6 × grep -c: {ours.median / floor.median:.1f} ×", met=ours.median <= 6 * floor.median)
    if gawk:
        ratio = ours.median / gawk.median
        bar(f"faster than grep | gawk: {ratio:.2f} × its time", met=ratio < 1)
    _, ours, _, _ = _measure(options, "log with 5% call lines", 300, 0.05)
    speed = 300 * options.scale / ours.median
    bar(f"at least 250 MB/s of a 300 MB log: {speed:.0f}", met=speed >= 250)
    _, ours, _, loop = _measure(options, "log where every line is a call", 300, 1.0)
    bar(f"at least 8 × as fast as the loop: {loop.median / ours.median:.1f} ×", met=loop.median >= 8 * ours.median)


def _measure(options: Options, name: str, megabytes: int, share: float) -> tuple[Taken, Taken, Taken | None, Taken]:
    size = int(megabytes * options.scale)
    log = options.data / f"maestro-{size}-{share:.2f}.log"
    truth = write(log, size=size * 1_000_000, share=share)
    read_once(log)
    head(f"{size} MB {name}, {truth.calls:,} calls", "MB/s", "calls/s", "× grep", "peak MB")
    floor = run(GREP.format(log=log), runs=options.runs)
    _row("`grep -c`", floor, truth, floor)
    gawk = run(GAWK.format(log=log), runs=options.runs) if shutil.which("gawk") else None
    if gawk:
        _row("`grep \\| gawk`", gawk, truth, floor)
    loop = run([sys.executable, str(Path(__file__).parent / "re_loop.py"), str(log)], runs=1)
    _row("Python `re` loop", loop, truth, floor)
    ours = backfill(log, truth, options.runs)
    _row("`ingest backfill`", ours, truth, floor)
    return floor, ours, gawk, loop


def backfill(log: Path, truth: Truth, runs: int) -> Taken:
    """Measure a backfill of *log* into a new warehouse; its totals must be the *truth*."""
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch, "warehouse")
        command = [*INGEST, "backfill", str(log), "-w", str(warehouse)]
        taken = run(command, runs=runs, before=lambda: shutil.rmtree(warehouse, ignore_errors=True))
        calls = pl.scan_delta(str(warehouse / "llm_calls"))
        found = calls.select(pl.len(), pl.col("total_tokens").sum()).collect().row(0)
    must(found, (truth.calls, truth.tokens), "calls and tokens")
    return taken


def _row(command: str, taken: Taken, truth: Truth, floor: Taken) -> None:
    row(
        command,
        taken,
        f"{truth.bytes / 1e6 / taken.median:,.0f}",
        f"{truth.calls / taken.median:,.0f}",
        f"{taken.median / floor.median:.1f}",
        f"{taken.peak / 1e6:,.0f}",
    )
