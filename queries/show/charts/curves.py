"""Lines over time: a series with its peaks marked and its empty minutes as zeros, or a line as it is."""

from dataclasses import replace
from typing import Any

import altair as alt
import polars as pl

from queries.show.charts import labels, parts, rows
from queries.show.charts.bars import bars
from queries.show.charts.plan import Plan

_FEW = 60
_LABELLED_PEAKS = 5
_LEFT = 0.25
_DWARFED = 8
_NEAR_X, _NEAR_Y = 0.16, 0.05


def lines(frame: pl.DataFrame, plan: Plan) -> tuple[Any, str]:
    """Draw `y` over the times `x`, a line for each `color`; return the chart and what it leaves out."""
    moment, measure = plan.columns["x"][0], plan.columns["y"][0]
    if plan.kind == "line" and frame[moment].n_unique() == 1:
        # A line of one point says nothing; bars do.
        columns = {"y": plan.columns.get("color", [moment]), "x": [measure], "limit": plan.columns.get("limit", [])}
        return bars(frame, replace(plan, kind="bar", columns={name: found for name, found in columns.items() if found}))
    points = frame.select(x=moment, y=pl.col(measure).cast(pl.Float64), color=parts.text(plan, "color"))
    points, few_lines = rows.keep(points, "color", pl.col("y").max(), rows.MOST_COLORS)
    peaks = points.sort("y", "x", descending=[True, False]).unique("color", keep="first", maintain_order=True)
    grain = rows.step(points["x"], moment, plan.each)
    span = rows.span_to_thin(points["x"], grain)
    if plan.kind == "line" and points.height <= rows.MOST_POINTS:
        span = None
    if span:
        points = rows.thin(points, span)
    if plan.kind == "series":
        points = rows.filled(points, span or grain)
        marks = peaks.with_columns(shown=pl.col("x").dt.truncate(rows.every(span)) if span else "x")
        drawn = _series(points, marks, plan, frame.schema[measure], plan.each or rows.spoken(grain))
    else:
        drawn = _line(points, peaks["color"].to_list(), plan, frame.schema[measure], "")
    drawn += parts.limit(parts.limits(frame, plan), "y")
    thinned = f"the largest of each {rows.spoken(span)}" if span else ""
    sized = alt.layer(*drawn).properties(width=parts.WIDTH, height=parts.HEIGHT)
    return sized, " · ".join(filter(None, (few_lines, thinned)))


def _line(points: pl.DataFrame, colors: list[str], plan: Plan, kind: pl.DataType, each: str) -> list[Any]:
    measure = plan.columns["y"][0]
    said = points.with_columns(when=pl.col("x").dt.strftime("%F %T"), text=parts.written(measure, "y", kind))
    straight = plan.kind == "series" or parts.is_days(points["x"])
    mark = alt.Chart(parts.values(said)).mark_line(
        strokeWidth=1.6,
        strokeJoin="round",
        interpolate="linear" if straight else "step-after",
        point=points.height <= _FEW,
    )
    heading = labels.title([measure], plan.unit) + (f" of each {each}" if each else "")
    scale, kind_of_scale = _scale(points)
    heading += kind_of_scale
    drawn = mark.encode(
        x=parts.time(points["x"], parts.title(plan, "x")),
        y=alt.Y("y:Q", title=heading, scale=scale, axis=parts.axis([measure], points["y"], plan.whole)),
        color=parts.color(colors, parts.title(plan, "color")),
        tooltip=parts.tooltip(said, plan),
    )
    return [drawn]


def _are_apart(marks: pl.DataFrame) -> list[bool]:
    """Return which of *marks* have room for words beside those before them."""
    times, sizes = marks["x"].dt.epoch("us").to_list(), marks["y"].to_list()
    wide, high = max(max(times) - min(times), 1), max([*sizes, 1e-9])
    kept: list[tuple[float, float]] = []
    found = []
    for time, size in zip(times, sizes, strict=True):
        x, y = time / wide, size / high
        found.append(all(abs(x - x2) > _NEAR_X or abs(y - y2) > _NEAR_Y for x2, y2 in kept))
        kept += [(x, y)] * found[-1]
    return found


def _scale(points: pl.DataFrame) -> tuple[Any, str]:
    """Return a scale of logarithms, and say so, where one line would flatten most of the others to the bottom."""
    peaks = points.group_by("color").agg(pl.col("y").max())["y"].drop_nulls().sort(descending=True).to_list()
    small = peaks[len(peaks) // 2] if peaks else 0
    if small <= 0 or peaks[0] <= _DWARFED * small:
        return alt.Undefined, ""
    return alt.Scale(type="symlog", constant=small / 10), " (log scale)"


def _series(points: pl.DataFrame, peaks: pl.DataFrame, plan: Plan, kind: pl.DataType, grain: str) -> list[Any]:
    """Mark the largest value of each line, and write it beside the mark, on the side that has room."""
    (line,) = _line(points, peaks["color"].to_list(), plan, kind, grain)
    moment = pl.col("x").dt.strftime(parts.clock(peaks["x"]))
    begin, end = points["x"].min(), points["x"].max()
    is_left = pl.col("x") <= pl.lit(begin) + (pl.lit(end) - pl.lit(begin)) * _LEFT
    marks = peaks.with_columns(text=pl.format("{} at {}", parts.written(plan.columns["y"][0], "y", kind), moment))
    marks = marks.with_columns(x="shown").drop("shown").with_columns(is_left=is_left)
    labelled = marks.filter(pl.Series(_are_apart(marks), dtype=pl.Boolean)).head(_LABELLED_PEAKS)
    encoded = {"x": line.encoding.x, "y": line.encoding.y, "color": line.encoding.color}
    drawn = [line, alt.Chart(parts.values(marks)).mark_point(filled=True, size=70, opacity=1).encode(**encoded)]
    for align, dx, found in (("left", 9, pl.col("is_left")), ("right", -9, ~pl.col("is_left"))):
        words = alt.Chart(parts.values(labelled.filter(found)))
        place: dict[str, Any] = {"align": align, "dx": dx, "dy": -6, "fontWeight": "bold"}
        # White behind the words, so that lines don't cross them.
        halo = words.mark_text(**place, stroke="white", strokeWidth=4, strokeJoin="round", opacity=0.85)
        drawn.append(halo.encode(x=encoded["x"], y=encoded["y"], text="text:N"))
        drawn.append(words.mark_text(**place).encode(**encoded, text="text:N"))
    return drawn
