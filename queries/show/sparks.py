"""Small pictures in the tables of a terminal: a bar beside the measure, and a line of blocks for what goes over time.

They draw what the report's `Chart:` line names, in ASCII where the terminal knows nothing else.
"""

from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING

from parsers.values.messages import visible
from queries.answers.answer_rows import is_whole
from queries.answers.reports import Answer
from queries.errors import QueryError
from queries.show.cells import cell
from queries.show.charts.plan import Plan, read

if TYPE_CHECKING:
    import polars as pl

_BAR = 8
_MOST_LINES = 6
_WIDEST_LABEL = 24
_WIDEST = 72
_NARROWEST = 10
_FEWEST_TIMES = 3


@dataclass(frozen=True)
class Glyphs:
    """What can be drawn with: levels of a line, full and empty parts of a bar, and parts of a full one."""

    levels: str
    full: str
    empty: str
    parts: str = ""


BLOCKS = Glyphs("▁▂▃▄▅▆▇█", "█", "·", "▏▎▍▌▋▊▉")
ASCII = Glyphs("_.-:=+*#", "#", ".")


def share(value: float, glyphs: Glyphs) -> str:
    """Return a part of a whole as a bar."""
    filled = round(min(max(value, 0), 1) * _BAR)
    return glyphs.full * filled + glyphs.empty * (_BAR - filled)


def bars(answer: Answer, rows: int, glyphs: Glyphs) -> tuple[str, list[str]]:
    """Return the column that gets bars, and those of the first *rows*; no column where there is nothing to compare."""
    plan = _plan(answer)
    if plan is None or "facet" in plan.columns or plan.kind in {"span", "point"}:
        return "", []
    (name, *_) = plan.columns["x" if plan.kind == "bar" else "y"]
    values = [None if value is None or not isfinite(value) else float(value) for value in answer.rows.column(name)]
    most = max((value for value in values if value is not None), default=0)
    if name.endswith("share") or len(values) < 2 or not most > 0:  # noqa: PLR2004 # a line
        return "", []
    return name, [
        "" if value is None else _bar(value / most, glyphs).ljust(_BAR, glyphs.empty) for value in values[:rows]
    ]


def lines(answer: Answer, width: int, glyphs: Glyphs) -> list[str]:
    """Return a line for each of the largest colors of a picture over time: its shape, and its peak."""
    plan = _plan(answer)
    if plan is None or plan.kind not in {"series", "line", "column"}:
        return []
    import polars as pl  # a tenth of a second, for a picture over time

    (at, *_), (measure, *_) = plan.columns["x"], plan.columns["y"]
    color = pl.col(plan.columns["color"][0]).cast(pl.String) if "color" in plan.columns else pl.lit(measure)
    frame = answer.frame.select(at=at, value=pl.col(measure).cast(pl.Float64), name=color.fill_null(plan.none))
    frame = frame.drop_nulls().filter(pl.col("value").is_finite())
    times = frame["at"].unique().sort()
    if len(times) < _FEWEST_TIMES:
        return []
    sums = frame.group_by("name").agg(pl.col("value").max()).sort(["value", "name"], descending=[True, False])
    names = sums.filter(pl.col("value") > 0).head(_MOST_LINES)["name"].to_list()
    labels = [visible(name)[:_WIDEST_LABEL] for name in names]
    notes = [_peak(answer.rows.kinds[measure], measure, frame.filter(name=name)) for name in names]
    room = min(_WIDEST, width - max(map(len, labels), default=0) - max(map(len, notes), default=0) - 4)
    since = times.to_physical() - times.to_physical()[0]
    slots = min(room, int(since[-1] // since.diff().drop_nulls().min()) + 1)
    if room < _NARROWEST:
        return []
    numbered = frame.with_columns(slot=(pl.col("at").to_physical() - times.to_physical()[0]) * slots // (since[-1] + 1))
    drawn = [_line(numbered.filter(name=name), slots, glyphs) for name in names]
    longest = max(map(len, labels), default=0)
    return [f"{label:<{longest}}  {line}  {note}" for label, line, note in zip(labels, drawn, notes, strict=True)]


def drawn(answer: Answer) -> list[str]:
    """Return the columns that the report's picture shows, its measures first: they are what it is asked for."""
    plan = _plan(answer)
    channels = ("x", "y", "color", "facet", "limit", "shape", "size")
    return [name for channel in channels for name in plan.columns.get(channel, [])] if plan else []


def _plan(answer: Answer) -> Plan | None:
    try:
        return read(answer)
    except QueryError:
        return None  # a table needs no picture


def _bar(part: float, glyphs: Glyphs) -> str:
    if part <= 0:
        return ""
    if not glyphs.parts:
        return glyphs.full * max(round(part * _BAR), 1)
    finest = len(glyphs.parts) + 1
    full, rest = divmod(max(round(part * _BAR * finest), 1), finest)
    return glyphs.full * full + (glyphs.parts[rest - 1] if rest else "")


def _line(frame: "pl.DataFrame", slots: int, glyphs: Glyphs) -> str:
    """Draw the largest value of each slot of time; nothing where there is none."""
    peaks = dict(frame.select("slot", "value").sort("value").rows())  # the largest of a slot comes last
    most, top = max(peaks.values()), len(glyphs.levels)
    heights = [peaks.get(slot, 0) / most for slot in range(slots)]
    return "".join(glyphs.levels[min(int(height * top), top - 1)] if height > 0 else " " for height in heights)


def _peak(kind: str, name: str, frame: "pl.DataFrame") -> str:
    value, at = frame.sort(["value", "at"], descending=[True, False]).select("value", "at").row(0)
    shown = cell(name, int(value) if is_whole(kind) else value)
    return f"peak {shown} at {_moment(at)}"


def _moment(at: date) -> str:
    text = cell("at", at)
    return text.removesuffix(" 00:00:00").removesuffix(":00")
