"""A follower of files that grow, and how long each of their lines waits until its row is there."""

import json
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import unquote

import polars as pl

from benchmarks.measure import ENV, INGEST, cpu_of, must

LINE_SECONDS = 0.37
"""Not in step with the looks of the follower, so that lines come at any time between two of them."""


@contextmanager
def growing(warehouse: Path) -> Iterator["Following"]:
    """Follow a log that gets a line now and then, into *warehouse*."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "app.jsonl")
        log.write_text(call("grows", 0, time.time()) + "\n", "utf-8")
        with Following(Path(scratch), warehouse, [log], every=LINE_SECONDS) as following:
            while not following.seen["grows"]:
                following.look()
            yield following
            following.stop()


def call(name: str, number: int, at: float | None = None) -> str:
    """Return the record of a call, *at* some time or long ago; `request_id` says whose, and when it was written."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at or 1_770_112_800 + number))
    usage = {"prompt_tokens": 100 + number % 900, "completion_tokens": 50}
    record = {
        "ts": f"{when}.{number % 1000:03}Z",
        "model": "gpt-5.2",
        "request_id": f"{name}-{number}-{at}",
        "usage": usage,
    }
    return json.dumps(record)


class Following:
    """`ingest follow` of a folder, and a thread that adds a line to each of some files every so many seconds."""

    def __init__(self, folder: Path, warehouse: Path, paths: list[Path], *, every: float = 1.0) -> None:
        self.table, self.paths, self.written = warehouse / "llm_calls", paths, len(paths) if len(paths) == 1 else 0
        self.seen, self.waits = {"tiny": 0, "grows": 0}, list[float]()
        self._version = max((int(entry.stem) for entry in (self.table / "_delta_log").glob("*[0-9].json")), default=-1)
        self._every, self._began = every, float("inf")
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
        while not self._over.wait(self._every):
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
        return cpu_of(self._process.pid)

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
