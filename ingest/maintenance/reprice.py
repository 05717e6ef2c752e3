"""Other prices for calls that are stored already: a new computed cost, the reported one untouched."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import date

import polars as pl

from ingest.ledger import Conflict
from ingest.maintenance.compact import maintaining
from ingest.prices.price import Prices, changes, reprice
from ingest.warehouse.storage.store import Place
from ingest.warehouse.table import Table
from parsers.schema import CALLS, conform, polars_schema

BUSY = "another process maintains this warehouse; run `ingest reprice` again when it is done"


def reprice_warehouse(
    place: Place, prices: Prices, *, write: bool, progress: Callable[[date], None] = lambda _: None
) -> pl.DataFrame:
    """Price every stored call by *prices*, a day at a time; return the difference per provider and model, in USD.

    Without *write*, only the difference is computed, also where nothing may be written. Safe beside writers: a day
    that one of them adds to keeps what was added meanwhile, at the prices it was added with.

    Raises:
        BusyError: The tables are being compacted.
        WarehouseError: There is no warehouse, or it can't be written.
    """
    table = Table(place, "llm_calls")
    with maintaining(place, BUSY) if write else nullcontext():
        differences = [_reprice_day(table, day, prices, write=write, progress=progress) for day in table.days()]
    found = pl.concat(differences) if differences else changes(*[pl.DataFrame(schema=_no_calls())] * 2)
    money = pl.col("before_usd", "after_usd", "difference_usd").sum()
    return (
        found.group_by("provider", "model")
        .agg(pl.col("calls").sum(), money)
        .sort(pl.col("difference_usd").abs(), "provider", "model", descending=[True, False, False])
    )


def _reprice_day(
    table: Table, day: date, prices: Prices, *, write: bool, progress: Callable[[date], None]
) -> pl.DataFrame:
    while True:
        stored = table.read(day)
        before = conform(stored, CALLS)
        after = reprice(before, prices)
        if write and not after.equals(before):
            try:
                table.replace(day, after.hstack(stored.drop(c.name for c in CALLS)))  # others may have added columns
            except Conflict:
                continue
        progress(day)
        return changes(before, after)


def _no_calls() -> pl.Schema:
    return polars_schema(CALLS)
