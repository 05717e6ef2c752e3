"""A day of following, a commit a second, as fast as they go: append latency, time to open, files, memory.

    python benchmarks/long_day.py --commits 5000

A day has 86,400 commits; fewer show the trend, as everything is bounded by checkpoints and compaction.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from logs import catch_up, follower, line

from ingest.maintenance import compact, crowded
from ingest.table import Table
from ingest.upkeep import EVERY
from ingest.warehouse import Warehouse


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--commits", type=int, default=5000)
    count = options.parse_args().commits
    with tempfile.TemporaryDirectory(prefix="ingest-day-") as name:
        folder = Path(name)
        log = folder / "maestro.log"
        each = follower(folder / "w", log)
        took = []
        for n in range(count):
            with log.open("a") as file:
                file.write(line(n))
            begun = time.perf_counter()
            catch_up(each)
            took.append(time.perf_counter() - begun)
            if n and n % EVERY == 0:
                compact(folder / "w", fewest=crowded)
            if n == count // 10:
                early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        each.close()
        tenth = count // 10
        print(f"{count:,} commits")
        print(f"  latency at first: {1000 * statistics.median(took[:tenth]):.0f} ms")
        print(f"  latency at last: {1000 * statistics.median(took[-tenth:]):.0f} ms")
        begun = time.perf_counter()
        Warehouse(folder / "w")
        print(f"  to open: {1000 * (time.perf_counter() - begun):.0f} ms")
        print(f"  live files: {len(Table(folder / 'w', 'llm_calls').files())}")
        late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"  memory: {early / 1024:,.0f} MB after a tenth, {late / 1024:,.0f} MB at the end")


if __name__ == "__main__":
    main()
