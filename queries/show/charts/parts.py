"""What charts are made of: axes, colours, tooltips. Columns are called by their channels, so any name is safe."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from parsers.values.messages import visible
from queries.show.charts import labels
from queries.show.charts.plan import Plan

COLORS = ["#0072b2", "#d55e00", "#009e73", "#b565a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c6d31"]
"""After Okabe and Ito, whose colours the colour-blind can tell apart too; neighbours differ most."""

INK, GREY, RED = "#1f2328", "#656d76", "#cf222e"
WIDTH, HEIGHT = 720, 340
LONGEST_LABEL = 480
_DAYS, _YEAR = dt.timedelta(days=2), dt.timedelta(days=730)
_OTHERS, _DWARFED, _ROOM_ABOVE, _NAMED = 2, 8, 1.6, 3
_MINUTES, _FEW_DAYS, _FEW_TICKS = dt.timedelta(minutes=10), 10, 10


def values(frame: pl.DataFrame) -> alt.InlineData:
    """Return rows as data of a chart: times as milliseconds, which need no parsing."""
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    return alt.InlineData(values=frame.with_columns(pl.col(times).dt.epoch("ms")).to_dicts())


def text(plan: Plan, channel: str) -> pl.Expr:
    """Return the first column of *channel* as text that is safe to show, unknown as the plan calls it."""
    if channel not in plan.columns:
        return pl.lit("").alias(channel)
    column = pl.col(plan.columns[channel][0]).cast(pl.String).fill_null(plan.none)
    return column.map_elements(visible, return_dtype=pl.String).alias(channel)


def title(plan: Plan, channel: str) -> str:
    """Return what the values of *channel* are."""
    return labels.words(plan.columns[channel][0]) if channel in plan.columns else ""


def color(names: Sequence[str], heading: str) -> Any:
    """Return the colours of *names*, with a legend when there are several."""
    if len(names) <= 1:
        return alt.ColorValue(COLORS[0])
    legend = alt.Legend(title=heading or None, labelLimit=LONGEST_LABEL, symbolLimit=0)
    palette = [COLORS[number % len(COLORS)] for number in range(len(names))]
    return alt.Color("color:N", scale=alt.Scale(domain=list(names), range=palette), legend=legend)


def written(name: str, column: str, kind: pl.DataType) -> pl.Expr:
    """Return *column* as tables write values of the column *name*, which are of *kind*."""
    return pl.col(column).cast(pl.Float64).map_elements(
        lambda value: labels.written(name, value, kind), return_dtype=pl.String
    )  # fmt: skip


def axis(names: Sequence[str], values: pl.Series, whole: Sequence[str]) -> alt.Axis:
    """Return the axis of the measures *names*; those that are *whole* numbers have no ticks between them."""
    largest = values.max()
    is_few = set(names) <= set(whole) and isinstance(largest, float) and largest <= _FEW_TICKS
    steps: dict[str, Any] = {"values": list(range(int(largest) + 1))} if is_few and isinstance(largest, float) else {}
    return alt.Axis(labelExpr=labels.axis_text(names, values), tickCount=6, **steps)


def clock(times: pl.Series) -> str:
    """Return how to write *times* so that they differ: no clock for days, no year within one."""
    years = times.dt.year().n_unique() > 1
    day = "%Y-%m-%d" if years else "%b %d"
    return day if is_days(times) else "%H:%M" if times.dt.date().n_unique() == 1 else f"{day} %H:%M"


def is_days(times: pl.Series) -> bool:
    """Whether all *times* are days."""
    return bool((times.dt.time() == dt.time()).all())


def time(times: pl.Series, heading: str, *, padding: int = 0) -> alt.X:
    """Return the axis of wall times, which a chart shows as UTC so that no zone moves them again."""
    begin, end = times.min(), times.max()
    if not isinstance(begin, dt.datetime) or not isinstance(end, dt.datetime):
        raise TypeError(f"{times.name} is not a column of times")
    span, form = end - begin, clock(times)
    form = "%Y-%m" if span > _YEAR else form.removesuffix(" %H:%M") if span > _DAYS else form
    if span < _MINUTES:
        form = "%H:%M:%S"
    moments = times.unique().sort()
    # Few days have a tick each, and none between them.
    ticks: dict[str, Any] = (
        {"values": moments.dt.epoch("ms").to_list()} if is_days(times) and moments.len() <= _FEW_DAYS else {}
    )
    axis = alt.Axis(format=form, tickCount=10 if form == "%H:%M" else 8, labelOverlap="greedy", **ticks)
    said = f"{heading}, {begin:%Y-%m-%d}" if times.dt.date().n_unique() == 1 else heading
    return alt.X("x:T", scale=alt.Scale(type="utc", padding=padding), axis=axis, title=said)


def tooltip(frame: pl.DataFrame, plan: Plan) -> list[alt.Tooltip]:
    """Return what a page shows of the point under the pointer."""
    said = {
        "when": labels.words(plan.columns["x"][0]),
        "color": title(plan, "color"),
        "shape": title(plan, "shape"),
        "text": labels.title(plan.columns["y"][:1], plan.unit),
    }
    return [alt.Tooltip(f"{name}:N", title=said[name]) for name in said if said[name] and name in frame.columns]


def cut_at(totals: pl.Series) -> float | None:
    """Return where to cut an axis so that few totals that dwarf all others don't flatten them; None: it needn't be.

    With three bars or more: there must be others to compare.
    """
    sizes = totals.drop_nulls().filter(totals.drop_nulls() > 0).sort(descending=True).to_list()
    for giants in range(1, max(len(sizes) // 4, 1) + 1):
        if len(sizes) - giants >= _OTHERS and sizes[giants - 1] > _DWARFED * sizes[giants]:
            return float(sizes[giants] * _ROOM_ABOVE)
    return None


def cut_note(cut: float | None, totals: pl.DataFrame, measure: str, kind: pl.DataType) -> str:
    """Return what to say of an axis that is cut: which of *totals*, a name and a size each, go how far beyond it."""
    if cut is None:
        return ""
    beyond = totals.filter(pl.nth(1) > cut).sort(pl.nth(1), descending=True)
    named = [f"{visible(str(name))} goes on to {labels.written(measure, size, kind)}" for name, size in beyond.rows()]
    more = f", and {len(named) - _NAMED:,} more go on" if len(named) > _NAMED else ""
    return f"axis cut: {', '.join(named[:_NAMED])}{more}"


def limits(frame: pl.DataFrame, plan: Plan) -> pl.Series | None:
    """Return the column of limits, if the plan names one."""
    return frame[plan.columns["limit"][0]] if "limit" in plan.columns else None


def limit(found: pl.Series | None, channel: str) -> list[alt.Chart]:
    """Return a line at the largest limit, if there is one that is not 0, across the axis of *channel*."""
    highest = None if found is None else found.max()
    if not isinstance(highest, int | float) or not highest:
        return []
    data = alt.InlineData(values=[{"at": highest, "text": f"limit {highest:,}"}])
    base = alt.Chart(data).encode(**{channel: "at:Q"})
    start = {"y" if channel == "x" else "x": alt.value(0)}
    line = base.mark_rule(color=RED, strokeDash=[6, 4])
    return [line, base.mark_text(align="left", dx=4, dy=-7, color=RED).encode(text="text:N", **start)]


def faceted(drawn: Any, plan: Plan, facets: pl.Series) -> Any:
    """Return *drawn* once for each value of the plan's facet, each with axes of its own."""
    if "facet" not in plan.columns:
        return drawn
    header = alt.Header(
        labelAngle=0,
        labelAlign="left",
        labelFontWeight="bold",
        labelLimit=LONGEST_LABEL,
        labelFontSize=12,
        labelOrient="top",
        labelAnchor="start",
    )
    rows = alt.Row("facet:N", title=None, header=header, sort=facets.unique(maintain_order=True).to_list())
    return drawn.facet(row=rows).resolve_scale(x="independent", y="independent")


def styled(drawn: Any, heading: str, lines: Sequence[str]) -> Any:
    """Return *drawn* with its title and our looks; opaque, so that it can be read on a dark page as well."""
    said = [line for line in lines if line]
    top = alt.TitleParams(heading, subtitle=said) if said else alt.TitleParams(heading)
    words = {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titleColor": GREY,
        "labelColor": INK,
    }
    return (
        drawn.properties(title=top, background="white", padding=16)
        .configure(font="sans-serif")
        .configure_view(stroke=None)
        .configure_title(anchor="start", fontSize=16, color=INK, subtitleColor=GREY, subtitleFontSize=12, offset=14)
        .configure_axis(**words, gridColor="#eaeef2", maxExtent=2 * LONGEST_LABEL, domainColor=GREY, tickColor=GREY)
        .configure_legend(**words, offset=24)
        .configure_text(fontSize=11)
    )
