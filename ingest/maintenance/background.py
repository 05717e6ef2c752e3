"""Maintenance while a log is followed: a short process of its own, so that no commit waits and no memory stays."""

import logging
import subprocess
import sys
import time

EVERY = 200
"""Commits between two runs: about as many small files a table, and entries in its log."""

JUMP_SECONDS = 60.0
"""By how much a clock that is set right may move between two runs."""

log = logging.getLogger(__name__)


class Upkeep:
    """Starts `ingest compact --if-crowded` now and then; `child` is the run under way, or the last one."""

    def __init__(self, warehouse: str, every: int = EVERY) -> None:
        """Look after *warehouse* once in *every* commits."""
        self._warehouse = warehouse
        self._every = every
        self._last = 0
        self._clock = _ahead()
        self.child: subprocess.Popen[bytes] | None = None

    def look(self, commits: int) -> None:
        """Start a run if it is time; *commits* is how many there have been.

        Not if the clock has jumped since the last run: what is kept for a while would look older than it is. By the
        next run nobody needs any more what is from before.
        """
        if commits - self._last < self._every or (self.child is not None and self.child.poll() is None):
            return
        self._last = commits
        before, self._clock = self._clock, _ahead()
        if abs(self._clock - before) > JUMP_SECONDS:
            log.info("the clock has jumped by %.0f s; maintenance waits for its next turn", self._clock - before)
            return
        command = [sys.executable, "-m", "ingest", "-q", "compact", "--if-crowded", "-w", self._warehouse]
        # A session of its own: Ctrl-C is for the follower, and a run ends by itself.
        quiet = subprocess.DEVNULL
        self.child = subprocess.Popen(command, stdin=quiet, stdout=quiet, start_new_session=True)  # noqa: S603 # our own command

    def finish(self) -> None:
        """Wait for the run under way."""
        if self.child is not None:
            self.child.wait()


def _ahead() -> float:
    """Return how many seconds the clock is ahead of the time since the system was started, sleep included."""
    return time.time() - time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
