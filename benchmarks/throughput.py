"""How fast history is read: `ingest backfill` end to end beside `grep -c`, `grep | gawk` and a Python loop.

And how much faster with more cores, and by which threads.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from benchmarks.maestro import DENSE, HEAVY, PLAIN, WITH_EVENTS, Kind, Truth, write
from benchmarks.measure import INGEST, Options, Taken, bar, head, must, read_once, row, run, threads_of

GREP = 'LC_ALL=C grep -c "LLM call to model \'" {log}'
GAWK = (
    "LC_ALL=C grep \"LLM call to model '.*': latency\" {log} | LC_ALL=C gawk '"
    "match($0, /^\\[([^:]*:[0-9]*)/, t) && match($0, /total tokens: ([0-9,]+)/, n) "
    '{{ gsub(",", "", n[1]); sum[t[1]] += n[1] }} END {{ for (m in sum) print m, sum[m] }}\''
)


CORES = sorted(os.sched_getaffinity(0))
ON_ONE = ["taskset", "-c", str(CORES[0])]


class Measured(NamedTuple):
    """What each contender took for one log."""

    truth: Truth
    grep: Taken
    gawk: Taken | None
    loop: Taken
    keeping: Taken
    ours: Taken


def main(options: Options) -> None:
    """Measure large logs, as they are and without their events, and a dense one."""
    for name, kind, most in (("log with its events", WITH_EVENTS, 8), ("log of 120 days with many events", HEAVY, 12)):
        taken = _measure(options, name, 1000, kind)
        ratio = taken.ours.median / taken.grep.median
        bar(f"at most {most} × grep -c: {ratio:.1f} ×", met=ratio <= most)
        bar(f"at most 700 MB: {taken.ours.peak / 1e6:.0f}", met=taken.ours.peak <= 700e6)
    _measure_jobs(options, 1000)
    large = _measure(options, "log with 5% call lines and no events", 1000, PLAIN)
    ratio = large.ours.median / large.grep.median
    bar(f"at most 6 × grep -c: {ratio:.1f} ×", met=ratio <= 6)
    if large.gawk:
        ratio = large.ours.median / large.gawk.median
        bar(f"faster than grep | gawk: {ratio:.2f} × its time", met=ratio < 1)
    sparse = _measure(options, "log with 5% call lines and no events", 300, PLAIN)
    speed = sparse.truth.bytes / 1e6 / sparse.ours.median
    bar(f"at least 250 MB/s of a 300 MB log: {speed:.0f}", met=speed >= 250)
    dense = _measure(options, "log where every line is a call", 300, DENSE)
    calls = dense.truth.calls / dense.ours.median
    bar(f"at least 400,000 calls/s: {calls:,.0f}", met=calls >= 400_000)
    ratio, kept = dense.loop.median / dense.ours.median, dense.keeping.median / dense.ours.median
    bar(f"at least 8 × as fast as the loop: {ratio:.1f} ×, {kept:.1f} × if it keeps the calls", met=ratio >= 8)


def _measure(options: Options, name: str, megabytes: int, kind: Kind) -> Measured:
    log, truth = _written(options, megabytes, kind)
    head(f"{truth.bytes / 1e6:.0f} MB {name}, {truth.calls:,} calls", "MB/s", "calls/s", "× grep", "peak MB")
    grep = run(GREP.format(log=log), runs=options.runs)
    _row("`grep -c`", grep, truth, grep)
    gawk = run(GAWK.format(log=log), runs=options.runs) if shutil.which("gawk") else None
    if gawk:
        _row("`grep \\| gawk`", gawk, truth, grep)
    loop = run(_loop(log), runs=options.runs)
    _row("Python `re` loop that sums", loop, truth, grep)
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch, "calls.db")
        keeping = run(_loop(log, base), runs=options.runs, before=lambda: base.unlink(missing_ok=True))
    _row("Python `re` loop that keeps the calls in SQLite", keeping, truth, grep)
    ours = backfill(log, truth, options.runs)
    _row("`ingest backfill`", ours, truth, grep)
    return Measured(truth, grep, gawk, loop, keeping, ours)


def _measure_jobs(options: Options, megabytes: int) -> None:
    """Measure one log with more and more jobs, all of which have the cores that there are, and one that has one."""
    log, truth = _written(options, megabytes, WITH_EVENTS)
    head(
        f"the log with its events, by `--jobs`, on {len(CORES)} cores", "MB/s", "speed-up", "peak MB", "threads, CPU s"
    )
    ways = {"`--jobs 1` on one core": (*ON_ONE, *INGEST)} | {f"`--jobs {jobs}`": INGEST for jobs in (1, 2, 4, 8)}
    speeds = []
    for name, ingest in ways.items():
        jobs = name.split("`")[1].split()
        taken = backfill(log, truth, options.runs, *jobs, ingest=ingest)
        speeds.append(truth.bytes / 1e6 / taken.median)
        with tempfile.TemporaryDirectory() as scratch:
            busy = threads_of([*ingest, "backfill", str(log), "-w", scratch, *jobs])
        figures = f"{speeds[-1]:,.0f}", f"{speeds[-1] / speeds[0]:.2f}", f"{taken.peak / 1e6:,.0f}", busy
        row(name, taken, *figures)
    gained, least = max(speeds) / speeds[0], 0.7 * len(CORES)
    bar(f"with all {len(CORES)} cores at least {least:.1f} × as fast as with one: {gained:.2f} ×", met=gained >= least)


def _written(options: Options, megabytes: int, kind: Kind) -> tuple[Path, Truth]:
    """Return a log of a *kind*, which is in the page cache then, and what is in it."""
    size = int(megabytes * options.scale)
    log = options.data / f"maestro-{size}-{kind.share:g}-{kind.events:g}.log"
    truth = write(log, size=size * 1_000_000, kind=kind)
    read_once(log)
    return log, truth


def _loop(*arguments: Path) -> list[str]:
    return [sys.executable, str(Path(__file__).parent / "re_loop.py"), *map(str, arguments)]


def backfill(log: Path, truth: Truth, runs: int, *given: str, ingest: Sequence[str] = INGEST) -> Taken:
    """Measure a backfill of *log* into a new warehouse, *given* options; its totals must be the *truth*."""
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch, "warehouse")
        command = [*ingest, "backfill", str(log), "-w", str(warehouse), *given]
        taken = run(command, runs=runs, before=lambda: shutil.rmtree(warehouse, ignore_errors=True))
        calls, events = (pl.scan_delta(str(warehouse / name)) for name in ("llm_calls", "llm_events"))
        found = calls.select(pl.len(), pl.col("total_tokens").sum()).collect().row(0)
        told = events.select(pl.len()).collect().item()
    must((*found, told), (truth.calls, truth.tokens, truth.events), "calls, tokens and events")
    return taken


def _row(command: str, taken: Taken, truth: Truth, grep: Taken) -> None:
    row(
        command,
        taken,
        f"{truth.bytes / 1e6 / taken.median:,.0f}",
        f"{truth.calls / taken.median:,.0f}",
        f"{taken.median / grep.median:.1f}",
        f"{taken.peak / 1e6:,.0f}",
    )
