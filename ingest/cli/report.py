"""`ingest report`: run a saved report, or list them all."""

from typing import Any

import click

from ingest.cli import settings
from ingest.cli.completion import folders, report_names
from ingest.cli.options import warehouse_option
from ingest.cli.question import filter_options, output_options, parameter_option, timeout_option, write
from ingest.cli.statusline import refresh_later

LIMIT_CROSSED = 3


@click.command()
@click.argument("name", required=False, shell_complete=report_names)
@parameter_option
@warehouse_option
@filter_options
@click.option(
    "--reports",
    metavar="DIR",
    shell_complete=folders,
    help="Folder of your own reports; also $INGEST_REPORTS and WAREHOUSE/reports.",
)
@click.option("--breakdown", is_flag=True, help="Divide each row by model.")
@click.option("--explain", is_flag=True, help="Print the SQL with its parameters, to paste into DuckDB.")
@click.option("--prices", type=click.Path(exists=True, dir_okay=False), help="Own prices, for cache and what-if.")
@timeout_option
@output_options
@click.pass_context
def report(  # noqa: PLR0913 - an option each
    ctx: click.Context,
    /,
    *,
    name: str | None,
    parameters: dict[str, str],
    warehouse: str,
    reports: str | None,
    breakdown: bool,
    explain: bool,
    prices: str | None,
    form: str | None,
    output: str | None,
    all_rows: bool,
    columns: str | None,
    long: bool,
    timeout: float,
    **filters: Any,  # as `queries.connect` takes them
) -> None:
    """Run the report NAME; without a name, list all with their parameters.

    \b
      ingest report tpm --since 7d
      ingest report burst -p model=gpt-5.2
      ingest report cost-by-agent --format csv -o agents.csv
      ingest report tpm-series -o tokens.png         or .svg, or .html
    """
    from ingest.warehouse.at_hand import at_hand
    from queries.answers import reports as saved
    from queries.answers import reports as sql_text
    from queries.connection import connect

    address, warehouse = warehouse, at_hand(warehouse)
    own = saved.folders(reports, warehouse)
    if name is None:
        write(saved.listing(own), zone="", form=form, output=output, all_rows=True)
        return
    asked = saved.load(name, own)
    asked.bind(parameters)
    if explain:
        click.echo(sql_text.as_sql(asked, parameters, filters, warehouse=warehouse), nl=False)
        return
    pricing = None
    if asked.repriced:
        from ingest.choices import alternatives

        pricing = alternatives(warehouse, prices)
    with connect.connect(warehouse, **filters, serving=asked.reach, limits=settings.limits()) as connection:
        with connect.within(connection, timeout):
            if breakdown:
                from queries.answers.breakdown import by_model

                answer = by_model(connection, asked, **parameters).with_filters(filters)
            else:
                answer = saved.run(connection, asked, pricing=pricing, **parameters).with_filters(filters)
        if not answer.rows.height:
            connect.check_values(connection, warehouse, {name: [value] for name, value in parameters.items()})
        zone, nothing = connect.zone(connection), connect.why_nothing(connection, warehouse)
    if nothing and not answer.rows.height:
        click.echo(nothing, err=True)
    write(answer, zone=zone, form=form, output=output, all_rows=all_rows, columns=columns, long=long)
    refresh_later(address, seconds=60)
    if answer.limit_crossed:
        ctx.exit(LIMIT_CROSSED)
