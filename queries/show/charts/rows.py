"""The rows of an answer → the few that a picture can hold: the largest, thinned without losing a peak, zeros filled in.

Times become wall times of their zone, which charts then show as if they were UTC: the same picture wherever it is
looked at. An hour that a clock shows twice is drawn over itself.
"""

from datetime import datetime, timedelta

import polars as pl

MOST_BARS = 30
MOST_COLORS = 8
MOST_COLUMNS = 366
MOST_POINTS = 2_000
_MOST_TIMES = 600
_SECOND, _MINUTE, _HOUR, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_MONTH = timedelta(days=28)
_NAMED = {"minute": _MINUTE, "hour": _HOUR, "day": _DAY, "week": _DAY * 7, "month": _MONTH}
_SPANS = [
    _SECOND,
    *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * n for n in (1, 2, 3, 6, 12)),
    *(_DAY * n for n in (1, 2, 7, 14, 28, 91, 364, 3640)),
]


def wall_times(frame: pl.DataFrame) -> pl.DataFrame:
    """Return *frame* with each time as its clock shows it."""
    return frame.with_columns(
        pl.col(name).cast(pl.Datetime("us")) if kind == pl.Date else pl.col(name).dt.replace_time_zone(None)
        for name, kind in frame.schema.items()
        if isinstance(kind, pl.Datetime | pl.Date)
    )


def keep(frame: pl.DataFrame, column: str, by: pl.Expr, most: int) -> tuple[pl.DataFrame, str]:
    """Keep the *most* values of *column* that are largest by the aggregate *by*, and say so if that are not all."""
    groups = frame.group_by(column, maintain_order=True).agg(by.alias("_by"))
    if groups.height <= most:
        return frame, ""
    kept = groups.sort("_by", descending=True, nulls_last=True, maintain_order=True).head(most)[column]
    return frame.filter(pl.col(column).is_in(kept.implode())), f"the largest {most} of {groups.height:,}"


def keep_first(frame: pl.DataFrame, most: int) -> tuple[pl.DataFrame, str]:
    """Keep the first *most* rows, and say so if that are not all."""
    return frame.head(most), "" if frame.height <= most else f"the first {most:,} of {frame.height:,}"


def fold(frame: pl.DataFrame, by: pl.Expr) -> pl.DataFrame:
    """Call all but the largest values of `color` by the aggregate *by* one: others. The parts still make the whole."""
    ranked = frame.group_by("color", maintain_order=True).agg(by.alias("_by"))
    if ranked.height <= MOST_COLORS:
        return frame
    kept = ranked.sort("_by", descending=True, maintain_order=True).head(MOST_COLORS - 1)["color"]
    named = pl.col("color").is_in(kept.implode())
    return frame.with_columns(pl.when(named).then("color").otherwise(pl.lit("others")).alias("color"))


def step(times: pl.Series, name: str, each: str = "") -> timedelta:
    """Return what each time stands for: *each*, or what its column *name* says, else the smallest distance of two.

    Of a single time it is the day, hour or minute that it begins.
    """
    if said := _NAMED.get(each) or _NAMED.get(name):
        return said
    gap = times.unique().sort().diff().drop_nulls().min()
    if isinstance(gap, timedelta):
        return gap
    only = times[0]
    return _DAY if only.hour == only.minute == 0 else _HOUR if only.minute == 0 else _MINUTE


def span_to_thin(times: pl.Series, grain: timedelta) -> timedelta | None:
    """Return the span to take together so that *times* fit a picture; None when they fit as they are."""
    total = _moment(times.max()) - _moment(times.min())
    if total / grain <= _MOST_TIMES:
        return None
    return next((span for span in _SPANS if total / span <= _MOST_TIMES), _SPANS[-1])


def thin(frame: pl.DataFrame, span: timedelta) -> pl.DataFrame:
    """Return the largest `y` of each *span* of `x` and each `color`."""
    spans = frame.group_by(pl.col("x").dt.truncate(every(span)), "color").agg(pl.col("y").max())
    return spans.sort("color", "x")


def filled(frame: pl.DataFrame, span: timedelta) -> pl.DataFrame:
    """Return *frame* with a zero for each `color` and each *span* between its first and last `x` without a row."""
    begin, end = _moment(frame["x"].min()), _moment(frame["x"].max())
    grid = pl.datetime_range(begin, end, every(span), eager=True, time_unit="us").alias("x")
    times = pl.concat([grid, frame["x"].cast(pl.Datetime("us"))]).unique().to_frame()
    rows = frame.with_columns(pl.col("x").cast(pl.Datetime("us"))).group_by("x", "color").agg(pl.col("y").max())
    grown = times.join(frame.select("color").unique(), how="cross").join(rows, on=["x", "color"], how="left")
    return grown.with_columns(pl.col("y").fill_null(0)).sort("color", "x")


def periods(frame: pl.DataFrame, span: timedelta, each: str) -> pl.Series:
    """Return all times `x` of *frame*, and those between that have no row, where it is known what lies between."""
    times = frame["x"].cast(pl.Datetime("us")).unique()
    if each and each not in _NAMED:
        return times.sort()
    between = _CALENDAR.get(each) or ("" if span >= _MONTH else every(span))
    if between:
        grid = pl.datetime_range(_moment(times.min()), _moment(times.max()), between, eager=True)
        times = pl.concat([times, grid]).unique()
    return times.sort()


_CALENDAR = {"month": "1mo", "week": "1w"}


def every(span: timedelta) -> str:
    """Return *span* as Polars says it."""
    return f"{span // _DAY}d" if span % _DAY == timedelta() else f"{round(span.total_seconds())}s"


def spoken(span: timedelta) -> str:
    """Return *span* as people say it."""
    if _MONTH <= span <= timedelta(days=31):
        return "month"
    for size, name in (
        (timedelta(days=7), "week"),
        (_DAY, "day"),
        (_HOUR, "hour"),
        (_MINUTE, "minute"),
        (_SECOND, "second"),
    ):
        if span >= size and span % size == timedelta():
            number = span // size
            return name if number == 1 else f"{number} {name}s"
    return str(span)


def _moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is not a time")
    return value
