"""A token bucket over calls: who would have waited at a limit, and the smallest limits at which none, or few, would.

The bucket holds as many tokens as the limit and refills at the limit per minute; calls queue in order. With `D` the sum
of what was asked for so far, the backlog after call i is `D_i - r t_i` less the least of all earlier `D_{k-1} - r t_k`,
its own included, and the call waits for what exceeds the capacity. Everything is counted in integers, so that limits
are exact; a backlog is in tokens times a minute's microseconds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # of integers: narrow ones where many are kept, Python's own where int64 doesn't suffice for sums

MINUTE = 60_000_000
_THIRD = MINUTE // 3
_SAFE = 1 << 62
_TAME = 1 << 40
_CHUNK = 1 << 13
"""So many calls are looked at together: their numbers stay in the processor's cache."""
_SAMPLED = 16
_FEW = 8
"""So many thirds of a minute are looked at call by call first, and then each time so many times as many."""


@dataclass(frozen=True)
class Waiting:
    """The calls that wait at a limit, by number: what is owed right after each, and where its busy period began."""

    calls: Array
    owed: Array
    since: Array
    periods: Array
    """Where the bucket was full before a call, over all calls."""

    def seconds(self, limit: int) -> Array:
        """Return how long each call waits."""
        return np.asarray((self.owed - limit * MINUTE) / limit / 1e6, dtype=np.float64)

    def until_next_minute(self, limit: int, at: Array) -> Array:
        """Return the same where all is filled at once when a minute begins; calls came *at* these instants."""
        minutes = -(-self.owed // (limit * MINUTE)) - 1
        return np.asarray((minutes * MINUTE - at[self.calls] % MINUTE) / 1e6, dtype=np.float64)


def waiting(at: Array, asked: Array, limit: int) -> Waiting:
    """Replay calls in order of time: instants in microseconds, and what each asks for."""
    capacity, owed, last = limit * MINUTE, 0, int(at[0])
    tame = int(asked.max()) < _TAME
    calls, backlogs, periods = [], [], []
    for begin in range(0, len(at), _CHUNK):
        instants, wanted = at[begin : begin + _CHUNK], asked[begin : begin + _CHUNK]
        left = max(owed - (int(instants[0]) - last) * limit, 0)
        last = int(instants[-1])
        largest = max(int(wanted.sum()) * MINUTE + left, (last - int(instants[0])) * limit) if tame else _SAFE
        sums, floor = _sums(instants, wanted, limit, np.dtype(np.int64 if largest < _SAFE else object))
        floor[0] = -left
        least = np.minimum.accumulate(floor)
        full = np.flatnonzero(floor == least)
        periods.append(begin + (full[1:] if left else full))
        backlog = np.subtract(sums, least, out=sums)
        owed = int(backlog[-1])
        late = np.flatnonzero(backlog > capacity)
        if len(late):
            calls.append(begin + late)
            backlogs.append(backlog[late])
    nothing = np.zeros(0, np.int64)
    number, starts = np.concatenate(calls or [nothing]), np.concatenate(periods)
    since = np.searchsorted(starts, number, side="right") - 1
    return Waiting(number, np.concatenate(backlogs or [nothing]), since, starts)


def _sums(instants: Array, wanted: Array, limit: int, kind: np.dtype[Any]) -> tuple[Array, Array]:
    """Return `D_i - r t_i` and `D_{i-1} - r t_i` of some calls, from the first of them on."""
    asked = wanted.astype(kind, copy=False) * MINUTE
    sums = np.cumsum(asked, dtype=kind)
    refilled = (instants - instants[0]).astype(kind, copy=False)
    refilled *= limit
    sums -= refilled
    return sums, sums - asked


def smallest_limits(at: Array, asked: Array) -> tuple[int, int]:
    """Return the smallest limit at which no call waits, and that at which no more than 1% of the calls do."""
    may_wait, replayed = len(at) // 100, None
    if len(at) > _SAMPLED * _CHUNK:
        # Parts of the calls say about how large it is; what is less than 1% below is almost never too large.
        parts = [slice(begin, begin + _CHUNK) for begin in range(0, len(at), _CHUNK * _SAMPLED)]
        some_at, some = (np.concatenate([column[part] for part in parts]) for column in (at, asked))
        guess, _ = _search(some_at, some, may_wait=len(some) // 100, start=1)
        below = max(guess - 1 - guess // 100, 1)
        replayed = below, waiting(at, asked, below)
    few, found = _search(at, asked, may_wait=may_wait, replayed=replayed)
    none, _ = _search(*found, may_wait=0, start=few)
    return none, few


def _search(
    at: Array, asked: Array, *, may_wait: int, start: int = 1, replayed: tuple[int, Waiting] | None = None
) -> tuple[int, tuple[Array, Array]]:
    """Return the smallest limit from *start* on at which no more than *may_wait* calls wait.

    Also returns the calls of the busy periods in which calls wait at it. At each limit below *start* too many wait.
    *replayed* is a limit, and who waits at it: if they are too many, the search goes on from there.
    """
    useful = replayed is not None and len(replayed[1].calls) > may_wait
    limit, found = replayed if replayed and useful else (start, waiting(at, asked, start))
    while True:
        if not len(found.calls):
            return limit, (at[:1], asked[:1])
        lasted = (at[found.calls] - at[found.periods[found.since]]).astype(np.float64)
        at, asked = _crowded(at, asked, found)
        if len(found.calls) <= may_wait:
            return limit, (at, asked)
        # What a call and those before it in its busy period asked for needs this limit, whatever came earlier.
        needed = (found.owed.astype(np.float64) + limit * lasted) / (MINUTE + lasted)
        nth = len(needed) - 1 - may_wait
        limit = max(limit + 1, int(np.ceil(np.partition(needed, nth)[nth] * (1 - 1e-12))))
        found = waiting(at, asked, limit)


def _crowded(at: Array, asked: Array, found: Waiting) -> tuple[Array, Array]:
    """Keep the busy periods in which calls wait: in others none will at a higher limit, and none owes to another."""
    busy = found.since[np.flatnonzero(np.diff(found.since, prepend=-1))]
    edges = np.zeros(len(at) + 1, np.int8)
    edges[found.periods[busy]] = 1
    edges[np.append(found.periods, len(at))[busy + 1]] -= 1
    inside = np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)
    return at[inside], asked[inside]


def thirds_of(at: Array) -> tuple[Array, Array]:
    """Return the thirds of a clock minute in which there are calls, and the number of the first call of each."""
    thirds = at // _THIRD
    first = np.append(0, np.flatnonzero(thirds[1:] != thirds[:-1]) + 1)
    return thirds[first], first


def peaks(at: Array, asked: Array, thirds_with_first: tuple[Array, Array]) -> tuple[int, int]:
    """Return the largest sum over a clock minute, and over any 60 seconds `(t - 60 s, t]` that end at a call."""
    thirds, first = thirds_with_first
    sums = np.add.reduceat(asked, first, dtype=np.int64)
    so_far = np.concatenate([[0], np.cumsum(sums)])
    end = np.arange(1, len(thirds) + 1)
    minutes = np.flatnonzero(np.diff(thirds // 3, prepend=thirds[0] // 3 - 1))
    fixed = int(np.add.reduceat(sums, minutes).max())
    # Three thirds are a window's length, and four hold any that ends in the last: few can hold the fullest.
    at_least = so_far[end] - so_far[_reaching(thirds, 2)]
    at_most = so_far[end] - so_far[_reaching(thirds, 3)]
    rolling = int(at_least.max())
    can_win = np.flatnonzero(at_most > rolling)
    can_win = can_win[np.argsort(-at_most[can_win], kind="stable")]
    bounds, so_far = np.append(first, len(at)), np.zeros(len(at) + 1, np.int64)
    np.cumsum(asked, out=so_far[1:])
    some = _FEW
    while len(can_win) and at_most[can_win[0]] > rolling:
        own = _ranges(bounds[can_win[:some]], bounds[can_win[:some] + 1])
        before = np.searchsorted(at, at[own] - MINUTE, side="right")
        rolling = max(rolling, int((so_far[own + 1] - so_far[before]).max()))
        can_win, some = can_win[some:], some * _FEW
    return fixed, rolling


def _ranges(begins: Array, ends: Array) -> Array:
    """Return all numbers from each of *begins* to before its end."""
    lengths = ends - begins
    numbers: Array = np.arange(int(lengths.sum())) + np.repeat(begins - np.cumsum(lengths) + lengths, lengths)
    return numbers


def _reaching(thirds: Array, back: int) -> Array:
    """Return, for each third, the number of the first that has calls of it and the *back* thirds of time before it."""
    first = np.arange(len(thirds))
    for earlier in range(1, back + 1):
        first[earlier:] -= thirds[:-earlier] >= thirds[earlier:] - back
    return first
