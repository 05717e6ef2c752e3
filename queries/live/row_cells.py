"""A row → the cells of the screen at a width: what decides is kept at 80 columns, what explains comes with more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.text import Text

from parsers.values.messages import visible
from queries.show.cells import cell
from queries.show.sparks import BLOCKS, share

Row = Mapping[str, Any]
Cells = list[str | Text]

WIDE, WIDER, WIDEST = 102, 130, 172
"""Widths from which there is a short line of the last hour, the day's peak, and a line with each minute."""

_NEAR, _CROSSED = 0.8, 1.0
_MINUTES = 60
_ROUNDED, _LONG = 0.9995, 999.5
"""From where three digits of a number are those of the next unit, or more than three."""


def model_columns(width: int) -> list[str]:
    """Return the columns of the models that fit into *width*."""
    columns = ["model", "counts", "60 s", "limit", "headroom", "used", "today"]
    if width >= WIDER:
        columns += ["peak", "at"]
    return [*columns, "last hour"] if width >= WIDE else columns


def model_cells(row: Row, width: int, zone: ZoneInfo) -> Cells:
    """Return a model's tokens of 60 seconds against its limit, and against the highest peak where none is known."""
    part, known = row["share"], row["limit_a_minute"] is not None
    style = "red" if known and part >= _CROSSED else "yellow" if known and part >= _NEAR else ""
    limit = short(row["limit_a_minute"]) if known else f"({short(row['peak'])})"
    room = short(max(row["headroom"], 0)) if known else "–"
    cells: Cells = [
        cut(row["model"], 22 if width < WIDER else 32),
        row["counts"],
        Text(short(row["used"]), style, justify="right"),
        Text(limit, "" if known else "dim", justify="right"),
        Text(room, style, justify="right"),
        Text(f"{share(part or 0, BLOCKS)} {part or 0:4.0%}", style),
        Text(cell("cost_usd", row["cost_usd"]), justify="right"),
    ]
    if width >= WIDER:
        cells += [Text(short(row["peak_today"]), justify="right"), clock(row["peak_today_minute"], zone)]
    return [*cells, spark(row["hour"] or [], _MINUTES if width >= WIDEST else 20)] if width >= WIDE else cells


def spark(minutes: Sequence[Row], slots: int = _MINUTES) -> str:
    """Return the minutes of an hour as levels, of several in a slot the fullest; nothing where there was nothing."""
    known: dict[int, int] = {}
    for each in minutes:
        slot = each["minute"] * slots // _MINUTES
        known[slot] = max(known.get(slot, 0), each["amount"])
    most, top = max(known.values(), default=0) or 1, len(BLOCKS.levels)
    heights = [known.get(slot, 0) / most for slot in range(slots)]
    return "".join(BLOCKS.levels[min(int(height * top), top - 1)] if height else " " for height in heights)


def money_line(money: Row, zone: ZoneInfo) -> str:
    """Return what it costs, in one line."""
    parts = [f"today {usd(money['today_usd'])}, forecast {usd(money['forecast_usd'])}"]
    parts += [f"hour {usd(money['hour_usd'])}", f"{usd(money['last_hour_usd'])}/h"]
    if money["block_ends_at"] is not None:
        parts.append(f"block {usd(money['block_usd'])} to {clock(money['block_ends_at'], zone)}")
    if money["unpriced_calls"]:
        parts.append(f"{money['unpriced_calls']:,} unpriced")
    return " · ".join(parts)


def news_line(money: Row, moment: datetime) -> str:
    """Return how long ago there was a commit, and a call; of calls only the last day is known here."""
    committed, called = money["committed_at"], money["last_call_at"]
    commit = "no commit yet" if committed is None else f"last commit {ago(moment - committed)}"
    return f"{commit} · " + ("no call for a day" if called is None else f"last call {ago(moment - called)}")


def largest_cells(row: Row, width: int) -> Cells:
    """Return who it is: tokens, cost, calls and failures of a name."""
    failed = row["failed_calls"]
    return [
        cut(row["name"], width // 2 - 10),
        Text(short(row["total_tokens"]), justify="right"),
        Text(cell("cost_usd", row["cost_usd"]), justify="right"),
        Text(f"{row['calls']:,}", justify="right"),
        Text(f"{failed:,}", "red" if failed else "", justify="right"),
    ]


def last_columns(width: int) -> list[str]:
    """Return the columns of the last calls that fit into *width*."""
    return ["time", "last calls", "agent", "tokens", "USD", *(["ms"] if width >= WIDE else []), ""]


def last_cells(row: Row, width: int, zone: ZoneInfo) -> Cells:
    """Return a call, or what happened around one, in red where it went wrong."""
    style, wide = "red" if row["is_trouble"] else "", width >= WIDE
    texts = [
        f"{row['created_at'].astimezone(zone):%H:%M:%S}",
        cut(row["model"], 28 if wide else 18),
        cut(row["agent_id"], 18 if wide else 12),
        short(row["total_tokens"]),
        cell("cost_usd", row["cost_usd"]),
        *([cell("latency_ms", row["latency_ms"])] if wide else []),
        cut(row["said"] or "", 40 if wide else 15),
    ]
    return [Text(text, style) for text in texts]


def short(number: float | None) -> str:
    """Return tokens as they are spoken of: 950, 12.3k, 1.45M."""
    if number is None:
        return ""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if number >= size * _ROUNDED:
            return f"{number / size:.3g}{unit}" if number < size * _LONG else f"{number / size:,.0f}{unit}"
    return f"{number:,.0f}"


def usd(amount: float | None) -> str:
    """Return dollars; nothing spent is $0.00 here."""
    return cell("cost_usd", amount or 0)


def cut(text: str | None, width: int) -> str:
    """Return *text* in *width*, its middle taken out; what has no name says so."""
    shown = "unknown" if text is None else visible(text)
    half = (width - 1) // 2
    return shown if len(shown) <= width else f"{shown[: width - 1 - half]}…{shown[-half:]}"


def span(minutes: int) -> str:
    """Return a window as people say it."""
    return f"{minutes} min" if minutes < _MINUTES else f"{minutes // _MINUTES} h"


def clock(at: datetime | None, zone: ZoneInfo) -> str:
    """Return the time of day."""
    return "" if at is None else f"{at.astimezone(zone):%H:%M}"


def ago(age: Any) -> str:
    """Return how long ago something was, roughly."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
