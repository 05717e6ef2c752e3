"""The process that checks rules beside a follower: told of commits by a byte, never waited for, ended by its end.

The follower may be killed at any instant: the process then reads the end of its pipe, checks once more, and goes.
"""

import contextlib
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

from ingest.alerting.rules import FILE

log = logging.getLogger(__name__)

_AGAIN = 60.0
"""Seconds after which a process that has ended by itself is started again."""


class Beside:
    """Starts `ingest check --stay` where there are rules; `child` is the process, or the last one."""

    def __init__(self, warehouse: str) -> None:
        """Check the rules of *warehouse*, where it is a folder."""
        self._folder = Path(warehouse)
        self._commits = -1
        self._started = -_AGAIN
        self.child: subprocess.Popen[bytes] | None = None

    def look(self, commits: int) -> None:
        """Say that there have been *commits* by now, if it is news, and if somebody listens."""
        if commits == self._commits or not (self._folder / FILE).exists():
            return
        if self.child is None or self.child.poll() is not None:
            if time.monotonic() - self._started < _AGAIN:
                return
            self._start()
        self._commits = commits
        # A full pipe says enough, and one without a reader is noticed at the next commit.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            if self.child and self.child.stdin:
                os.write(self.child.stdin.fileno(), b"\n")

    def close(self, *, wait: bool) -> None:
        """Let the process check once more, and end; *wait* until it has."""
        if self.child is None or self.child.stdin is None:
            return
        self.child.stdin.close()
        if wait:
            self.child.wait()

    def _start(self) -> None:
        self._started = time.monotonic()
        command = [sys.executable, "-m", "ingest", "check", "--stay", "-w", str(self._folder)]
        # A session of its own: Ctrl-C is for the follower.
        self.child = subprocess.Popen(  # noqa: S603 # our own command
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, bufsize=0
        )
        if self.child.stdin:
            os.set_blocking(self.child.stdin.fileno(), False)
