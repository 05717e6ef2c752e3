"""The screen of `ingest watch`. The only module that knows textual."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar
from zoneinfo import ZoneInfo

import polars as pl
from rich.cells import cell_len
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from queries.errors import QueryError
from queries.live import row_cells
from queries.live.glimpse import BY, WINDOWS, Asked, Facts, drilled, filters_of, is_old, look
from queries.show.cells import cell

SECONDS = 1.0
"""How often the screen is drawn anew, at most."""

REST_SHARE = 15.0
"""A look that takes a second is followed by so many seconds without one: with the drawing below a tenth of a core."""

_CSS = """
DataTable { height: 1fr; scrollbar-size: 1 1; }
#models { height: 2fr; }
#money, #news { height: 1; padding: 0 1; background: $boost; text-wrap: nowrap; text-overflow: ellipsis; }
#trouble { height: auto; color: $error; padding: 0 1; }
#filter { display: none; height: 3; }
"""


class Drilled(Screen[None]):
    """The rows behind a row: the minutes of a model, then the calls of a minute."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,backspace", "app.pop_screen", "back")]

    def __init__(self, asked: Asked, model: str | None, minute: datetime | None, zone: ZoneInfo) -> None:
        """Show the minutes of *model*, or with a *minute* its calls."""
        super().__init__()
        self._asked, self._model, self._minute, self._zone = asked, model, minute, zone
        self._minutes: list[datetime] = []

    def compose(self) -> ComposeResult:
        """Lay out a heading and a table."""
        what = "minutes" if self._minute is None else f"calls of {row_cells.clock(self._minute, self._zone)}"
        yield Static(Text(f"{row_cells.cut(self._model, 60)}: {what}"), id="money")
        yield DataTable(id="rows", cursor_type="row", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """Ask, and show."""
        table = self.query_one(DataTable)
        try:
            rows = self._rows()
        except QueryError as error:
            self.query_one("#money", Static).update(Text(str(error)))
            return
        names = [name for name in rows.columns if name not in {"model", "source_path", "source_offset", "session_id"}]
        table.add_columns(*names)
        for row in rows.iter_rows(named=True):
            texts = ((_shown(name, row[name], self._zone), rows.schema[name].is_numeric()) for name in names)
            table.add_row(*(Text(text, justify="right" if is_number else "left") for text, is_number in texts))
        table.focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the calls of a minute."""
        event.stop()
        if self._minute is None:
            minute = self._minutes[event.cursor_row]
            self.app.push_screen(Drilled(self._asked, self._model, minute, self._zone))

    def _rows(self) -> pl.DataFrame:
        if self._minute is not None:
            return drilled(self._asked, "burst", model=self._model, minute=self._minute.isoformat())
        found = drilled(self._asked, "tpm-series")
        mine = found.filter(pl.col("model").eq_missing(pl.lit(self._model))).sort("minute", descending=True)
        self._minutes = mine["minute"].to_list()
        return mine


class Watch(App[None]):
    """Limits now, cost of the day, who it is, the last calls; *beside* says more, such as what a follower does."""

    CSS = _CSS
    TITLE = "ingest watch"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "leave"),
        *(Binding(name[0], f"group('{name}')", name) for name in BY if name != "model"),
        Binding("m", "group('model')", "model"),
        Binding("w", "window", "window"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("escape", "all", "all", show=False),
    ]

    def __init__(self, asked: Asked, beside: Callable[[], str] | None = None) -> None:
        """Show what *asked* says."""
        super().__init__()
        self.asked = asked
        self.facts: Facts | None = None
        self.looks = 0
        self._always = dict(asked.filters)
        self._beside = beside
        self._rests_until = 0.0
        self._stale = True
        self._trouble = ""
        self._rows: list[tuple[str | None, str]] = []
        self._shown: dict[str, object] = {}

    def compose(self) -> ComposeResult:
        """Lay out top, middle and bottom."""
        yield DataTable(id="models", cursor_type="row")
        yield Static(id="money")
        yield DataTable(id="largest", cursor_type="none")
        yield DataTable(id="last", cursor_type="none")
        yield Static(id="news")
        yield Static(id="trouble")
        yield Input(id="filter", placeholder="model=gpt-5.2 agent=coder-001")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Look, and look again each second."""
        self.query_one("#models").focus()
        self.set_interval(SECONDS, self.refresh_now)
        self.refresh_now()

    def on_resize(self, event: Resize) -> None:
        """Show other columns in another width."""
        self._draw()

    def refresh_now(self) -> None:
        """Ask where there is news, and draw as time goes on."""
        self.run_worker(self._look, thread=True, exclusive=False, group="look") if self._may_look() else self._draw()

    def action_group(self, by: str) -> None:
        """Rank by something else."""
        self._ask(replace(self.asked, by=by))

    def action_window(self) -> None:
        """Rank over the next window."""
        self._ask(replace(self.asked, minutes=WINDOWS[(WINDOWS.index(self.asked.minutes) + 1) % len(WINDOWS)]))

    def action_filter(self) -> None:
        """Ask for a filter."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_all(self) -> None:
        """Take the filter back."""
        self.query_one("#filter", Input).value = ""
        self._filter("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Filter by what was written."""
        self._filter(event.value)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the minutes of a model."""
        if event.data_table.id == "models" and self.facts and event.cursor_row < len(self._rows):
            model, _ = self._rows[event.cursor_row]
            self.push_screen(Drilled(self.asked, model, None, ZoneInfo(self.facts.zone)))

    def _filter(self, text: str) -> None:
        self.query_one("#filter").display = False
        self.query_one("#models").focus()
        self._ask(replace(self.asked, filters={**self._always, **filters_of(text)}))

    def _ask(self, asked: Asked) -> None:
        self.asked, self._stale, self._rests_until = asked, True, 0.0
        self.refresh_now()

    def _may_look(self) -> bool:
        if any(worker.group == "look" and worker.is_running for worker in self.workers):
            return False
        return time.monotonic() >= self._rests_until

    def _look(self) -> None:
        """Ask, in a thread of its own; what that took of all cores says how long to rest.

        What went wrong is asked again, and said until it goes well: a filter may name what is still to come.
        """
        began, stale = time.process_time(), self._stale
        self._stale = False  # before what is asked is read: who asks meanwhile is heard
        asked = self.asked
        try:
            if stale or is_old(self.facts, asked, datetime.now(UTC)):
                facts = look(asked)
                self._trouble, self.facts, self.looks = "", facts, self.looks + 1
        except (QueryError, TypeError) as error:
            self._trouble, self._stale = _filter_trouble(error), True
        if asked is self.asked:  # or somebody waits for another answer
            self._rests_until = time.monotonic() + REST_SHARE * (time.process_time() - began)
        self.call_from_thread(self._draw)

    def _draw(self) -> None:
        if not self.is_running or isinstance(self.screen, Drilled):
            return
        self.query_one("#trouble", Static).update(Text(self._trouble))
        if self.facts is None:
            return
        facts, now, width, zone = self.facts, datetime.now(UTC), self.size.width, ZoneInfo(self.facts.zone)
        rows = facts.at(now).to_dicts()
        before, self._rows = self._rows, [(row["model"], row["counts"]) for row in rows]
        cells = [row_cells.model_cells(row, width, zone) for row in rows]
        self._fill("models", row_cells.model_columns(width), cells)
        self._follow(before)
        self.query_one("#money", Static).update(Text(row_cells.money_line(facts.money, zone)))
        heading = f"{self.asked.by} ({row_cells.span(self.asked.minutes)})"
        largest = [row_cells.largest_cells(row, width) for row in facts.largest.to_dicts()]
        self._fill("largest", [heading, "tokens", "USD", "calls", "failed"], largest)
        last = [row_cells.last_cells(row, width, zone) for row in facts.last.to_dicts()]
        self._fill("last", row_cells.last_columns(width), last)
        news = row_cells.news_line(facts.money, now) + (f" · {self._beside()}" if self._beside else "")
        self.query_one("#news", Static).update(Text(news))

    def _follow(self, before: list[tuple[str | None, str]]) -> None:
        """Keep the cursor on the model that it was moved to, wherever that is now."""
        table = self.query_one("#models", DataTable)
        if 0 < table.cursor_row < len(before) and (chosen := before[table.cursor_row]) in self._rows:
            table.move_cursor(row=self._rows.index(chosen))

    def _fill(self, name: str, columns: list[str], rows: list[row_cells.Cells]) -> None:
        """Put *rows* into a table, unless it shows them: to draw a table takes as long as all else of a second.

        The cursor stays where it was. With widths: a table measures its cells only once it is idle, and would be drawn
        as wide as its headings until then.
        """
        new = columns, [[(str(cell), getattr(cell, "style", "")) for cell in row] for row in rows]
        if self._shown.get(name) == new:
            return
        self._shown[name] = new
        table = self.query_one(f"#{name}", DataTable)
        at = table.cursor_coordinate
        table.clear(columns=True)
        for number, column in enumerate(columns):
            table.add_column(column, width=max([cell_len(column), *(cell_len(str(row[number])) for row in rows)]))
        table.add_rows(rows)
        if at.row < len(rows):
            table.cursor_coordinate = at


def _shown(name: str, value: object, zone: ZoneInfo) -> str:
    return cell(name, value.astimezone(zone) if isinstance(value, datetime) else value)


def _filter_trouble(error: Exception) -> str:
    """Say what is wrong; a filter that there is none of is an argument too many."""
    return "filters are model=, agent=, user=, project=, …" if isinstance(error, TypeError) else str(error)
