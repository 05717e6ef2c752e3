"""Rows → a table for people: aligned, readable numbers, nothing that a terminal would obey; in one, small pictures."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

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
from queries.show.fitting import Column, cut, fit, fitting, short_models

_UNLIMITED = 10_000


def table(answer: Answer, console: Console, *, zone: str, rows: int | None = None) -> None:
    """Print *answer*: the columns that fit the console, and the first *rows* (None: all) with what all add up to."""
    glyphs = sparks.ASCII if console.options.ascii_only else sparks.BLOCKS
    lines = sparks.lines(answer, console.width, glyphs) if console.is_terminal else []
    frame = answer.frame if rows is None else answer.frame.head(max(rows - len(lines), 1))
    columns, first = _columns(answer, frame, console, glyphs), _first(answer)
    if not fit([column for column in columns if column.name in first], console.width):
        columns = _columns(answer, frame, console, None)
    widths = fitting(columns, console.width, first)
    console.print(Text(_writable(_title(answer, zone), console), style="bold"))
    for line in lines:
        console.print(Text(_writable(line, console)), no_wrap=True, overflow="crop")
    if frame.height:
        console.print(
            _grid([column for name in widths for column in columns if column.name == name], widths, answer, console)
        )
    hidden = len(frame.columns) - len(widths) if frame.height else 0
    for line in _footer(answer, hidden, answer.frame.height - frame.height):
        console.print(Text(_writable(line, console), style="dim"))


def as_lines(answer: Answer, *, zone: str) -> str:
    """Return each row of *answer* as lines of a name and a value."""
    longest = max(map(len, answer.frame.columns), default=0)
    said = [_title(answer, zone)]
    for row in answer.frame.iter_rows(named=True):
        said += ["", *(f"{visible(name):<{longest}}  {cell(name, value)}".rstrip() for name, value in row.items())]
    return "".join(f"{line}\n" for line in (*said, *([""] * bool(answer.notes)), *map(visible, answer.notes)))


def renamed(answer: Answer, names: Mapping[str, str]) -> Answer:
    """Return *answer* with other *names* for some of its values."""
    if not names:
        return answer
    texts = [name for name, kind in answer.frame.schema.items() if kind == pl.String]
    return replace(answer, frame=answer.frame.with_columns(pl.col(texts).replace(dict(names))))


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
        lines.append(
            f"{hidden_columns} more column{'s' * (hidden_columns != 1)}: --long, --columns, or a wider terminal"
        )
    if hidden_rows:
        lines.append(f"{hidden_rows:,} more row{'s' * (hidden_rows != 1)}: --all, or --json")
    return lines


def _first(answer: Answer) -> list[str]:
    """Return the columns that must be seen: what the report says, else what its picture shows and which row it is."""
    if answer.first:
        return list(answer.first)
    schema = answer.frame.schema
    drawn = [name for name in sparks.drawn(answer) if name in schema]
    return [name for name in schema if name in drawn] or list(schema)[:1]


def _columns(answer: Answer, frame: pl.DataFrame, console: Console, glyphs: sparks.Glyphs | None) -> list[Column]:
    """Return the columns as they may be shown, with *glyphs* a bar behind the measure that the picture shows."""
    measure, bars = sparks.bars(answer, frame.height, glyphs) if glyphs and console.is_terminal else ("", [])
    columns = []
    for name, kind in frame.schema.items():
        texts = [_writable(_shown(name, value, glyphs), console) for value in frame[name].to_list()]
        if name == measure:
            texts = [f"{text} {bar}".strip() for text, bar in zip(texts, bars, strict=True)]
        if isinstance(kind, pl.Datetime):
            texts = _trimmed(texts)
        columns.append(Column(name, texts, kind.is_numeric() or kind.is_temporal()))
    return columns


def _grid(columns: Sequence[Column], widths: Mapping[str, int], answer: Answer, console: Console) -> Table:
    dots = "..." if console.options.ascii_only else "…"
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    rows = []
    for name, texts, _ in columns:
        grid.add_column(
            Text(visible(name)),
            justify="right" if answer.frame.schema[name].is_numeric() else "left",
            no_wrap=True,
            overflow="crop" if console.options.ascii_only else "ellipsis",
            max_width=widths[name],
        )
        rows.append(_within(name, texts, widths[name], dots))
    for row in zip(*rows, strict=True):
        grid.add_row(*map(Text, row))
    if totals := _totals(answer):
        label = next((name for name, _, _ in columns if name not in totals), "")
        said = {label: "total"} | {name: cell(name, value) for name, value in totals.items()}
        grid.add_row(*(Text(said.get(name, "")) for name, _, _ in columns), style="bold")
    return grid


def _within(name: str, texts: Sequence[str], width: int, dots: str) -> list[str]:
    """Return *texts* as wide as they may be; models by a shorter name before they are cut."""
    if name == "model" and max(map(cell_len, texts), default=0) > width:
        short = short_models(texts)
        texts = [short[text] for text in texts]
    return [cut(name, text, width, dots=dots) for text in texts]


def _totals(answer: Answer) -> dict[str, object]:
    """Return what the columns that may be added up come to, over all rows; nothing of a single one."""
    frame = answer.frame
    if frame.height < 2:  # noqa: PLR2004 # a row is its own sum
        return {}
    known = [name for name in answer.sums if name in frame.columns and frame[name].null_count() < frame.height]
    return {name: frame[name].sum() for name in known}


def _title(answer: Answer, zone: str) -> str:
    has_times = any(isinstance(kind, pl.Datetime) for kind in answer.frame.schema.values())
    return visible(answer.title) + (f" (times in {zone})" if has_times else "")


def _shown(name: str, value: object, glyphs: sparks.Glyphs | None) -> str:
    text = cell(name, value)
    if glyphs and text and name.endswith("share") and name != "cumulative_share" and isinstance(value, int | float):
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
