"""Run commands as whole processes and say what they took: median and spread of the time, CPU time, peak memory."""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Taken:
    """What runs of one command took: seconds of each run, CPU seconds of the median one, peak memory in bytes."""

    seconds: tuple[float, ...]
    cpu: float
    peak: int

    @property
    def median(self) -> float:
        """Median of the runs, in seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        """Fastest and slowest run."""
        return f"{min(self.seconds):.2f}–{max(self.seconds):.2f} s"


def run(
    command: str | Sequence[str], *, runs: int = 3, before: Callable[[], None] = lambda: None, warm: bool = False
) -> Taken:
    """Run *command* (a string goes to the shell) *runs* times, calling *before* each; *warm* adds a first run.

    Raises:
        subprocess.CalledProcessError: A run failed.
    """
    times: list[tuple[float, float, int]] = []
    for number in range(runs + warm):
        before()
        began = time.perf_counter()
        with tempfile.TemporaryFile() as printed:  # grep stops at its first hit when nobody reads what it prints
            process = subprocess.Popen(command, shell=isinstance(command, str), stdout=printed)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took = time.perf_counter() - began
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        if number or not warm:
            times.append((took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024))
    ordered = sorted(times)
    return Taken(tuple(t for t, _, _ in times), ordered[len(ordered) // 2][1], max(peak for _, _, peak in times))


def read_once(path: Path) -> None:
    """Read *path*, so that every contender finds it in the page cache."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass
