"""`ingest export`: the calls, or a report, as files for other tools."""

from pathlib import Path
from typing import Any

import click

from ingest.cli import settings
from ingest.cli.completion import files, report_names
from ingest.cli.options import say, warehouse_option
from ingest.cli.question import filter_options, parameter_option, replace, write


@click.command()
@click.argument("dest", shell_complete=files)
@click.option(
    "--report",
    "report_name",
    metavar="NAME",
    shell_complete=report_names,
    help="Export the rows of a report instead of the calls.",
)
@parameter_option
@click.option(
    "--views",
    "engine",
    type=click.Choice(["spark"]),
    help="Write the views and reports as SQL for another engine over the same tables, into the folder DEST.",
)
@click.option("--force", is_flag=True, help="Replace what is there.")
@warehouse_option
@filter_options
def export(  # noqa: PLR0913 # one parameter an option
    *,
    dest: str,
    report_name: str | None,
    parameters: dict[str, str],
    engine: str | None,
    force: bool,
    warehouse: str,
    **filters: Any,  # as `queries.connect` takes them
) -> None:
    """Write the calls, each once, to DEST: calls.parquet, calls.csv, all.duckdb (with every view), or a folder.

    \b
      ingest export calls.parquet --since 30d
      ingest export calls/                      Parquet, one folder a day
      ingest export all.duckdb                  tables and views for any DuckDB
      ingest export agents.csv --report cost-by-agent
      ingest export spark/ --views spark        views and reports as SQL for Spark
    """
    from ingest.choices import alternatives
    from ingest.warehouse.at_hand import at_hand
    from queries import connect, load, run
    from queries.answers import reports
    from queries.connection.connect import check_values, why_nothing, zone
    from queries.show import export as exports

    if dest == "-":
        raise click.UsageError("DEST is a file or a folder; for a pipe, `ingest sql 'from llm_calls' --format csv`.")
    path = Path(dest)
    if engine:
        _write_views(path, warehouse)
        return
    _check_free(path, force=force)
    if report_name is None:
        write_to = exports.writer(path)
    warehouse = at_hand(warehouse)
    with connect(warehouse, **filters, limits=settings.limits()) as connection:
        if nothing := why_nothing(connection, warehouse):
            click.echo(nothing, err=True)
        if report_name is None:
            replace(path, lambda part: write_to(connection, part))
        else:
            asked = load(report_name, reports.folders(None, warehouse))
            pricing = alternatives(warehouse) if asked.repriced else None
            answer = run(connection, asked, pricing=pricing, **parameters)
            if not answer.rows.height:
                check_values(connection, warehouse, {name: [value] for name, value in parameters.items()})
            write(answer.with_filters(filters), zone=zone(connection), form=None, output=dest, all_rows=True)
    say(f"wrote {dest}")


def _write_views(folder: Path, warehouse: str) -> None:
    from queries.show import spark_files

    if folder.exists():
        raise click.ClickException(f"{folder} exists; name a folder that doesn't")
    spark_files.write(folder, warehouse)
    missing = spark_files.untranslated()
    say(f"wrote {folder}, but for {len(missing)} reports that Spark can't answer: {', '.join(missing)}")
    say(f"run tables.sql, views.sql, then any of reports/; {folder / 'untranslated.txt'} says why those are missing")


def _check_free(path: Path, *, force: bool) -> None:
    from queries.show import export as exports

    if not path.exists():
        return
    if not force:
        raise click.ClickException(f"{path} exists; replace it with --force")
    if path.is_dir() and not exports.is_ours(path):
        raise click.ClickException(f"{path} holds other things than an export; choose another folder")
