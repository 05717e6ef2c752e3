"""Rows → a table for people: aligned, readable numbers, nothing that a terminal would obey; in one, small pictures."""

import io
from collections.abc import Sequence
from itertools import takewhile

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parsers.values.messages import visible
from queries.answers.reports import Answer
from queries.show import sparks
from queries.show.cells import cell

_WIDEST = 48
_UNLIMITED = 10_000
_GAP = 3


def table(answer: Answer, console: Console, *, zone: str, rows: int | None = None) -> None:
    """Print *answer*: the columns that fit the console, and the first *rows* (None: all)."""
    ascii_only = console.options.ascii_only
    glyphs = sparks.ASCII if ascii_only else sparks.BLOCKS
    lines = sparks.lines(answer, console.width, glyphs) if console.is_terminal else []
    frame = answer.frame if rows is None else answer.frame.head(max(rows - len(lines), 1))
    texts = {
        name: [_writable(_shown(name, value, glyphs), console) for value in frame[name].to_list()]
        for name in frame.columns
    }
    measure, bars = sparks.bars(answer, frame.height, glyphs) if console.is_terminal else ("", [])
    if measure:
        texts[measure] = [f"{text} {bar}".strip() for text, bar in zip(texts[measure], bars, strict=True)]
    for name, kind in frame.schema.items():
        if isinstance(kind, pl.Datetime):
            texts[name] = _trimmed(texts[name])
    shown = _fitting(_widths(texts, 0), console.width, _by_weight(answer))
    widths = _widths({name: texts[name] for name in shown}, console.width if console.is_terminal else 0)
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in shown:
        grid.add_column(
            Text(visible(name)),
            justify="right" if frame.schema[name].is_numeric() else "left",
            no_wrap=True,
            overflow="crop" if ascii_only else "ellipsis",
            max_width=widths[name],
        )
    for row in zip(*(texts[name] for name in shown), strict=True):
        grid.add_row(*map(Text, row))
    has_times = any(isinstance(kind, pl.Datetime) for kind in frame.schema.values())
    title = visible(answer.title) + (f" (times in {zone})" if has_times else "")
    console.print(Text(_writable(title, console), style="bold"))
    for line in lines:
        console.print(Text(_writable(line, console)), no_wrap=True, overflow="crop")
    if frame.height:
        console.print(grid)
    hidden = len(frame.columns) - len(shown) if frame.height else 0
    for line in _footer(answer, hidden, answer.frame.height - frame.height):
        console.print(Text(_writable(line, console), style="dim"))


def as_text(answer: Answer, *, zone: str) -> str:
    """Return the whole of *answer* as a table."""
    buffer = io.StringIO()
    table(answer, Console(file=buffer, width=_UNLIMITED, color_system=None), zone=zone)
    return buffer.getvalue()


def _footer(answer: Answer, hidden_columns: int, hidden_rows: int) -> list[str]:
    lines = [visible(note) for note in answer.notes]
    if answer.frame.is_empty():
        lines.append("no rows")
    if hidden_columns:
        lines.append(f"{hidden_columns} more column{'s' * (hidden_columns != 1)}: --json, or a wider terminal")
    if hidden_rows:
        lines.append(f"{hidden_rows:,} more row{'s' * (hidden_rows != 1)}: --all, or --json")
    return lines


def _by_weight(answer: Answer) -> list[str]:
    """Return the columns, first those that must be seen: what the picture shows, and what says which row it is."""
    schema = answer.frame.schema
    keys = list(takewhile(lambda name: not schema[name].is_numeric(), schema))
    return list(dict.fromkeys([*sparks.drawn(answer), *sorted(keys, key=len), *schema]))


def _fitting(widths: dict[str, int], width: int, by_weight: Sequence[str]) -> list[str]:
    """Return the columns that fit *width*, in order; of those that don't fit all together, the weightier."""
    shown: set[str] = set()
    left = width + _GAP
    for name in by_weight:
        if widths[name] + _GAP <= left or not shown:
            shown.add(name)
            left -= widths[name] + _GAP
    return [name for name in widths if name in shown]


def _widths(texts: dict[str, list[str]], width: int) -> dict[str, int]:
    """Return how wide each column may be: what *width* leaves goes to the columns that are cut, from left to right."""
    wanted = {name: max(map(cell_len, [name, *column])) for name, column in texts.items()}
    widths = {name: min(_WIDEST, most) for name, most in wanted.items()}
    left = width - sum(widths.values()) - _GAP * (len(widths) - 1)
    for name, most in wanted.items():
        more = max(min(most - widths[name], left), 0)
        widths[name] += more
        left -= more
    return widths


def _shown(name: str, value: object, glyphs: sparks.Glyphs) -> str:
    text = cell(name, value)
    if text and name.endswith("share") and name != "cumulative_share" and isinstance(value, int | float):
        return f"{text} {sparks.share(value, glyphs)}"
    return text


def _writable(text: str, console: Console) -> str:
    """Return *text* with characters that the console's encoding lacks spelled out."""
    return text.encode(console.encoding, "backslashreplace").decode(console.encoding)


def _trimmed(times: Sequence[str]) -> list[str]:
    """Drop what all *times* have in common: no seconds for minutes, no clock for days."""
    for tail in (" 00:00:00", ":00"):
        if any(times) and all(not text or text.endswith(tail) for text in times):
            return [text.removesuffix(tail) for text in times]
    return list(times)
