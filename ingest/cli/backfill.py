"""`ingest backfill`: history into the warehouse."""

import contextlib
import logging
import sys
from typing import TYPE_CHECKING

import click

from ingest.cli.completion import files
from ingest.cli.found import paths_or_found
from ingest.cli.options import is_quiet, reading_options, say, table_option, warehouse_option
from ingest.cli.statusline import refresh_later

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ingest.public import Backfilled


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", shell_complete=files)
@warehouse_option
@reading_options
@table_option
@click.option(
    "--on",
    metavar="ENGINE",
    help="Have the files read by `processes:4` of this machine, `ray`, `ray:ADDRESS`, `dask`, `dask:ADDRESS`.",
)
@click.option("--dry-run", is_flag=True, help="Count what would be added; write nothing.")
@click.option(
    "--strict", is_flag=True, help="Exit with 4 when a record was rejected, or a line of a call was not read."
)
def backfill(  # noqa: PLR0913 # one parameter an option
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
    on: str | None,
    dry_run: bool,
    strict: bool,
) -> None:
    """Read files, folders and globs to their ends, plain or .gz, .zst, .bz2, .xz; `-` is standard input.

    Without a path, the logs that `ingest` finds in this folder and in the known places of agents.

    Rotated generations are read in their order, those of a log that was read before under any name in its folder and
    the folders in that. Running it again adds nothing that is there already, also when files were renamed, copied or
    compressed meanwhile. Known tables of databases (SQLite files, PostgreSQL URLs) are read as well.

    \b
      ingest backfill maestro.log          the log and its rotated generations
      ingest backfill logs/ 'old/*.gz'     what looks like a log or known database
      zcat old.gz | ingest backfill -      standard input
      ingest backfill runtime.db           the known tables of a SQLite file
      ingest backfill postgresql://host/app --table llm_calls
    """
    import ingest

    paths = paths_or_found(paths)
    with _bar() as progress:
        done = ingest.backfill(
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
            dry_run=dry_run,
            on=on,
            progress=progress,
        )
    if not dry_run:
        refresh_later(warehouse)
    if done.left_out:
        say(f"{done.left_out:,} database{'s' * (done.left_out != 1)} without known tables left out")
    _say(done, warehouse, dry_run=dry_run, format_name=format_name, mappings=mappings)
    if done.outcome.failed:
        sys.exit(1)
    if strict and (done.totals.rejects or done.outcome.unread):
        sys.exit(4)


@contextlib.contextmanager
def _bar() -> "Iterator[Callable[[int, int, Path], None] | None]":
    """Show a bar of bytes on a terminal, nothing elsewhere."""
    if is_quiet() or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(sys.stderr)  # which the bar has replaced: what is said meanwhile stands above it
        yield lambda done, size, path: bar.update(task, completed=done, total=size or None, description=path.name)


def _say(
    done: "Backfilled", warehouse: str, *, dry_run: bool, format_name: str | None, mappings: tuple[str, ...]
) -> None:
    from ingest.errors import unended
    from ingest.files.generations import passed_over

    totals, outcome, verb = done.totals, done.outcome, "would add" if dry_run else "added"
    if outcome.unknown or outcome.unread:
        from ingest.choices import mappings_in
        from ingest.databases.column_files import is_columns
        from ingest.databases.column_files import why_nothing as of_columns
        from ingest.history.unrecognised import why_nothing_in

        own = mappings_in(mappings)
        columns = [path for path in outcome.unknown if is_columns(path)]
        others = [path for path in outcome.unknown if path not in columns]
        told = why_nothing_in(others, warehouse, unread=outcome.unread, format_name=format_name, mappings=own)
        for line in (*map(of_columns, columns), *told):
            click.echo(f"Warning: {line}", err=True)
    if outcome.open_ended:
        say(unended(outcome.open_ended))
    if outcome.others or outcome.unlooked:
        say(passed_over(outcome.others, outcome.unlooked))
    for path in outcome.gone:
        click.echo(
            f"Warning: {path} was packed or deleted before it was read; what is left of its family was read", err=True
        )
    for address in outcome.silent:
        click.echo(f"Warning: {address}: no record that ingest knows", err=True)
    for failure in outcome.failed:
        click.echo(f"Error: {failure}", err=True)
    if totals.rejects:
        records = f"{totals.rejects:,} record{'s' * (totals.rejects != 1)}"
        click.echo(f"Warning: {records} rejected; see `ingest report rejects`", err=True)
    files = f"{outcome.files:,} file{'s' * (outcome.files != 1)}"
    tables = f", {outcome.tables:,} table{'s' * (outcome.tables != 1)}" if outcome.tables else ""
    say(
        f"{verb} {totals.calls:,} record{'s' * (totals.calls != 1)} and {totals.events:,} "
        f"event{'s' * (totals.events != 1)} from {files}{tables}"
        f" ({outcome.bytes / 1e6:,.1f} MB new)"
    )
