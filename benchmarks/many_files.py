"""Follow thousands of files at once: CPU time of a cold start, of idling, of one line; descriptors, memory.

python benchmarks/many_files.py --files 10000
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from logs import calls, catch_up, follower, line, lines

from ingest.following.follower import Follower


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--files", type=int, default=10_000)
    count = options.parse_args().files
    with tempfile.TemporaryDirectory(prefix="ingest-many-") as name:
        folder = Path(name)
        logs = folder / "logs"
        logs.mkdir()
        for n in range(count):
            (logs / f"{n}.log").write_bytes(lines(n, n + count))
        each = follower(folder / "w", logs)
        print(f"{count:,} files")
        print(f"  cold start: {timed(lambda: catch_up(each)):.2f} s")
        idle = [timed(each.tick) for _ in range(5)]
        print(f"  one look at nothing new: {1000 * min(idle):.0f} ms")
        latencies = [append(each, logs / f"{n * 7 % count}.log", 3 * count + n) for n in range(10)]
        print(f"  line to commit: {1000 * sorted(latencies)[5]:.0f} ms")
        print(f"  descriptors: {len(list(Path('/proc/self/fd').iterdir())):,}")
        print(f"  memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
        each.close()
        again = follower(folder / "w", logs)
        print(f"  warm start: {timed(lambda: catch_up(again)):.2f} s")
        again.close()
        print(f"  calls: {calls(folder / 'w').total():,} of {2 * count + 10:,}")


def append(each: Follower, path: Path, number: int) -> float:
    with path.open("a") as file:
        file.write(line(number))
    return timed(lambda: catch_up(each))


def timed(action: Callable[[], object]) -> float:
    begun = time.process_time()
    action()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
