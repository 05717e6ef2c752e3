"""Run commands as whole processes and say what they took: median and spread of the time, CPU time, peak memory."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

INGEST = [sys.executable, "-m", "ingest", "--quiet"]

ENV = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""What commands run in: with compiled modules, as every installed program, whatever this shell says (0.1 s)."""


@dataclass(frozen=True)
class Options:
    """How large the inputs are, how often each command runs, and where inputs are kept."""

    data: Path
    scale: float = 1.0
    runs: int = 3


@dataclass(frozen=True)
class Taken:
    """What runs of one command took: seconds of each run, CPU seconds of the median one, peak memory in bytes."""

    seconds: tuple[float, ...]
    cpu: float = 0.0
    peak: int = 0

    @property
    def median(self) -> float:
        """Median of the runs, in seconds."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> str:
        """Fastest and slowest run."""
        return f"{min(self.seconds):.2f}–{max(self.seconds):.2f}"


def run(command: str | Sequence[str], *, runs: int = 3, before: Callable[[], None] = lambda: None) -> Taken:
    """Run *command* (a string goes to the shell) *runs* times, calling *before* each.

    Raises:
        subprocess.CalledProcessError: A run failed.
    """
    runs_taken: list[tuple[float, float, int]] = []
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    with tempfile.TemporaryDirectory() as scratch:
        printed = Path(scratch, "printed")  # grep stops at its first hit when nobody reads what it prints
        launch = [sys.executable, "-I", "-S", str(Path(__file__).parent / "launch.py"), str(printed), *argv]
        for _ in range(runs):
            before()
            taken = json.loads(subprocess.run(launch, env=ENV, stdout=subprocess.PIPE, check=True).stdout)
            if taken["code"]:
                print(printed.read_text("utf-8", "replace"), file=sys.stderr)
                raise subprocess.CalledProcessError(taken["code"], command)
            runs_taken.append((taken["took"], taken["cpu"], taken["peak"]))
    ordered = sorted(runs_taken)
    return Taken(
        tuple(took for took, _, _ in runs_taken),
        ordered[len(ordered) // 2][1],
        max(peak for _, _, peak in runs_taken),
    )


def threads_of(command: Sequence[str]) -> str:
    """Run *command* and return for how many seconds each of its threads that did much was on a core, the busiest first.

    The main one is called so, Python's others as the program, those of Polars `polars`.
    """
    process, busy = subprocess.Popen(command, env=ENV), dict[str, tuple[str, float]]()
    while process.poll() is None:
        for task in Path(f"/proc/{process.pid}/task").glob("*"):
            with contextlib.suppress(OSError):  # it has ended
                name = (task / "comm").read_text("utf-8").strip()
                nanoseconds = int((task / "schedstat").read_text("ascii").split()[0])
                busy[task.name] = "main" if task.name == str(process.pid) else name, nanoseconds / 1e9
        time.sleep(0.05)
    kinds: dict[str, list[float]] = {}
    for name, seconds in sorted(busy.values(), key=lambda thread: -thread[1]):
        if seconds >= 0.1:
            kinds.setdefault(name.rstrip("-0123456789"), []).append(seconds)
    return ", ".join(f"{name} {' '.join(f'{each:.1f}' for each in seconds)}" for name, seconds in kinds.items())


def cpu_of(pid: int) -> float:
    """Return the processor time that a process has taken so far, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_once(path: Path) -> None:
    """Read *path*, so that every contender finds it in the page cache."""
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass


def head(work: str, *figures: str) -> None:
    """Print the head of a table about *work*."""
    print(f"\n### {work}\n")
    print("|", " | ".join(["command", "median s", "spread s", "CPU s", *figures]), "|")
    print("|", " | ".join(["---"] + ["---:"] * (3 + len(figures))), "|", flush=True)


def row(command: str, taken: Taken, *figures: str) -> None:
    """Print what *command* took."""
    cells = [command, f"{taken.median:.2f}", taken.spread, f"{taken.cpu:.2f}" if taken.cpu else "", *figures]
    print("|", " | ".join(cells), "|", flush=True)


def bar(text: str, *, met: bool) -> None:
    """Print whether a bar is met."""
    print(f"\n{'met' if met else '**not met**'}: {text}", flush=True)


def must(found: object, truth: object, what: str) -> None:
    """Stop unless what was *found* is the *truth*: a fast wrong answer is no result."""
    if found != truth:
        sys.exit(f"wrong {what}: {found}, and not {truth}")
