"""How many files may be open at once: as many as the system allows this process, less what it needs itself."""

import contextlib
import resource

MAX_IDLE = 512
"""How many idle files are kept open; a file that was rotated or unlinked stays open until it is sealed."""

MAX_NEW = 256
"""How many new files are open at once to be parsed together."""

RESERVE = 128
"""Descriptors for the tables, of whose log fifty entries are read at once, their locks, databases, late imports."""

ENOUGH = MAX_IDLE + MAX_NEW + 2 * RESERVE
"""As many as are ever of use."""


def allow_more() -> None:
    """Raise this process's limit to what is of use, where the system lets it: macOS begins with 256."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_open() -> tuple[int, int]:
    """Return how many idle files may stay open, and how many new ones beside them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= ENOUGH:
        return MAX_IDLE, MAX_NEW
    new = max(4, (soft - min(RESERVE, soft // 2)) // 3)
    return min(MAX_IDLE, new), min(MAX_NEW, new)
