"""`ingest repair`: back to the last good state."""

import click

from ingest.cli.options import warehouse_option


@click.command()
@warehouse_option
@click.option("--yes", is_flag=True, help="Don't ask.")
def repair(*, warehouse: str, yes: bool) -> None:
    """Put all tables back to the moment before the first damaged log entry or lost file.

    What was read since then is read again by the next `ingest follow` or `ingest backfill`, as far as its logs still
    exist. Nothing is deleted: the log entries after that moment are moved into a folder `_damaged-TIME`. Stop
    followers first.
    """
    from ingest.maintenance.repair import plan
    from ingest.maintenance.repair import repair as mend

    planned = plan(warehouse)
    for reason in planned.reasons:
        click.echo(reason, err=True)
    if planned.nothing:
        click.echo("nothing to repair", err=True)
        return
    if planned.entries:
        click.echo(
            f"{len(planned.entries):,} log entries written since {planned.moment:%Y-%m-%d %H:%M:%S} UTC would be moved "
            "aside; the logs that they came from must be read again",
            err=True,
        )
    if planned.rebuilt:
        click.echo(
            f"{len(planned.rebuilt):,} log entries would be written anew from the checkpoints of their versions",
            err=True,
        )
    if not yes:
        click.confirm("Repair?", abort=True, err=True)
    aside = mend(warehouse, planned)
    again = "now run `ingest follow` or `ingest backfill` again"
    click.echo(f"repaired; what was moved aside is in {aside}; {again}", err=True)
