"""`ingest backfill`: history into the warehouse."""

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from ingest.cli.options import formats_of, is_quiet, prices_of, reading_options, say, table_option, warehouse_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ingest.history.backfill import Outcome
    from ingest.reading.intake import Intake

MANY_COMMITS = 20
"""A backfill of so many commits may leave many small files."""


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@warehouse_option
@reading_options
@table_option
@click.option("--dry-run", is_flag=True, help="Count what would be added; write nothing.")
@click.option("--strict", is_flag=True, help="Exit with 4 when a record was rejected.")
def backfill(  # noqa: PLR0913 # one parameter an option
    *,
    paths: tuple[str, ...],
    warehouse: str,
    format_name: str | None,
    mapping: str | None,
    prices: str | None,
    tables: tuple[str, ...],
    dry_run: bool,
    strict: bool,
) -> None:
    """Read files, folders and globs to their ends, plain or .gz, .zst, .bz2, .xz; `-` is standard input.

    Rotated generations are read in their order. Running it again adds nothing that is there already, also when files
    were renamed, copied or compressed meanwhile. Known tables of databases (SQLite files, PostgreSQL URLs) are read as
    well.

    \b
      ingest backfill maestro.log          the log and its rotated generations
      ingest backfill logs/ 'old/*.gz'     all that looks like a log, or is a SQLite file with known tables
      zcat old.gz | ingest backfill -      standard input
      ingest backfill runtime.db           the known tables of a SQLite file
      ingest backfill postgresql://host/app --table llm_calls
    """
    from ingest.files.paths import find
    from ingest.history.backfill import backfill as read_all
    from ingest.reading.intake import Intake
    from ingest.warehouse.dry_run import Rehearsal
    from ingest.warehouse.warehouse import Warehouse

    databases, others, skipped = _sorted_out(paths, tables)
    listing = find(others)
    ledger = Rehearsal(warehouse) if dry_run else Warehouse(warehouse, make=True)
    with Intake(ledger, prices_of(prices, warehouse), formats_of(format_name, mapping)) as intake:
        outcome = _with_progress(listing.files, lambda progress: read_all(listing, intake, progress=progress))
        if databases:
            from ingest.databases.polling import backfill_tables

            outcome.tables, failed = backfill_tables(databases, tables, intake)
            outcome.failed += failed
    if skipped:
        say(f"{skipped:,} database{'s' * (skipped != 1)} without known tables left out")
    _say(outcome, intake, dry_run=dry_run, format_name=format_name, mapping=mapping)
    if not dry_run and intake.totals.commits >= MANY_COMMITS:
        _tidy(warehouse)
    if outcome.failed:
        sys.exit(1)
    if strict and intake.totals.rejects:
        sys.exit(4)


def _sorted_out(paths: tuple[str, ...], tables: tuple[str, ...]) -> "tuple[list[str], Sequence[str], int]":
    """Return the databases among *paths*, the others, and how many databases in folders hold no known table."""
    from ingest.databases.detect import may_hold_databases

    if not may_hold_databases(paths):
        return [], paths, 0
    from ingest.databases.polling import sorted_out

    return sorted_out(paths, tables)


def _tidy(warehouse: str) -> None:
    from pathlib import Path

    from ingest.maintenance.compact import compact, crowded
    from ingest.warehouse.storage.locks import BusyError

    with contextlib.suppress(BusyError):  # then somebody else does it
        compact(Path(warehouse), fewest=crowded)


def _with_progress(files: "Iterable[Path]", run: "Callable[[Callable[[int, Path], None]], Outcome]") -> "Outcome":
    """Run with a bar of bytes and rows on a terminal, without a word elsewhere."""
    if is_quiet() or not sys.stderr.isatty():
        return run(lambda _taken, _path: None)
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    size = sum(f.stat().st_size for f in files if f.is_file())
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=size or None)
        return run(lambda taken, path: bar.update(task, advance=taken, description=path.name))


def _say(outcome: "Outcome", intake: "Intake", *, dry_run: bool, format_name: str | None, mapping: str | None) -> None:
    totals, verb = intake.totals, "would add" if dry_run else "added"
    if outcome.unknown:
        from ingest.history.unrecognised import why_nothing_in

        for told in why_nothing_in(outcome.unknown, format_name=format_name, mapping=mapping):
            click.echo(f"Warning: {told}", err=True)
    for path in outcome.open_ended:
        say(f"{path}: the last record isn't complete yet; it is taken once the file has been quiet for 30 s")
    for path in outcome.gone:
        click.echo(
            f"Warning: {path} was packed or deleted before it was read; what is left of its family was read", err=True
        )
    for failure in outcome.failed:
        click.echo(f"Error: {failure}", err=True)
    if totals.rejects:
        records = f"{totals.rejects:,} record{'s' * (totals.rejects != 1)}"
        click.echo(f"Warning: {records} rejected; see `ingest report rejects`", err=True)
    files = f"{outcome.files:,} file{'s' * (outcome.files != 1)}"
    tables = f", {outcome.tables:,} table{'s' * (outcome.tables != 1)}" if outcome.tables else ""
    say(
        f"{verb} {totals.calls:,} calls and {totals.events:,} events from {files}{tables}"
        f" ({outcome.bytes / 1e6:,.1f} MB new)"
    )
