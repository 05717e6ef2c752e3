"""What tells a record from any other that could stand in its place, whichever version of a parser read it."""

import polars as pl

_TIME = pl.when(pl.col("ts_source") == "log").then(pl.col("created_at").dt.epoch("us")).cast(pl.String)

_MARKS = {
    "llm_calls": pl.concat_str(
        pl.lit("call"), _TIME, "model", pl.col("total_tokens").cast(pl.String), separator=" ", ignore_nulls=True
    ),
    "llm_events": pl.lit("event ") + pl.col("kind"),
    "rejects": pl.lit("reject ") + pl.col("line").fill_null(""),
}


def marked(table: str, rows: pl.LazyFrame, *more: pl.Expr) -> pl.LazyFrame:
    """Return `source_id`, `source_offset` and `mark` of each of *rows* of *table*, and *more* about it.

    A time that the log doesn't say is left out: it is that of the reading, and another one each time.
    """
    return rows.select("source_id", "source_offset", _MARKS[table].alias("mark"), *more)
