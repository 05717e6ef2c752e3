"""Processes of `ingest` that really run, beside the test that starts, watches, signals and ends them."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

from logs import calls


class Ingest:
    """`ingest` with a warehouse in *folder*. What its last process says is in the file `said`."""

    def __init__(self, folder):
        self.warehouse = folder / "warehouse"
        self.said = folder / "said-0"
        self._started = []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def start(self, *arguments, stderr=None, cwd=None, **settings):
        """Start it with *arguments*, in folder *cwd*; the *settings* are variables of its environment."""
        environment = os.environ | {name: str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", "ingest", *map(str, arguments), "-w", str(self.warehouse)]
        self.said = self.said.with_name(f"said-{len(self._started)}")
        with self.said.open("wb") as said:
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=stderr or said, env=environment, cwd=cwd
            )
        self._started.append(process)
        return process

    def until(self, happened, seconds=90):
        """Wait until *happened* says so, or all processes have ended."""
        deadline = time.monotonic() + seconds
        while not happened() and self._running():
            assert time.monotonic() < deadline, self.said.read_text()
            time.sleep(0.005)

    def stop(self):
        """Ask the process that runs to end, which it must do well."""
        (process,) = self._running()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0, self.said.read_text()

    def _running(self):
        return [process for process in self._started if process.poll() is None]

    def close(self):
        """End what is still running."""
        for process in self._started:
            process.kill()
            process.wait()

    def run(self, *arguments, **settings):
        """Run it to its end; return its exit code and what it said, in lines."""
        code = self.start(*arguments, **settings).wait(timeout=60)
        return code, self.said.read_text().splitlines()

    def finish(self, *arguments, **settings):
        """Run it, and it must end well; return what it said, in lines."""
        code, said = self.run(*arguments, **settings)
        assert code == 0, said
        return said

    def calls(self):
        """Return how often each call number is in the table; nothing where there is no table yet."""
        there = any((self.warehouse / "llm_calls" / "_delta_log").glob("*.json"))
        return calls(self.warehouse) if there else Counter()
