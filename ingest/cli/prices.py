"""`ingest prices`: what models cost, and which models of the warehouse have no price."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ingest.choices import prices_of
from ingest.cli.options import form_option, say, wants_json, warehouse_option
from parsers.values.messages import visible

if TYPE_CHECKING:
    import polars as pl

_Command = TypeVar("_Command", bound=Callable[..., object])

_DAY = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


def _shared(command: _Command) -> _Command:
    for option in (
        form_option,
        click.option(
            "--prices",
            "own",
            type=click.Path(exists=True, dir_okay=False),
            help="TOML file with your own prices, instead of prices.toml in the warehouse.",
        ),
        warehouse_option,
    ):
        command = option(command)
    return command


@click.group()
def prices() -> None:
    """Show model prices, and which models would be unpriced.

    Prices come with the tool (package genai-prices; nothing is fetched), under your own from a TOML file. A model is
    priced only when its name says which one it is; otherwise its calls are unpriced, never guessed.
    """


@prices.command("list")
@_shared
@click.option("--provider", help="Only this provider's models.")
@click.option("--at", type=_DAY, help="As of this UTC day or time, instead of now.")
def list_prices(
    *, warehouse: str, own: str | None, form: str | None, provider: str | None, at: datetime | None
) -> None:
    """List every model with its prices in USD per million tokens."""
    from ingest.prices.view import listing

    _print(listing(prices_of(own, warehouse), provider, _utc(at) or datetime.now(UTC)), form)


@prices.command
@click.argument("model")
@_shared
@click.option("--provider", help="The provider as logged, such as anthropic, azure or bedrock.")
@click.option("--at", type=_DAY, help="Only the prices at this UTC day or time.")
def show(  # noqa: PLR0913 # one parameter an option
    *, model: str, warehouse: str, own: str | None, form: str | None, provider: str | None, at: datetime | None
) -> None:
    """Show what MODEL costs, in USD per million tokens (and per thousand searches).

    With since when, at what hours of the day, and from what length of prompt. The last line that holds at a call's
    time counts. Exit code 1 when there is no price.
    """
    from ingest.prices.view import find, periods

    table = prices_of(own, warehouse)
    entry = find(table, provider, model)
    rows = periods(entry, _utc(at))
    if wants_json(form):
        about = {"provider": entry.provider, "model": entry.model, "origin": entry.origin, "version": table.version}
        click.echo(_json({**about, "prices": rows}))
    else:
        click.echo(f"{entry.model} at {entry.provider or 'any provider'}, from {entry.origin} ({table.version})")
        _print(rows, "table")


@prices.command
@_shared
@click.pass_context
def check(context: click.Context, *, warehouse: str, own: str | None, form: str | None) -> None:
    """Say which models of the warehouse have no price now.

    Their calls and tokens are counted; exit code 3 when there are any. Calls that were logged with a cost, or without
    tokens, need no price.
    """
    from ingest.prices.view import unpriced

    found = unpriced(_calls(warehouse), prices_of(own, warehouse))
    _print(found.to_dicts(), form, "every call has a price, or needs none")
    if found.height:
        calls = found["calls"].sum()
        click.echo(f"{calls:,} calls have no price: add their models to {warehouse}/prices.toml", err=True)
        context.exit(3)


@prices.command
@_shared
def diff(*, warehouse: str, own: str | None, form: str | None) -> None:
    """Show what today's prices would change in stored costs.

    Per model: the computed costs as stored, and as they would be now. Nothing is written, and costs that were logged
    play no part.
    """
    from ingest.prices.view import differences

    rows = differences(_calls(warehouse), prices_of(own, warehouse)).to_dicts()
    _print(rows, form, "no computed cost would change")


def _calls(warehouse: str) -> "pl.LazyFrame":
    import polars as pl

    from ingest.warehouse.warehouse import Warehouse

    calls = Warehouse(warehouse).tables["llm_calls"].scan()
    return calls.with_columns(date=pl.col("created_at").dt.date())


def _utc(at: datetime | None) -> datetime | None:
    return at and at.replace(tzinfo=UTC)


def _json(value: object) -> str:
    return json.dumps(
        value, indent=2, ensure_ascii=False, default=lambda v: float(v) if isinstance(v, Decimal) else str(v)
    )


def _print(rows: Sequence[Mapping[str, Any]], form: str | None, nothing: str = "no prices") -> None:
    if wants_json(form):
        click.echo(_json(rows))
        return
    if not rows:
        say(nothing)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Nearly every model charges for reasoning as for any output; a column that says so again only takes room.
    same = all(row.get("reasoning") == row.get("output") for row in rows)
    names = [name for name in rows[0] if not (same and name == "reasoning")]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        number = isinstance(rows[0][name], int | Decimal) and not isinstance(rows[0][name], bool)
        table.add_column(
            name.replace("_", "\n"), justify="right" if number else "left", no_wrap=name != "model", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(_cell(row[name])) for name in names))
    # A pipe has no width: there, lines are as long as they must be.
    Console(width=None if sys.stdout.isatty() else 250).print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}" if type(value) is int else str(value)
    return visible(text)
