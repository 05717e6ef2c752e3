"""`ingest dims`: sessions, stories and failures beside the calls."""

import click

from ingest.cli.completion import files
from ingest.cli.options import say, table_option, warehouse_option


@click.command()
@click.argument("database", metavar="DATABASE", shell_complete=files)
@warehouse_option
@table_option
def dims(*, database: str, warehouse: str, tables: tuple[str, ...]) -> None:
    """Take a snapshot of `sessions`, `stories` and `failures` of a database, for the views of the same names.

    A later snapshot replaces the earlier one. Columns that may hold prompts, responses or plans are left out.

    \b
      ingest dims .maestro/maestro.db
      ingest dims postgresql://host/app --table principal_instances
    """
    from pathlib import Path

    from ingest.databases.dims import take

    for name, rows in take(database, tables, Path(warehouse)).items():
        say(f"{name}: {rows:,} rows")
