"""Print what ingest takes beside what people use instead.

    python -m benchmarks                     everything, about an hour
    python -m benchmarks throughput startup  some of it
    python -m benchmarks --scale 0.01        a short form, for its totals: times mean nothing then

Each work is measured in one run beside its rival or its floor, several times, and every total is checked against the
generator's truth before a time is printed. A wrong total ends the run with exit code 1.
"""

import argparse
import importlib
import platform
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Options

WORKS = (
    "startup",
    "formats",
    "throughput",
    "usage",
    "sessions",
    "latency",
    "crowd",
    "reports",
    "keyed",
    "many_calls",
    "live",
    "serve",
    "memory",
    "growth",
)


def main() -> None:
    """Run the chosen benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("works", nargs="*", metavar="WORK", help=", ".join(WORKS))
    parser.add_argument("--scale", type=float, default=1.0, help="size of the inputs, 1 is full")
    parser.add_argument("--runs", type=int, default=3, help="runs of each command")
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data", help="where inputs are kept")
    given = parser.parse_args()
    if unknown := set(given.works) - set(WORKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(WORKS)}")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("polars", "duckdb", "pyarrow", "deltalake"))
    print(f"Python {platform.python_version()}, {libraries}, {platform.machine()}, {_cores()} cores")
    for work in given.works or WORKS:
        importlib.import_module(f"benchmarks.{work}").main(Options(given.data, given.scale, given.runs))


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))


main()
