"""`ingest reprice`: other prices for stored calls."""

import json
from typing import TYPE_CHECKING

import click

from ingest.choices import prices_of
from ingest.cli.options import form_option, say, wants_json, warehouse_option

if TYPE_CHECKING:
    import polars as pl


@click.command()
@warehouse_option
@click.option("--prices", "own", type=click.Path(exists=True, dir_okay=False), help="TOML file with your own prices.")
@click.option("--dry-run", is_flag=True, help="Show the difference; write nothing.")
@form_option
def reprice(*, warehouse: str, own: str | None, dry_run: bool, form: str | None) -> None:
    """Compute the cost of all stored calls again, and show what that changes per model.

    The prices are those that come with this version, under your own from --prices or WAREHOUSE/prices.toml. Costs that
    were logged stay as they are, and stay what reports show. `pricing_version` says what each cost was computed by.
    """
    from ingest.maintenance.reprice import reprice_warehouse

    prices = prices_of(own, warehouse)
    changed = reprice_warehouse(warehouse, prices, write=not dry_run)
    if wants_json(form):
        click.echo(json.dumps({"pricing_version": prices.version, "models": _plain(changed)}, indent=2))
    else:
        _print(changed, prices.version)
    verb = "would change" if dry_run else "changed"
    calls = changed["calls"].sum()
    say(f"{calls:,} computed costs {verb}")


def _plain(changed: "pl.DataFrame") -> list[dict[str, object]]:
    import polars as pl

    return changed.with_columns(pl.col("before_usd", "after_usd", "difference_usd").cast(pl.Float64)).to_dicts()


def _print(changed: "pl.DataFrame", version: str) -> None:
    from rich.console import Console

    from queries.answers.answer_rows import Many
    from queries.answers.reports import Answer
    from queries.show.terminal_table import table

    table(Answer("reprice", f"Computed costs by {version}", {}, Many(changed)), Console(), zone="UTC")
