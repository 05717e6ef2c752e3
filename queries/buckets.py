"""A token bucket over calls: how long they would have waited at a limit, and the smallest limit at which they wouldn't.

The bucket holds as many tokens as the limit and refills at the limit per minute; calls queue in order. With
`D` the sum of what was asked for so far, the backlog after call i is `D_i - r t_i` less the least of all earlier
`D_{k-1} - r t_k`, its own included, and the call waits for what exceeds the capacity. Everything is counted in
integers, so that limits are exact.
"""

import polars as pl

_MINUTE = 60_000_000
_SAFE = 1 << 62
_AT, _ASKED, _SUM = pl.col("at"), pl.col("asked"), pl.col("sum")


def in_order(frame: pl.DataFrame, asked: pl.Expr) -> pl.DataFrame:
    """Return calls in order of time: instants in microseconds, what each asks for, and the sum so far."""
    return frame.select("at", asked=asked).sort("at", maintain_order=True).with_columns(sum=_ASKED.cum_sum())


def peaks(calls: pl.DataFrame) -> tuple[int, int]:
    """Return the largest sum over a clock minute, and over any 60 seconds `(t - 60 s, t]`."""
    minutes = calls.group_by(at=_AT // _MINUTE).agg(_ASKED.sum()).sort("at")
    fixed: int = minutes.select(_ASKED.max()).item()
    # A window lies in two neighbouring minutes, so only pairs that hold more than the fullest minute can beat it.
    before = pl.when(_AT - _AT.shift(1) == 1).then(_ASKED.shift(1)).otherwise(0)
    crowded = minutes.filter(_ASKED + before >= fixed)["at"]
    near = calls.filter((_AT // _MINUTE).is_in(pl.concat([crowded, crowded - 1]).unique().implode()))
    sums = near.select(so_far=_ASKED.cum_sum())["so_far"]
    first = near["at"].search_sorted(near["at"] - _MINUTE, side="right")
    windows = pl.DataFrame({"window": sums - sums.gather(first) + near["asked"].gather(first)})
    return fixed, windows.select(pl.col("window").max()).item()


def backlogs(calls: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Add `owed`: what is owed right after each call asked, in tokens times a minute's microseconds."""
    last = calls.select(_SUM.last(), at=_AT.last() - _AT.first()).row(0, named=True)
    kind = pl.Int64 if max(last["sum"] * _MINUTE, last["at"] * limit) < _SAFE else pl.Int128
    asked = _SUM.cast(kind) * _MINUTE - (_AT - _AT.first()).cast(kind) * limit
    return calls.with_columns(owed=asked - (asked - _ASKED.cast(kind) * _MINUTE).cum_min())


def waits(calls: pl.DataFrame, limit: int) -> pl.Series:
    """Return how many seconds each call would have waited at *limit*, those that would not have left out."""
    excess = pl.col("owed") - limit * _MINUTE
    return backlogs(calls, limit).filter(excess > 0).select(wait=excess / limit / 1e6)["wait"]


def smallest_limit(calls: pl.DataFrame, *, may_wait: int, at_most: int, more_than: int = 0) -> int:
    """Return the smallest limit at which no more than *may_wait* calls wait; at *at_most* none does.

    *more_than* is a limit known to be too small: only the busy periods in which calls wait at it are looked at.
    """
    low, high = more_than, at_most
    if low:
        calls = _still_of_interest(backlogs(calls, low), pl.col("owed") > low * _MINUTE)
    while high - low > 1:
        middle = (low + high) // 2
        owed = backlogs(calls, middle)
        waiting = pl.col("owed") > middle * _MINUTE
        if owed.select(waiting.sum()).item() > may_wait:
            low = middle
            calls = _still_of_interest(owed, waiting)
        else:
            high = middle
    return high


def _still_of_interest(owed: pl.DataFrame, waiting: pl.Expr) -> pl.DataFrame:
    """Leave out the busy periods in which no call waits: none will at a higher limit.

    The sums stay those over all calls, so what lies between two periods that are left still counts.
    """
    period = (pl.col("owed") == _ASKED.cast(owed.schema["owed"]) * _MINUTE).cum_sum()
    numbered = owed.with_columns(period=period, waiting=waiting)
    crowded = numbered.filter("waiting")["period"].unique()
    return numbered.filter(pl.col("period").is_in(crowded.implode())).select("at", "asked", "sum")
