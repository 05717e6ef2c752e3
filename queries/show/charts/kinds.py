"""The kinds of charts: rows and a plan → a chart."""

from typing import Any

import altair as alt
import polars as pl

from queries.show.charts import labels, parts, rows
from queries.show.charts.bars import bars
from queries.show.charts.curves import lines
from queries.show.charts.plan import Plan

_BAR, _WIDE_COLUMN = 24, 110
_LABELLED_COLUMNS = 12


def draw(frame: pl.DataFrame, plan: Plan, *, heading: str, subtitle: str) -> Any:
    """Draw *frame*, of which every row has what is to be drawn."""
    zones = {kind.time_zone for kind in frame.schema.values() if isinstance(kind, pl.Datetime) and kind.time_zone}
    kinds = {"bar": bars, "series": lines, "line": lines, "column": _column, "point": _point, "span": _span}
    drawn, note = kinds[plan.kind](rows.wall_times(frame), plan)
    has_times = plan.kind != "bar" or "about" in plan.columns
    zone = f"times in {zones.pop()}" if zones and has_times else ""
    return parts.styled(drawn, heading, [" · ".join(filter(None, (subtitle, note, zone)))])


def nothing(heading: str, subtitle: str) -> Any:
    """Draw that there is nothing to draw."""
    text = alt.Chart(alt.InlineData(values=[{"text": "no rows"}])).mark_text(fontSize=14, color=parts.GREY)
    sized = text.encode(text="text:N").properties(width=parts.WIDTH, height=parts.HEIGHT // 4)
    return parts.styled(sized, heading, [subtitle])


def _column(frame: pl.DataFrame, plan: Plan) -> tuple[Any, str]:
    moment, measure = plan.columns["x"][0], plan.columns["y"][0]
    columns = frame.select(x=moment, y=pl.col(measure).cast(pl.Float64), color=parts.text(plan, "color"))
    width = rows.step(columns["x"], moment, plan.each)
    each = plan.each or rows.spoken(width)
    times = rows.periods(columns, width, plan.each)
    note = f"the last {rows.MOST_COLUMNS} of {len(times):,}" if len(times) > rows.MOST_COLUMNS else ""
    times = times.tail(rows.MOST_COLUMNS)
    columns = columns.filter(pl.col("x") >= times.min()).sort("x", descending=True)
    form = parts.clock(times)
    columns = columns.with_columns(
        x=pl.col("x").dt.strftime(form), text=parts.written(measure, "y", frame.schema[measure])
    )
    totals = columns.group_by("x").agg(pl.col("y").sum())
    cut = parts.cut_at(totals["y"])
    columns = columns.with_columns(top=pl.min_horizontal("y", pl.lit(cut)))
    axis = parts.axis([measure], columns["top"], plan.whole)
    heading = f"{labels.title([measure], plan.unit)} of each {each}"
    shown = times.dt.strftime(form).to_list()
    scale = alt.Scale(domain=[0, cut]) if cut else alt.Undefined
    base = alt.Chart(parts.values(columns)).encode(
        x=alt.X(
            "x:O",
            title=None,
            scale=alt.Scale(domain=shown, paddingInner=0.15),
            axis=alt.Axis(labelAngle=0, labelOverlap="greedy", labelSeparation=8),
        ),
    )
    color = parts.color(columns["color"].unique(maintain_order=True).to_list(), parts.title(plan, "color"))
    drawn = [
        base.mark_bar(clip=True).encode(
            y=alt.Y("y:Q", title=heading, axis=axis, scale=scale),
            color=color,
            tooltip=[alt.Tooltip("x:N", title="from"), alt.Tooltip("text:N", title=heading)],
        )
    ]
    if len(shown) <= _LABELLED_COLUMNS and "color" not in plan.columns:
        text = base.mark_text(baseline="bottom", dy=-3, color=parts.INK)
        drawn.append(text.encode(y=alt.Y("top:Q", title=heading, axis=axis, scale=scale), text="text:N"))
    wide = alt.Step(_WIDE_COLUMN) if len(shown) * _WIDE_COLUMN < parts.WIDTH else parts.WIDTH
    said = parts.cut_note(cut, totals, measure, frame.schema[measure])
    return alt.layer(*drawn).properties(width=wide, height=parts.HEIGHT), " · ".join(filter(None, (note, said)))


def _point(frame: pl.DataFrame, plan: Plan) -> tuple[Any, str]:
    (measure,) = plan.columns["y"]
    size = plan.columns.get("size")
    points = frame.select(
        x=plan.columns["x"][0],
        y=pl.col(measure).cast(pl.Float64),
        color=parts.text(plan, "color"),
        shape=parts.text(plan, "shape"),
        facet=parts.text(plan, "facet"),
        size=pl.col(size[0]).cast(pl.Float64) if size else pl.lit(1.0),
        when=pl.col(plan.columns["x"][0]).dt.strftime("%Y-%m-%d %H:%M:%S"),
        text=parts.written(measure, measure, frame.schema[measure]),
    )
    points, note = rows.keep_first(points, rows.MOST_POINTS)
    points = rows.fold(points, pl.col("y").max())
    encoded: dict[str, Any] = {}
    if size:
        legend = alt.Legend(title=labels.title(size), labelExpr=labels.axis_text(size, points["size"]), tickCount=4)
        encoded["size"] = alt.Size("size:Q", legend=legend, scale=alt.Scale(range=[40, 700]))
    if "shape" in plan.columns and points["shape"].n_unique() > 1:
        shapes = alt.Legend(title=parts.title(plan, "shape"), labelLimit=parts.LONGEST_LABEL)
        encoded["shape"] = alt.Shape("shape:N", legend=shapes)
    axis = parts.axis([measure], points["y"], plan.whole)
    drawn = alt.Chart(parts.values(points)).mark_point(filled=True, opacity=0.75, size=90).encode(
        x=parts.time(points["x"], parts.title(plan, "x"), padding=24),
        y=alt.Y("y:Q", title=labels.title([measure], plan.unit), axis=axis),
        color=parts.color(points["color"].unique(maintain_order=True).to_list(), parts.title(plan, "color")),
        tooltip=parts.tooltip(points, plan),
        **encoded,
    )  # fmt: skip
    height = parts.HEIGHT // 2 if "facet" in plan.columns else parts.HEIGHT
    return parts.faceted(drawn.properties(width=parts.WIDTH, height=height), plan, points["facet"]), note


def _span(frame: pl.DataFrame, plan: Plan) -> tuple[Any, str]:
    begin, end = plan.columns["x"]
    spans = frame.select(
        parts.text(plan, "y"),
        parts.text(plan, "color"),
        x=pl.col(begin),
        x2=pl.col(end),
        when=pl.format("{} to {}", pl.col(begin).dt.strftime("%F %T"), pl.col(end).dt.strftime("%F %T")),
    )
    shown = spans["y"].unique(maintain_order=True)
    if "by" in plan.columns:
        (by,) = plan.columns["by"]
        sized = spans.with_columns(frame[by].cast(pl.Float64).alias(by))
        spans, note = rows.keep(sized, "y", pl.col(by).sum(), rows.MOST_BARS)
        note = note and f"{note} by {labels.title([by])}"
        kept = spans["y"].unique(maintain_order=True)
    else:
        kept = shown.head(rows.MOST_BARS)
        note = "" if kept.len() == shown.len() else f"the first {kept.len()} of {shown.len():,}"
    spans = rows.fold(spans.filter(pl.col("y").is_in(kept.implode())), pl.len())
    y = alt.Y("y:N", title=parts.title(plan, "y"), sort=kept.to_list(), axis=alt.Axis(labelLimit=parts.LONGEST_LABEL))
    times = pl.concat([spans["x"], spans["x2"]])
    drawn = alt.Chart(parts.values(spans)).mark_bar(height=12, cornerRadius=2, stroke="white", strokeWidth=1).encode(
        x=parts.time(times, "time"),
        x2="x2:T",
        y=y,
        color=parts.color(spans["color"].unique(maintain_order=True).to_list(), parts.title(plan, "color")),
        tooltip=[alt.Tooltip("y:N", title=parts.title(plan, "y")), alt.Tooltip("when:N", title="time")],
    )  # fmt: skip
    return drawn.properties(width=parts.WIDTH, height=alt.Step(_BAR)), note
