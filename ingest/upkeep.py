"""Maintenance while a log is followed: a short process of its own, so that no commit waits and no memory stays."""

import subprocess
import sys
from pathlib import Path

EVERY = 200
"""Commits between two runs: about as many small files a table, and entries in its log."""


class Upkeep:
    """Starts `ingest compact --if-crowded` now and then; `child` is the run under way, or the last one."""

    def __init__(self, folder: Path, every: int = EVERY) -> None:
        """Look after the warehouse at *folder* once in *every* commits."""
        self._folder = folder
        self._every = every
        self._last = 0
        self.child: subprocess.Popen[bytes] | None = None

    def look(self, commits: int) -> None:
        """Start a run if it is time; *commits* is how many there have been."""
        if commits - self._last < self._every or (self.child is not None and self.child.poll() is None):
            return
        self._last = commits
        command = [sys.executable, "-m", "ingest", "-q", "compact", "--if-crowded", "-w", str(self._folder)]
        # A session of its own: Ctrl-C is for the follower, and a run ends by itself.
        quiet = subprocess.DEVNULL
        self.child = subprocess.Popen(command, stdin=quiet, stdout=quiet, start_new_session=True)  # noqa: S603 # our own command

    def finish(self) -> None:
        """Wait for the run under way."""
        if self.child is not None:
            self.child.wait()
