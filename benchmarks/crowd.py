"""Folders of many files: tiny new ones by the thousand beside one that grows, and hundreds that all grow."""

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Self
from urllib.parse import unquote

import polars as pl

from benchmarks.measure import ENV, INGEST, Options, bar, must

TINY = 50_000
GROWING = 300
SECONDS = 30.0


def main(options: Options) -> None:
    """Measure files a second, and how long a line of a growing file waits meanwhile; then CPU and waits of many."""
    print(
        "\n### many files\n\n| input | files/s | p50 s | p99 s | CPU |\n| --- | ---: | ---: | ---: | ---: |", flush=True
    )
    for name, end in (("one record a file", "\n"), ("the same without a line's end", "")):
        speed, waits = _tiny(max(300, int(TINY * options.scale)), end)
        print(f"| {name} | {speed:,.0f} | {_share(waits, 0.5):.1f} | {_share(waits, 0.99):.1f} | |", flush=True)
        bar(f"at least 2,000 files/s: {speed:,.0f}", met=speed >= 2_000)
        bar(f"a line of a growing file visible within 2 s: {_share(waits, 0.99):.1f} s", met=_share(waits, 0.99) <= 2)
    cpu, waits = _growing(max(10, int(GROWING * options.scale)), max(5.0, SECONDS * options.scale))
    print(
        f"| files that grow each second | | {_share(waits, 0.5):.1f} | {_share(waits, 0.99):.1f} | {cpu:.2f} |",
        flush=True,
    )
    bar(f"at most 0.4 of a core: {cpu:.2f}", met=cpu <= 0.4)
    bar(f"visible within the interval + 1 s at p99: {_share(waits, 0.99):.1f} s", met=_share(waits, 0.99) <= 2)


def call(name: str, number: int, at: float | None = None) -> str:
    """Return the record of a call; `request_id` says whose, and when it was written."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(1_770_112_800 + number))
    usage = {"prompt_tokens": 100 + number % 900, "completion_tokens": 50}
    record = {
        "ts": f"{when}.{number % 1000:03}Z",
        "model": "gpt-5.2",
        "request_id": f"{name}-{number}-{at}",
        "usage": usage,
    }
    return json.dumps(record)


def _tiny(count: int, end: str) -> tuple[float, list[float]]:
    with tempfile.TemporaryDirectory() as scratch:
        folder, warehouse = Path(scratch, "calls"), Path(scratch, "warehouse")
        folder.mkdir()
        old = time.time() - 120
        for number in range(count):
            path = folder / f"{number:06}.json"
            path.write_text(call("tiny", number) + end, "utf-8")
            os.utime(path, (old, old))
        grows = folder / "app.jsonl"
        grows.write_text(call("grows", 0, time.time()) + "\n", "utf-8")
        begun = time.perf_counter()
        with _Following(folder, warehouse, [grows]) as following:
            while following.seen["tiny"] < count:
                following.look()
            took = time.perf_counter() - begun
            following.stop()
        must(following.rows(), count + following.written, "calls")
    return count / took, following.waits


def _growing(count: int, seconds: float) -> tuple[float, list[float]]:
    with tempfile.TemporaryDirectory() as scratch:
        folder, warehouse = Path(scratch, "calls"), Path(scratch, "warehouse")
        folder.mkdir()
        paths = [folder / f"{number:04}.jsonl" for number in range(count)]
        for number, path in enumerate(paths):
            path.write_text(call(f"first{number}", 0, time.time()) + "\n", "utf-8")
        with _Following(folder, warehouse, paths) as following:
            while not following.seen["grows"]:
                following.look()
            began, before = time.perf_counter(), following.cpu()
            while time.perf_counter() - began < seconds:
                following.look()
            cpu = (following.cpu() - before) / (time.perf_counter() - began)
            following.stop()
        must(following.rows(), count + following.written, "calls")
    return cpu, following.waits


class _Following:
    """`ingest follow` of a folder, and a thread that adds a line to each of some files every second."""

    def __init__(self, folder: Path, warehouse: Path, paths: list[Path]) -> None:
        self.table, self.paths, self.written = warehouse / "llm_calls", paths, len(paths) if len(paths) == 1 else 0
        self.seen, self.waits, self._version = {"tiny": 0, "grows": 0}, [], -1
        self._began = float("inf")
        self._over = threading.Event()
        self._command = [*INGEST, "follow", str(folder), "-w", str(warehouse), "--interval", "1"]
        self._process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL, env=ENV)
        self._writer = threading.Thread(target=self._write)
        self._writer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._process.kill()

    def _write(self) -> None:
        number = 0
        while not self._over.wait(1):
            number += 1
            for name, path in enumerate(self.paths):
                with path.open("a", encoding="utf-8") as file:
                    file.write(call(f"grows{name}", number, time.time()) + "\n")
            self.written += len(self.paths)

    def look(self) -> None:
        """Note what new commits show, each at the time at which its entry was written."""
        time.sleep(0.05)
        must(self._process.poll(), None, "exit code while it follows")
        while (entry := self.table / "_delta_log" / f"{self._version + 1:020}.json").exists():
            self._version += 1
            shown = entry.stat().st_mtime
            for action in map(json.loads, entry.read_text("utf-8").splitlines()):
                if "add" in action and action["add"]["dataChange"]:
                    self._note(self.table / unquote(action["add"]["path"]), shown)

    def _note(self, file: Path, shown: float) -> None:
        rows = pl.read_parquet(file, columns=["request_id"], glob=False).to_series()
        ours = rows.filter(rows.str.starts_with("grows"))
        written = ours.str.split("-").list.last().cast(pl.Float64, strict=False).drop_nulls()
        self.seen["tiny"] += int(rows.str.starts_with("tiny").sum())
        self.seen["grows"] += len(written)
        self._began = min(self._began, shown)  # what was written before is about how long it takes to start
        self.waits += [shown - at for at in written.to_list() if at >= self._began]

    def cpu(self) -> float:
        """Return the processor time that the follower has taken, in seconds."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Stop writing, let the follower end, and have another read what it had not read yet."""
        self._over.set()
        self._writer.join()
        self._process.send_signal(signal.SIGTERM)
        must(self._process.wait(), 0, "exit code")
        done = subprocess.run([*self._command, "--once"], stderr=subprocess.DEVNULL, env=ENV, check=False)
        must(done.returncode, 0, "exit code")

    def rows(self) -> int:
        """Return how many calls there are."""
        return int(pl.scan_delta(str(self.table)).select(pl.len()).collect().item())


def _share(waits: list[float], share: float) -> float:
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * share))] if waits else 0.0
