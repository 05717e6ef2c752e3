"""A token bucket over calls: how long they would have waited at a limit, and the smallest limit at which they wouldn't.

The bucket holds as many tokens as the limit and refills at the limit per minute; calls queue in order. With
`D` the sum of what was asked for so far, the backlog after call i is `D_i - r t_i - min over k <= i of (D_{k-1} - r t_k)`,
and the call waits for what exceeds the capacity. Everything is counted in integers, so that limits are exact.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_MINUTE = 60_000_000
_SAFE = 1 << 62


@dataclass(frozen=True)
class Calls:
    """Calls in order of time: instants in microseconds from the first, what each asks for, and the sum so far."""

    instants: Ints
    amounts: Ints
    sums: Ints

    @classmethod
    def of(cls, instants: Ints, amounts: Ints) -> "Calls":
        """Put calls in order."""
        if np.any(instants[1:] < instants[:-1]):
            order = np.argsort(instants, kind="stable")
            instants, amounts = instants[order], amounts[order]
        return cls(instants - instants[0], amounts, np.cumsum(amounts))

    def only(self, kept: npt.NDArray[np.bool_]) -> "Calls":
        """Return the *kept* calls, without summing up again what lies between them."""
        return Calls(self.instants[kept], self.amounts[kept], self.sums[kept])


def fixed_peak(instants: Ints, amounts: Ints) -> int:
    """Return the largest sum over a clock minute."""
    if np.any(instants[1:] < instants[:-1]):
        order = np.argsort(instants, kind="stable")
        instants, amounts = instants[order], amounts[order]
    minutes = instants // _MINUTE
    starts = np.flatnonzero(np.diff(minutes, prepend=minutes[0] - 1))
    return int(np.add.reduceat(amounts, starts).max())


def rolling_peak(calls: Calls) -> int:
    """Return the largest sum over 60 seconds `(t - 60 s, t]`."""
    before = np.searchsorted(calls.instants, calls.instants - _MINUTE, side="right")
    return int((calls.sums - calls.sums[before] + calls.amounts[before]).max())


def backlogs(calls: Calls, limit: int) -> npt.NDArray[Any]:
    """Return what is owed right after each call asked, in tokens times a minute's microseconds."""
    # Numbers that don't fit 64 bits lose their last digits in extended floats; they are then 10^18 and more.
    exact = int(calls.sums[-1]) * _MINUTE < _SAFE and int(calls.instants[-1]) * limit < _SAFE
    kind = np.int64 if exact else np.longdouble
    owed = calls.sums.astype(kind) * _MINUTE - calls.instants.astype(kind) * limit
    result: npt.NDArray[Any] = owed - np.minimum.accumulate(owed - calls.amounts.astype(kind) * _MINUTE)
    return result


def waits(calls: Calls, limit: int) -> npt.NDArray[np.float64]:
    """Return how many seconds each call would have waited at *limit*, those that would not have left out."""
    excess = backlogs(calls, limit) - limit * _MINUTE
    return (excess[excess > 0] / limit / 1e6).astype(np.float64)


def smallest_limit(calls: Calls, *, may_wait: int, at_most: int) -> int:
    """Return the smallest limit at which no more than *may_wait* calls wait; at *at_most* none does."""
    low, high = 0, at_most
    while high - low > 1:
        middle = (low + high) // 2
        owed = backlogs(calls, middle)
        waiting = owed > middle * _MINUTE
        if int(waiting.sum()) > may_wait:
            low = middle
            calls = _still_of_interest(calls, owed, waiting)
        else:
            high = middle
    return high


def _still_of_interest(calls: Calls, owed: npt.NDArray[Any], waiting: npt.NDArray[np.bool_]) -> Calls:
    """Leave out the busy periods in which no call waits: none will at a higher limit."""
    period = np.cumsum(owed == calls.amounts * _MINUTE) - 1
    crowded = np.zeros(int(period[-1]) + 1, dtype=np.bool_)
    crowded[period[waiting]] = True
    return calls.only(crowded[period])
