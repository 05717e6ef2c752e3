"""Rows → a table for people: aligned, readable numbers, nothing that a terminal would obey; in one, small pictures."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parsers.values.messages import visible
from queries.answers.answer_rows import Rows, is_moment, is_number, is_time
from queries.answers.reports import Answer
from queries.show import sparks
from queries.show.cells import cell
from queries.show.fitting import Column, cut, fit, fitting, short_models

_UNLIMITED = 10_000


def table(answer: Answer, console: Console, *, zone: str, rows: int | None = None) -> None:
    """Print *answer*: the columns that fit the console, and the first *rows* (None: all) with what all add up to."""
    glyphs = sparks.ASCII if console.options.ascii_only else sparks.BLOCKS
    lines = sparks.lines(answer, console.width, glyphs) if console.is_terminal else []
    shown = answer.rows if rows is None else answer.rows.head(max(rows - len(lines), 1))
    columns, first = _columns(answer, shown, console, glyphs), _first(answer)
    if not fit([column for column in columns if column.name in first], console.width):
        columns = _columns(answer, shown, console, None)
    widths = fitting(columns, console.width, first)
    console.print(Text(_writable(_title(answer, zone), console), style="bold"))
    for line in lines:
        console.print(Text(_writable(line, console)), no_wrap=True, overflow="crop")
    if shown.height:
        console.print(
            _grid([column for name in widths for column in columns if column.name == name], widths, answer, console)
        )
    hidden = len(shown.kinds) - len(widths) if shown.height else 0
    for line in _footer(answer, hidden, answer.rows.height - shown.height):
        console.print(Text(_writable(line, console), style="dim"))


def as_lines(answer: Answer, *, zone: str) -> str:
    """Return each row of *answer* as lines of a name and a value."""
    names = list(answer.rows.kinds)
    longest = max(map(len, names), default=0)
    said = [_title(answer, zone)]
    for row in zip(*map(answer.rows.column, names), strict=True):
        named = zip(names, row, strict=True)
        said += ["", *(f"{visible(name):<{longest}}  {cell(name, value)}".rstrip() for name, value in named)]
    return "".join(f"{line}\n" for line in (*said, *([""] * bool(answer.notes)), *map(visible, answer.notes)))


def renamed(answer: Answer, names: Mapping[str, str]) -> Answer:
    """Return *answer* with other *names* for some of its values."""
    return replace(answer, rows=answer.rows.renamed(names)) if names else answer


def as_text(answer: Answer, *, zone: str) -> str:
    """Return the whole of *answer* as a table."""
    buffer = io.StringIO()
    table(answer, Console(file=buffer, width=_UNLIMITED, color_system=None), zone=zone)
    return buffer.getvalue()


def _footer(answer: Answer, hidden_columns: int, hidden_rows: int) -> list[str]:
    lines = [visible(note) for note in answer.notes]
    if not answer.rows.height:
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
    drawn = sparks.drawn(answer)
    return [name for name in answer.rows.kinds if name in drawn] or [*answer.rows.kinds][:1]


def _columns(answer: Answer, rows: Rows, console: Console, glyphs: sparks.Glyphs | None) -> list[Column]:
    """Return the columns as they may be shown, with *glyphs* a bar behind the measure that the picture shows."""
    measure, bars = sparks.bars(answer, rows.height, glyphs) if glyphs and console.is_terminal else ("", [])
    columns = []
    for name, kind in rows.kinds.items():
        texts = [_writable(_shown(name, value, glyphs), console) for value in rows.column(name)]
        if name == measure:
            texts = [f"{text} {bar}".strip() for text, bar in zip(texts, bars, strict=True)]
        if is_moment(kind):
            texts = _trimmed(texts)
        columns.append(Column(name, texts, is_number(kind) or is_time(kind)))
    return columns


def _grid(columns: Sequence[Column], widths: Mapping[str, int], answer: Answer, console: Console) -> Table:
    dots = "..." if console.options.ascii_only else "…"
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    rows = []
    for name, texts, _ in columns:
        grid.add_column(
            Text(visible(name)),
            justify="right" if is_number(answer.rows.kinds[name]) else "left",
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
    rows = answer.rows
    if rows.height < 2:  # noqa: PLR2004 # a row is its own sum
        return {}
    known = [name for name in answer.sums if name in rows.kinds and rows.has_values(name)]
    return {name: sum(value for value in rows.column(name) if value is not None) for name in known}


def _title(answer: Answer, zone: str) -> str:
    has_times = any(map(is_moment, answer.rows.kinds.values()))
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
