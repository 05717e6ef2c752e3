"""`ingest dims`: sessions, stories and failures, and names of one's own, beside the calls."""

import click

from ingest.cli.completion import files
from ingest.cli.options import say, table_option, warehouse_option


@click.command()
@click.argument("place", metavar="DATABASE|CSV", shell_complete=files)
@warehouse_option
@table_option
def dims(*, place: str, warehouse: str, tables: tuple[str, ...]) -> None:
    """Take a snapshot of `sessions`, `stories` and `failures` of a database, for the views of the same names.

    A later snapshot replaces the earlier one. Columns that may hold prompts, responses or plans are left out.

    A CSV has names of your own for what calls belong to: a column called like one of the calls (user_id, project, host
    …) and others, by which `ingest report cost-by -p by=dims.FILE.COLUMN` adds up.

    \b
      ingest dims .maestro/maestro.db
      ingest dims teams.csv
      ingest dims postgresql://host/app --table principal_instances
    """
    from ingest.databases.dims import take

    for name, rows in take(place, tables, warehouse).items():
        say(f"{name}: {rows:,} rows")
