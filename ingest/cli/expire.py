"""`ingest expire`: forget old days."""

import re
from datetime import UTC, date, datetime, timedelta

import click

from ingest.cli.options import say, warehouse_option

_AGE = re.compile(r"(\d+)d")


def _first_day(_ctx: click.Context, _param: click.Parameter, text: str) -> date:
    """Return the first day that stays: a number of days ago, such as `90d`, or a date."""
    try:
        if found := _AGE.fullmatch(text):
            return datetime.now(UTC).date() - timedelta(days=int(found[1]))
        return date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is neither a number of days, such as 90d, nor a date, such as 2026-02-03"
        ) from None


@click.command()
@warehouse_option
@click.option("--older-than", "before", callback=_first_day, required=True, metavar="90d|DATE", help="What is too old.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def expire(*, warehouse: str, before: date, yes: bool) -> None:
    """Delete the rows of whole UTC days, for good. What was read once isn't read again.

    The files themselves go when `ingest compact` finds that no reader can need them any more, after a day.
    """
    from ingest.maintenance.compact import expire as delete

    if not yes:
        click.confirm(f"Delete all rows from before {before} in {warehouse}?", abort=True, err=True)
    for table, rows in delete(warehouse, before).items():
        say(f"{table}: {rows:,} rows deleted")
