"""`ingest sql`: a user's own question."""

import sys
from pathlib import Path
from typing import Any

import click

from ingest.cli import settings
from ingest.cli.options import warehouse_option
from ingest.cli.question import filter_options, output_options, pairs, parameter_option, timeout_option, write


class _Statement(click.Command):
    """A command whose argument may begin with a comment, which looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put a statement that begins with a comment behind all options."""
        commented = [a for a in args if a.startswith("--") and len(words := a.split()) > 1 and "=" not in words[0]]
        rest = [a for a in args if a not in commented]
        return super().parse_args(ctx, [*rest, "--", *commented] if commented else args)


@click.command(cls=_Statement)
@click.argument("statement", required=False)
@click.option("-f", "--file", type=click.Path(exists=True, dir_okay=False), help="Read the statement from a file.")
@click.option(
    "--attach",
    "attached",
    metavar="NAME=FILE",
    multiple=True,
    callback=pairs,
    help="Read a CSV, Parquet or JSON file as a table; may be given again.",
)
@parameter_option
@warehouse_option
@filter_options
@timeout_option
@output_options
def sql(  # noqa: PLR0913 - an option each
    *,
    statement: str | None,
    file: str | None,
    attached: dict[str, str],
    parameters: dict[str, str],
    warehouse: str,
    form: str | None,
    output: str | None,
    all_rows: bool,
    columns: str | None,
    long: bool,
    timeout: float,
    **filters: Any,  # as `queries.connect` takes them
) -> None:
    """Run one STATEMENT of read-only SQL on the tables and views; `-` reads it from stdin.

    \b
      ingest sql "select model, count(*) as calls from llm_calls group by model"
      ingest sql "from llm_calls where agent_id = $agent limit 5" -p agent=a-1
      ingest sql "from llm_calls join t using (user_id)" --attach t=teams.csv
      ingest sql "show tables"
    """
    from ingest.errors import reason
    from ingest.warehouse.at_hand import at_hand
    from parsers.values.by_hand import text_of
    from queries.answers.ask import ask, attach
    from queries.connection import connect

    if (statement is None) == (file is None):
        raise click.UsageError("Give a statement, or --file.")
    try:
        text = text_of(Path(file)) if file else str(statement)
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file}: {reason(error)}") from error
    if text == "-":
        text = sys.stdin.read()
    warehouse = at_hand(warehouse)
    with connect.connect(warehouse, **filters, limits=settings.limits()) as connection:
        zone, nothing = connect.zone(connection), connect.why_nothing(connection, warehouse)
        with connect.within(connection, timeout):
            for name, attached_file in attached.items():
                attach(connection, name, attached_file)
            answer = ask(connection, text, parameters, origin=file or "")
    if nothing:
        click.echo(nothing, err=True)
    write(answer, zone=zone, form=form, output=output, all_rows=all_rows, columns=columns, long=long)
