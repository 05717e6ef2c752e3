"""From a line being written to its row being visible to a new reader, while `ingest follow` runs."""

import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import polars as pl

from benchmarks.maestro import SAMPLE
from benchmarks.measure import INGEST, Options, bar, must


def main(options: Options) -> None:
    """Measure the default interval and a short one."""
    print(
        "\n### append → visible\n\n| interval s | lines | p50 ms | p99 ms |\n| ---: | ---: | ---: | ---: |", flush=True
    )
    for interval, lines in ((1.0, 40), (0.1, 150)):
        _, p99 = _measure(interval, max(10, int(lines * options.scale)))
        bar(f"p99 at most the interval + 150 ms: {p99:.0f} ms", met=p99 <= interval * 1000 + 150)


def _measure(interval: float, lines: int) -> tuple[float, float]:
    text = [x for x in SAMPLE.read_text("utf-8").splitlines(keepends=True) if "INFO: LLM call to model '" in x]
    chance, waited = random.Random(1), []
    with tempfile.TemporaryDirectory() as scratch:
        log, warehouse = Path(scratch, "maestro.log"), Path(scratch, "warehouse")
        log.write_text(text[0], "utf-8")
        follower = subprocess.Popen(
            [*INGEST, "follow", str(log), "-w", str(warehouse), "--interval", str(interval)], stderr=subprocess.DEVNULL
        )
        _until(warehouse, 1)
        for number in range(lines):
            time.sleep(chance.uniform(0, 1.5 * interval))  # lines come when they come
            began = time.perf_counter()
            with log.open("a", encoding="utf-8") as file:
                file.write(text[number % len(text)])
            _until(warehouse, number + 2)
            waited.append((time.perf_counter() - began) * 1000)
        follower.send_signal(signal.SIGTERM)
        must(follower.wait(), 0, "exit code")
        must(_rows(warehouse), lines + 1, "calls")
    waited.sort()
    p50, p99 = waited[len(waited) // 2], waited[min(len(waited) - 1, int(len(waited) * 0.99))]
    print(f"| {interval} | {lines} | {p50:.0f} | {p99:.0f} |", flush=True)
    return p50, p99


def _until(warehouse: Path, rows: int) -> None:
    while _rows(warehouse) < rows:
        time.sleep(0.002)


def _rows(warehouse: Path) -> int:
    """Return the rows that the newest commit shows: the log entries that a reader would read."""
    log = warehouse / "llm_calls" / "_delta_log"
    if not log.is_dir() or not any(log.glob("*.json")):
        return 0
    try:
        return int(pl.scan_delta(str(log.parent)).select(pl.len()).collect().item())
    except (FileNotFoundError, OSError):
        return 0
