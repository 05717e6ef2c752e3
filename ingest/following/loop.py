"""Looks at the files, again and again, until somebody stops it; and again where the warehouse can't be written now."""

import logging
import time
from collections.abc import Callable

from ingest.errors import WarehouseError
from ingest.following.follower import Follower

log = logging.getLogger(__name__)

MAX_PAUSE = 5.0
"""Seconds between two looks, at most, while nothing can be committed: files that are rotated meanwhile are opened."""

SAY_AGAIN = 60.0
"""Seconds after which it is said again that nothing can be committed."""


def follow(follower: Follower, wait: Callable[[float], bool], *, once: bool = False) -> None:
    """Tick until *wait*, called with the longest time to wait, returns False, or *once* nothing more is to be read.

    What was read is committed before returning.

    Raises:
        WarehouseError: The warehouse can't be written, and *once* was asked for, or it is time to end.
    """
    trouble = _Trouble()
    while True:
        try:
            delay = follower.tick(final=once)
        except WarehouseError as error:
            if once:
                raise
            if not _wait_out(wait, trouble.pause_after(error)):
                break
            continue
        trouble.is_over()
        if once and delay is not None:
            break
        if not wait(delay or 0.0):
            break
    if not once:
        follower.tick(final=True)


class _Trouble:
    """What keeps the warehouse from being written, said when it begins, when it changes, and now and then."""

    def __init__(self) -> None:
        self._pause = 0.25
        self._said = ""
        self._said_at = 0.0

    def pause_after(self, error: WarehouseError) -> float:
        """Say what is wrong, unless it has just been said; return for how many seconds to wait."""
        now = time.monotonic()
        self._pause = min(self._pause * 2, MAX_PAUSE)
        if str(error) != self._said or now - self._said_at >= SAY_AGAIN:
            log.warning("%s (trying again)", error)
            self._said, self._said_at = str(error), now
        return self._pause

    def is_over(self) -> None:
        """Say that it can be written again, if it couldn't."""
        if self._said:
            log.info("the warehouse can be written again")
        self._pause, self._said = 0.25, ""


def _wait_out(wait: Callable[[float], bool], seconds: float) -> bool:
    """Wait for all of *seconds*, whatever wakes meanwhile; False once stopped."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not wait(left):
            return False
    return True
