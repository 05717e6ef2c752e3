"""How fast history is read: `ingest backfill` end to end beside `grep -c`, `grep | gawk` and a Python loop, in one run.

    python -m benchmarks.throughput [--mb 300] [--runs 3] [--data DIR]

Every figure is printed only after the warehouse's totals equalled the generator's.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.maestro import Truth, write
from benchmarks.measure import Taken, read_once, run

GREP = 'LC_ALL=C grep -c "LLM call to model \'" {log}'
GAWK = (
    "LC_ALL=C grep \"LLM call to model '.*': latency\" {log} | LC_ALL=C gawk '"
    "match($0, /^\\[([^:]*:[0-9]*)/, t) && match($0, /total tokens: ([0-9,]+)/, n) "
    '{{ gsub(",", "", n[1]); sum[t[1]] += n[1] }} END {{ for (m in sum) print m, sum[m] }}\''
)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mb", type=int, default=300, help="size of each log")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--data", type=Path, default=Path(__file__).parent / "data")
    chosen = options.parse_args()
    heads = (f"{'log':<12} {'command':<16}", f"{'median':>8} {'spread':>14} {'MB/s':>8} {'calls/s':>10}")
    print(*heads, f"{'× grep':>7} {'peak MB':>8}")
    for name, share in (("5% calls", 0.05), ("100% calls", 1.0)):
        log = chosen.data / f"maestro-{chosen.mb}-{share:.2f}.log"
        truth = write(log, size=chosen.mb * 1_000_000, share=share)
        read_once(log)
        floor = run(GREP.format(log=log), runs=chosen.runs)
        _row(name, "grep -c", floor, truth, floor)
        if shutil.which("gawk"):
            _row(name, "grep | gawk", run(GAWK.format(log=log), runs=chosen.runs), truth, floor)
        loop = [sys.executable, str(Path(__file__).parent / "re_loop.py"), str(log)]
        _row(name, "python re loop", run(loop, runs=1), truth, floor)
        _row(name, "ingest backfill", _backfill(log, truth, chosen.runs), truth, floor)


def _backfill(log: Path, truth: Truth, runs: int) -> Taken:
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch, "warehouse")
        command = [sys.executable, "-m", "ingest", "--quiet", "backfill", str(log), "-w", str(warehouse)]
        taken = run(command, runs=runs, before=lambda: shutil.rmtree(warehouse, ignore_errors=True))
        found = (
            pl.scan_delta(str(warehouse / "llm_calls")).select(pl.len(), pl.col("total_tokens").sum()).collect().row(0)
        )
    if found != (truth.calls, truth.tokens):
        sys.exit(f"wrong: {found} calls and tokens in the warehouse, {(truth.calls, truth.tokens)} in the log")
    return taken


def _row(log: str, command: str, taken: Taken, truth: Truth, floor: Taken) -> None:
    print(
        f"{log:<12} {command:<16} {taken.median:>6.2f} s {taken.spread:>14} {truth.bytes / 1e6 / taken.median:>8,.0f} "
        f"{truth.calls / taken.median:>10,.0f} {taken.median / floor.median:>7.1f} {taken.peak / 1e6:>8,.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
