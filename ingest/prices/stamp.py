"""Rows of a parser → rows of the warehouse: when read, at what price."""

from datetime import datetime

import polars as pl

from ingest.prices.price import Prices, price
from parsers.schema import UTC


def stamp(  # noqa: PLR0913 # the three tables of one commit go together
    calls: pl.DataFrame,
    events: pl.DataFrame,
    rejects: pl.DataFrame,
    *,
    prices: Prices,
    now: datetime,
    file_time: pl.Series | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the rows, which name their sources, with time and cost.

    A call without a time of its own gets that of its file, *file_time*, which has one for each call; else *now*.
    """
    calls, events, rejects = (
        frame.with_columns(ingested_at=pl.lit(now).cast(UTC)) for frame in (calls, events, rejects)
    )
    if calls["created_at"].null_count():
        missing = pl.col("created_at").is_null()
        file = pl.lit(None, dtype=UTC) if file_time is None else pl.lit(file_time)
        source = pl.when(file.is_null()).then(pl.lit("ingest")).otherwise(pl.lit("file"))
        calls = calls.with_columns(
            created_at=pl.coalesce("created_at", file, "ingested_at"),
            ts_source=pl.when(missing).then(source).otherwise("ts_source"),
        )
    events, rejects = (f.with_columns(pl.col("created_at").fill_null(pl.col("ingested_at"))) for f in (events, rejects))
    return price(calls, prices), events, rejects
