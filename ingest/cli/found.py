"""`ingest` without a command: the logs that are here, and what reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ingest.cli import settings
from ingest.cli.options import say
from parsers.values.messages import visible

if TYPE_CHECKING:
    from ingest.files.places import Found


def show() -> None:
    """Say which logs were found, how large they are, and which command reads them."""
    from ingest.files.places import found

    places = found()
    if not places:
        click.echo("No logs here, nor in the known places of agents. Name them:\n\n  ingest backfill PATH...\n")
    else:
        _list(places)
    click.echo("`ingest --help` lists all commands.")


def paths_or_found(paths: Sequence[str]) -> Sequence[str]:
    """Return *paths*, or those of the known places where none was named, and say which.

    Raises:
        UsageError: None was named, and none is known.
    """
    if paths:
        return paths
    from ingest.files.places import found

    places = found()
    if not places:
        raise click.UsageError("No logs here, nor in the known places of agents: name them, as PATH...")
    for place in places:
        say(f"{place.name}: {visible(_short(place.path))}")
    return [str(place.path) for place in places]


def _list(places: "Sequence[Found]") -> None:
    rows = [(place.name, visible(_short(place.path)), *place.size()) for place in places]
    widths = max(len(row[0]) for row in rows), max(len(row[1]) for row in rows)
    click.echo("Logs found:\n")
    for name, path, files, size in rows:
        counted = f"{files:,} file{'s' * (files != 1)}"
        click.echo(f"  {name:<{widths[0]}}  {path:<{widths[1]}}  {counted:>12}  {_bytes(size):>9}")
    chosen = settings.warehouse()
    where = _short(Path(chosen.value))
    click.echo(f"\nRead them into the warehouse {visible(where)}\n({chosen.origin}):\n")
    click.echo("  ingest backfill     once; again, only what is new")
    click.echo("  ingest follow       and go on as they grow, until stopped\n")


def _bytes(size: int) -> str:
    amount, units = float(size), iter(("B", "kB", "MB", "GB"))
    unit = next(units)
    while amount >= 1000 and (larger := next(units, "")):  # noqa: PLR2004 # as disks are sold
        amount, unit = amount / 1000, larger
    return f"{amount:,.0f} {unit}" if unit in ("B", "kB") else f"{amount:,.1f} {unit}"


def _short(path: Path) -> str:
    """Return *path* with ~ for the home folder."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)
