"""`ingest status`: what has been read, and what is behind."""

import json
from typing import TYPE_CHECKING

import click

from ingest.cli.options import form_option, say, wants_json, warehouse_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl

    from ingest.maintenance.status import TableSize
    from ingest.warehouse.inbox import Waiting


_PATH_WIDTHS = (20, 40)
_OTHER_WIDTHS = 60
"""A longer path shows where it begins and its name; what is behind says more than both."""


@click.command()
@warehouse_option
@form_option
def status(*, warehouse: str, form: str | None) -> None:
    """Show each source: bytes ingested and behind, rows, rejects, first and last call; and the warehouse's size.

    Files with lines that speak of tokens and a model, and that no format reads, are named too.
    """
    from ingest.errors import unread_lines
    from ingest.history.unrecognised import Notes
    from ingest.maintenance.status import sizes, sources
    from ingest.warehouse.inbox import waiting
    from ingest.warehouse.warehouse import Warehouse

    opened = Warehouse(warehouse)
    found, tables, unread = sources(opened), sizes(opened), Notes(warehouse).unread()
    inbox = waiting(warehouse)
    if wants_json(form):
        click.echo(as_json(warehouse, found, tables, unread, inbox))
    else:
        _print(warehouse, found, tables)
        if inbox:
            what = f"{inbox.intents:,} batch{'es' * (inbox.intents != 1)} of {inbox.hosts:,} host"
            say(f"inbox: {what}{'s' * (inbox.hosts != 1)} wait to be folded, the oldest for {inbox.seconds:,.0f} s")
        if unread:
            say(unread_lines(unread))


def as_json(
    warehouse: str,
    found: "pl.DataFrame",
    tables: "list[TableSize]",
    unread: "Mapping[Path, int]",
    inbox: "Waiting | None" = None,
) -> str:
    """Return what is said of *found*, *tables*, files with lines that are *unread* and the *inbox* as JSON."""
    import polars as pl

    iso = found.with_columns(pl.col("first_at", "last_at").dt.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00"))
    document = {
        "warehouse": warehouse,
        "sources": iso.to_dicts(),
        "tables": [vars(t) for t in tables],
        "unread": {str(path): lines for path, lines in unread.items()},
    }
    if inbox:
        document["inbox"] = inbox._asdict()
    return json.dumps(document, indent=2, ensure_ascii=False)


def _shortened(path: "pl.Expr", width: int) -> "pl.Expr":
    """Return *path*, with … in its middle where it is longer than *width*."""
    import polars as pl

    begins, ends = path.str.head(width // 3), path.str.tail(width - width // 3 - 1)
    return pl.when(path.str.len_chars() > width).then(begins + pl.lit("…") + ends).otherwise(path)


def _print(warehouse: str, found: "pl.DataFrame", tables: "list[TableSize]") -> None:
    import polars as pl
    from rich.console import Console

    from queries.answers.answer_rows import Many
    from queries.answers.reports import Answer
    from queries.show.terminal_table import table

    console = Console()
    shortest, longest = _PATH_WIDTHS
    width = min(max(console.width - _OTHER_WIDTHS, shortest), longest)
    rows = found.drop("source_id").with_columns(
        pl.col("first_at", "last_at").dt.truncate("1s"), path=_shortened(pl.col("path"), width)
    )
    rows = rows.drop(name for name in ("note",) if rows[name].null_count() == rows.height)
    table(Answer("status", f"Sources of {warehouse}", {}, Many(rows)), console, zone="UTC")
    for size in tables:
        files = f"{size.files:,} file{'s' * (size.files != 1)}"
        line = f"{size.table}: {size.rows:,} rows in {files}, {size.bytes / 1e6:,.2f} MB"
        console.print(line, style="dim", highlight=False)
