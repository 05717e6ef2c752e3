"""`ingest compact`: few files, a short log."""

import json
from dataclasses import asdict

import click

from ingest.cli.options import form_option, wants_json, warehouse_option


@click.command()
@warehouse_option
@click.option("--if-crowded", is_flag=True, help="Leave days alone that have few small files.")
@form_option
def compact(*, warehouse: str, if_crowded: bool, form: str | None) -> None:
    """Merge small files, shorten the logs of the tables, and remove files that nothing needs any more.

    Rows and offsets stay as they are, and followers and readers may go on meanwhile. `ingest follow` and
    `ingest backfill` do this by themselves when it is worth it. A replaced file is kept for an hour.
    """
    from ingest.maintenance.compact import compact as merge
    from ingest.maintenance.compact import crowded
    from ingest.warehouse.storage.locks import BusyError

    try:
        done = merge(warehouse, fewest=crowded) if if_crowded else merge(warehouse)
    except BusyError:
        if if_crowded:
            return
        raise
    if wants_json(form):
        click.echo(json.dumps([asdict(each) for each in done], indent=2))
        return
    for each in done:
        click.echo(
            f"{each.table}: {each.rows:,} rows, {each.files_before:,} files before, {each.files_after:,} now, "
            f"{each.removed:,} old ones removed"
        )
