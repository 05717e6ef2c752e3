"""`ingest follow`: live logs into the warehouse."""

import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import click

from ingest.cli.completion import files
from ingest.cli.counted import Counting, counted
from ingest.cli.found import paths_or_found
from ingest.cli.options import is_quiet, reading_options, table_option, warehouse_option
from ingest.cli.statusline import Commits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ingest.public import Look

log = logging.getLogger(__name__)

LOG_SECONDS = 60
"""How often progress is logged where there is no terminal."""


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=files)
@warehouse_option
@reading_options
@table_option
@click.option("--once", is_flag=True, help="Catch up, commit and exit.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.01),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time from a line being written to its commit.",
)
@click.option(
    "--inbox",
    is_flag=True,
    help="Let another process (`ingest fold`) commit, for many hosts and one bucket; needs --host.",
)
@click.option(
    "--watch",
    type=click.Choice(["auto", "poll"]),
    default="auto",
    help="auto: file events and regular looks; poll: only looks.",
)
@click.option("--live", is_flag=True, help="Show the screen of `ingest watch` meanwhile.")
@click.option(
    "--strict", is_flag=True, help="Exit with 4 when a record was rejected, or a line of a call was not read."
)
def follow(  # noqa: PLR0913 # one parameter an option
    *,
    paths: "Sequence[str]",
    warehouse: str,
    format_name: str | None,
    mappings: tuple[str, ...],
    prices: str | None,
    keep_raw: bool,
    host: str | None,
    not_a_copy: bool,
    jobs: int | None,
    tables: tuple[str, ...],
    once: bool,
    inbox: bool,
    interval: float,
    watch: str,
    live: bool,
    strict: bool,
) -> None:
    """Follow files, folders and globs as they grow and are rotated; stop with Ctrl-C.

    Without a path, the logs that `ingest` finds in this folder and in the known places of agents.

    What is there already is read first, rotated generations included: under any name in the folder of the log and the
    folders in it, once something of the log was read. A file that doesn't exist yet is waited for.
    Restarted, it goes on where it stopped. Quote globs, so that files that appear later match too. Known tables of
    databases (SQLite files, PostgreSQL URLs) are asked for new rows again and again.

    \b
      ingest follow .maestro/logs/maestro.log
      ingest follow 'logs/*.jsonl' --interval 0.2
      ingest follow runtime.db        new rows of a SQLite file
      ingest follow postgresql://host/app --table llm_calls
    """
    if live:
        from ingest.cli.watch import beside_follower

        sys.exit(beside_follower(warehouse))
    import ingest
    from ingest.databases.detect import shown
    from ingest.following.tracked import allow_more

    paths = paths_or_found(paths)
    allow_more()
    if "://" in warehouse and host is None:
        log.warning("without --host, a log that begins as one of another host does counts as that one")
    status, commits = _Status(warehouse, once=once), Commits(warehouse)

    def looked(look: "Look") -> None:
        status.show(look)
        commits.came(look.totals.commits)

    def begin(stop: "Callable[[], None]") -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _signal, _frame: stop())
        log.info("following %s into %s", ", ".join(map(shown, paths)), warehouse)

    try:
        totals = ingest.follow(
            paths,
            warehouse,
            format_name=format_name,
            mapping=mappings,
            prices=prices,
            keep_raw=keep_raw,
            host=host,
            not_a_copy=not_a_copy,
            jobs=jobs,
            tables=tables,
            once=once,
            inbox=inbox,
            interval=interval,
            events=watch == "auto",
            on_start=begin,
            on_look=looked,
        )
    finally:
        status.finish()
    commits.ended(totals.commits)
    if strict and (totals.rejects or status.unread):
        sys.exit(4)


class _Status:
    """One live line on a terminal; one log line a minute elsewhere."""

    def __init__(self, warehouse: str, *, once: bool) -> None:
        self._look: Look | None = None
        self._warehouse, self._once, self._counting = warehouse, once, Counting(warehouse)
        self._terminal = sys.stderr.isatty() and not is_quiet()
        if self._terminal:
            for handler in logging.getLogger().handlers:  # a message takes the place of the live line, which comes back
                handler.setFormatter(logging.Formatter("\r\x1b[K%(asctime)s %(message)s", "%H:%M:%S"))
        self._started = self._said = time.monotonic()
        self._rows, self._rows_at, self._rate = 0, self._started, 0.0

    @property
    def unread(self) -> "Mapping[Path, int]":
        """The files with lines of calls that no format reads, and how many."""
        return self._look.unread if self._look else {}

    def show(self, look: "Look") -> None:
        self._look, now = look, time.monotonic()
        if self._terminal:
            self._draw(self._line(look, now, self._counting.text(look.totals.commits)))
        elif now - self._said >= LOG_SECONDS:
            self._said = now
            log.info("%s", self._line(look, now, self._counting.text(look.totals.commits)))

    def finish(self) -> None:
        """Say how it ended, if it began."""
        if self._look is None:
            return
        if self._terminal:
            self._draw("")
        # Who interrupts doesn't wait for DuckDB.
        calls = counted(self._warehouse) if self._once else self._counting.text(self._look.totals.commits)
        log.info("%s", self._line(self._look, time.monotonic(), calls))
        if self.unread:
            from ingest.history.unrecognised import Notes

            Notes(self._warehouse).write(self.unread, ())
        if rejects := self._look.totals.rejects:
            log.warning("%s records rejected; see `ingest report rejects`", f"{rejects:,}")

    def _draw(self, text: str) -> None:
        """Let *text* be the live line; where the terminal has gone, following goes on without it."""
        try:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # a line that wraps can't be taken back
            click.echo(f"\r\x1b[K{text[: width - 1]}", nl=False, err=True)
        except OSError:
            self._terminal = False

    def _line(self, look: "Look", now: float, calls: str) -> str:
        totals, count = look.totals, look.files
        rows = totals.calls + totals.events
        if now - self._rows_at >= 1:
            self._rate = (rows - self._rows) / (now - self._rows_at)
            self._rows, self._rows_at = rows, now
        age = f"{now - totals.committed_at:.0f} s ago" if totals.commits else "none yet"
        return (
            (f"{calls} · " if calls else "")
            + f"{count:,} file{'s' * (count != 1)} · {_size(look.behind)} behind · commit {age} · "
            f"+{totals.calls:,} records, {totals.events:,} events ({self._rate:,.0f} rows/s)"
        )


_FEW_BYTES = 50_000


def _size(count: int) -> str:
    """Return a *count* of bytes, small ones exactly: `0.0 MB` would hide that something waits."""
    return f"{count:,} bytes" if 0 < count < _FEW_BYTES else f"{count / 1e6:,.1f} MB"
