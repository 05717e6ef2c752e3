"""`ingest status`: what has been read, and what is behind."""

import json
import sys
from typing import TYPE_CHECKING

import click

from ingest.cli.options import warehouse_option

if TYPE_CHECKING:
    import polars as pl

    from ingest.status import TableSize


@click.command()
@warehouse_option
@click.option("--format", "form", type=click.Choice(["table", "json"]), help="Table on a terminal, else JSON.")
def status(*, warehouse: str, form: str | None) -> None:
    """Show each source: bytes ingested and behind, rows, rejects, first and last call; and the warehouse's size."""
    from ingest.status import sizes, sources
    from ingest.warehouse import Warehouse

    opened = Warehouse(warehouse)
    found, tables = sources(opened), sizes(opened)
    if (form or ("table" if sys.stdout.isatty() else "json")) == "json":
        click.echo(_json(warehouse, found, tables))
    else:
        _print(warehouse, found, tables)


def _json(warehouse: str, found: "pl.DataFrame", tables: "list[TableSize]") -> str:
    import polars as pl

    iso = found.with_columns(pl.col("first_at", "last_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00"))
    document = {"warehouse": warehouse, "sources": iso.to_dicts(), "tables": [vars(t) for t in tables]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _print(warehouse: str, found: "pl.DataFrame", tables: "list[TableSize]") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        "source", "format", "ingested", "behind", "calls", "events", "rejects", "first (UTC)", "last (UTC)", "note"
    )
    for row in found.iter_rows(named=True):
        behind = "?" if row["behind_bytes"] is None else f"{row['behind_bytes']:,}"
        times = [f"{row[t]:%Y-%m-%d %H:%M:%S}" if row[t] else "" for t in ("first_at", "last_at")]
        cells = [row["path"], row["format"] or "", f"{row['ingested_bytes']:,}", behind]
        cells += [f"{row[c]:,}" for c in ("calls", "events", "rejects")] + times + [row["note"] or ""]
        table.add_row(*(Text("".join(c if c.isprintable() else "�" for c in cell)) for cell in cells))
    console = Console()
    console.print(table)
    for size in tables:
        console.print(
            f"{warehouse}/{size.table}: {size.rows:,} rows in {size.files:,} files, {size.bytes / 1e6:,.2f} MB"
        )
