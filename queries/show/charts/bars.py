"""Bars: a ranking, each bar divided, or several measures side by side."""

from typing import Any

import altair as alt
import polars as pl

from queries.show.charts import labels, parts, rows
from queries.show.charts.plan import Plan

_BAR, _THIN_BAR = 24, 13
_ROOM = 1.09


def bars(frame: pl.DataFrame, plan: Plan) -> tuple[Any, str]:
    """Draw a bar for each `y`, divided by `color`, or one for each measure; return it and what it leaves out."""
    measures, beside = plan.columns["x"], len(plan.columns["x"]) > 1
    found = pl.concat(
        frame.select(
            parts.text(plan, "y"),
            parts.text(plan, "facet"),
            pl.lit(labels.words(name)).alias("color") if beside else parts.text(plan, "color"),
            x=pl.col(name).cast(pl.Float64),
            limit=pl.col(plan.columns["limit"][0]).cast(pl.Float64) if "limit" in plan.columns else None,
            text=parts.written(name, name, frame.schema[name]),
        )
        for name in measures
    ).drop_nulls("x")
    found, note = rows.keep(found, "y", pl.col("x").sum(), rows.MOST_BARS)
    if not beside:
        found = rows.fold(found, pl.col("x").sum())
    if not beside and "facet" not in plan.columns:
        found = found.sort(pl.col("x").sum().over("y"), descending=True, maintain_order=True)
    group = [pl.col(name) for name in ("y", "facet", *(["color"] if beside else []))]
    said = parts.written(measures[0], "total", frame.schema[measures[0]])
    is_first = pl.int_range(pl.len()).over(group) == 0
    found = found.with_columns(total=pl.col("x").sum().over(group))
    found = found.with_columns(said=pl.when(is_first).then(said).otherwise(pl.lit("")))
    limits = parts.limits(frame, plan)
    totals = found.group_by(group).agg(pl.col("x").sum()).select("y", "x")
    cut = None if "facet" in plan.columns or limits is not None else parts.cut_at(totals["x"])
    found = found.with_columns(end=pl.min_horizontal("total", pl.lit(cut)))
    beyond = parts.cut_note(cut, totals, measures[0], frame.schema[measures[0]])
    return _drawn(found, plan, limits), " · ".join(filter(None, (note, beyond)))


def _drawn(found: pl.DataFrame, plan: Plan, limits: pl.Series | None) -> Any:
    measures, beside = plan.columns["x"], len(plan.columns["x"]) > 1
    colors = [labels.words(name) for name in measures] if beside else _by_size(found)
    found = found.with_columns(rank=pl.col("color").replace_strict(colors, range(len(colors)), return_dtype=pl.Int64))
    names = {"y": parts.title(plan, "y"), "color": "" if beside else parts.title(plan, "color")}
    order = found["y"].unique(maintain_order=True).to_list()
    y = alt.Y("y:N", title=names["y"], sort=order, axis=alt.Axis(labelLimit=parts.LONGEST_LABEL))
    offset: dict[str, Any] = {"yOffset": alt.YOffset("color:N", sort=colors)} if beside else {}
    base = alt.Chart(parts.values(found)).encode(y=y, **offset)
    axis = parts.axis(measures, found["end"], plan.whole)
    # Room for the numbers at the ends of the bars. Facets have a scale each, so there the legend has to keep away.
    scale = alt.Undefined if "facet" in plan.columns else alt.Scale(domainMax=_room(found["end"], limits))
    x: dict[str, Any] = {"axis": axis, "title": labels.title(measures, plan.unit), "scale": scale}
    tips = [alt.Tooltip(f"{channel}:N", title=name) for channel, name in names.items() if name]
    drawn = base.mark_bar(stroke="white", strokeWidth=0.7, clip=True).encode(
        x=alt.X("x:Q", stack=None if beside else "zero", **x),
        color=parts.color(colors, names["color"]),
        order=[alt.Order("rank:Q"), alt.Order("x:Q", sort="descending")],
        tooltip=[*tips, alt.Tooltip("text:N", title=x["title"])],
    )
    said = [base.transform_filter("datum.total <= datum.end").mark_text(align="left", dx=4, color=parts.INK)]
    # The bar that goes on beyond the axis has its number inside.
    said.append(base.transform_filter("datum.total > datum.end").mark_text(align="right", dx=12, color="white"))
    totals = [text.encode(x=alt.X("end:Q", **x), text="said:N") for text in said]
    layers = alt.layer(drawn, *totals, *_limits(found, base, x, limits))
    sized = layers.properties(width=parts.WIDTH, height=alt.Step(_THIN_BAR if beside else _BAR))
    return parts.faceted(sized, plan, found["facet"])


def _limits(found: pl.DataFrame, base: alt.Chart, x: dict[str, Any], limits: pl.Series | None) -> list[alt.Chart]:
    """Return a line at the limit of all bars, or a mark at that of each, where they differ or have pictures apart."""
    if limits is None or (found["facet"].n_unique() == 1 and limits.drop_nulls().n_unique() <= 1):
        return parts.limit(limits, "x")
    mark = base.mark_tick(color=parts.RED, thickness=2.5, size=_BAR)
    return [mark.encode(x=alt.X("limit:Q", **x), tooltip=[alt.Tooltip("limit:Q", title="limit", format=",")])]


def _room(totals: pl.Series, limits: pl.Series | None) -> float:
    largest = [column.cast(pl.Float64).max() for column in (totals, limits) if column is not None]
    # All zeros make an axis as well.
    return max(*(size for size in largest if isinstance(size, float)), 1e-6, 0) * _ROOM


def _by_size(found: pl.DataFrame) -> list[str]:
    """Return the colours, the largest first, and `others` last."""
    sizes = found.group_by("color", maintain_order=True).agg(pl.col("x").sum())
    others = pl.col("color") == "others"
    return sizes.sort(others, "x", descending=[False, True], maintain_order=True)["color"].to_list()
