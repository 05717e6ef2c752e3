"""A day of following, a commit a second, as fast as they go: append latency, time to open, files, memory.

    python benchmarks/long_day.py                   86,400 commits, an hour or two
    python benchmarks/long_day.py --minutes 30      as many as that allows

After some thousand commits nothing grows any more, as the times below are over; the rest of a day repeats that.

Lines, commits, tables and maintenance are the real ones: every commit is a line appended to a log, read, parsed,
priced, and durable in the tables before the next line is written; maintenance is a process of its own, as beside
`ingest follow`, every 200 commits. Only what is kept for some time (log entries, replaced files) is kept for less, in
the proportion of the day to the run, as it would otherwise pile up as in a day of 30 commits a second.
"""

import argparse
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from logs import START, calls, catch_up, follower, line

from ingest.following.follower import Follower
from ingest.maintenance.background import EVERY
from ingest.maintenance.compact import compact, crowded
from ingest.warehouse.open_table import CONFIGURATION
from ingest.warehouse.storage.locks import BusyError
from ingest.warehouse.warehouse import Warehouse

DAY = 86_400
COLUMNS = ("commits", "p50 ms", "p99 ms", "CPU ms", "open ms", "live files", "files on disk", "log entries", "MB")


def main() -> None:
    if sys.argv[1:2] == ["maintain"]:
        maintain(Path(sys.argv[2]), float(sys.argv[3]))
        return
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--commits", type=int, default=DAY)
    options.add_argument("--samples", type=int, default=20)
    options.add_argument("--minutes", type=float, default=1e9)
    options.add_argument("--pace", type=float, default=30.0, help="how much faster than a commit a second this runs")
    given = options.parse_args()
    CONFIGURATION["delta.deletedFileRetentionDuration"] = f"interval {round(7200 / given.pace)} seconds"
    with tempfile.TemporaryDirectory(prefix="ingest-day-") as name:
        begun = time.perf_counter()
        done = run(Path(name), given.commits, given.commits // given.samples, given.pace, begun + 60 * given.minutes)
        took = time.perf_counter() - begun
        print(f"\n{done:,} commits in {took:,.0f} s: {done / took:.0f} times a commit a second")
        found = calls(Path(name, "w"))
        print(f"calls: {found.total():,} of {done:,}, each once: {len(found) == done}")


def run(folder: Path, count: int, every: int, pace: float, end: float) -> int:
    """Follow *count* lines, fewer if time *end* comes first; say what the last *every* took, again and again."""
    log, warehouse = folder / "maestro.log", folder / "w"
    each = follower(warehouse, log)
    print("|", " | ".join(COLUMNS), "|")
    print("|", " | ".join("---:" for _ in COLUMNS), "|", flush=True)
    child, took, cpu = None, [], time.process_time()
    for n in range(1, count + 1):
        took.append(append(each, log, n))
        if n % EVERY == 0 and (child is None or child.poll() is not None):
            child = subprocess.Popen([sys.executable, __file__, "maintain", str(warehouse), str(pace)])
        if n % every == 0:
            used = (time.process_time() - cpu) / every
            print("|", " | ".join([f"{n:,}", *latency(took), f"{1000 * used:.1f}", *state(warehouse)]), "|", flush=True)
            took, cpu = [], time.process_time()
            if time.perf_counter() >= end:
                break
    each.close()
    if child:
        child.wait()
    return n


def append(each: Follower, log: Path, number: int) -> float:
    """Write the line of call *number*, of today, and return how long it took until it was committed."""
    today = datetime.now(UTC).date().isoformat()
    with log.open("a") as file:
        file.write(line(number).replace(START.date().isoformat(), today))
    begun = time.perf_counter()
    catch_up(each)
    return time.perf_counter() - begun


def latency(took: list[float]) -> tuple[str, str]:
    """Return the median and the 99th percentile, in milliseconds."""
    return f"{1000 * statistics.median(took):.1f}", f"{1000 * statistics.quantiles(took, n=100)[98]:.1f}"


def state(warehouse: Path) -> tuple[str, ...]:
    """Return how long opening takes, how many files there are of all kinds, and the memory of this process."""
    opened = []
    for _ in range(5):
        begun = time.perf_counter()
        tables = Warehouse(warehouse).tables
        opened.append(time.perf_counter() - begun)
    gc.collect()
    return (
        f"{1000 * statistics.median(opened):.0f}",
        f"{sum(len(t.files()) for t in tables.values()):,}",
        f"{sum(1 for _ in warehouse.glob('*/date=*/*.parquet')):,}",
        f"{sum(1 for _ in warehouse.glob('*/_delta_log/*.json')):,}",
        f"{int(Path('/proc/self/statm').read_text().split()[1]) * 4096 / 1e6:,.0f}",
    )


def maintain(warehouse: Path, pace: float) -> None:
    """Do what `ingest compact --if-crowded` does."""
    try:
        compact(warehouse, fewest=crowded, pace=pace)
    except BusyError as error:
        print(error, file=sys.stderr)


if __name__ == "__main__":
    main()
