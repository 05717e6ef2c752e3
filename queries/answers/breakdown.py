"""Each row of a report divided by model: the report asked once for each, over the calls of that model only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import duckdb
import polars as pl

from queries.answers.answer_rows import Many
from queries.answers.reports import Answer, Report, run
from queries.errors import WordError


def by_model(connection: duckdb.DuckDBPyConnection, report: Report, **parameters: Any) -> Answer:
    """Answer *report* with a row for each of its rows and each model, in its order, the dearest model first.

    Raises:
        WordError: Parts of its rows don't add up to them, or they are of one model anyway.
    """
    whole = run(connection, report, **parameters)
    if not report.divides:
        raise WordError(f"{report.name} can't be divided by model: --breakdown is for cost-by-… and sessions")
    key = whole.frame.columns[0]
    models = connection.sql("select distinct model from llm_calls order by model nulls last").fetchall()
    parts = []
    for (model,) in models:
        with _only(connection, model):
            part = run(connection, report, **parameters).frame
        parts.append(part.insert_column(1, pl.lit(model, dtype=pl.String).alias("model")))
    order = whole.frame.select(key).with_row_index("_row")
    divided = pl.concat([whole.frame.clear().insert_column(1, pl.lit(None, dtype=pl.String).alias("model")), *parts])
    divided = divided.join(order, on=key, how="left", nulls_equal=True, maintain_order="left")
    divided = divided.sort(["_row", "cost_usd", "model"], descending=[False, True, False], nulls_last=True).drop("_row")
    if "cost_share" in divided.columns:
        share = pl.col("cost_usd").cast(pl.Float64) / pl.col("cost_usd").sum().cast(pl.Float64)
        divided = divided.with_columns(cost_share=share)
    first = [whole.first[0], "model", *(name for name in whole.first[1:] if name not in {"model", whole.first[0]})]
    return replace(whole, title=f"{whole.title}, by model", rows=Many(divided), first=first)


@contextmanager
def _only(connection: duckdb.DuckDBPyConnection, model: str | None) -> Iterator[None]:
    """Let *connection* see the calls of one model, or of none, after all are counted once."""
    connection.execute("set variable part = $model", {"model": model})
    connection.execute("alter view llm_calls rename to whole_llm_calls")
    try:
        connection.execute(
            "create view llm_calls as "
            "select * from whole_llm_calls where model is not distinct from getvariable('part')::varchar"
        )
        yield
    finally:
        connection.execute("drop view if exists llm_calls")
        connection.execute("alter view whole_llm_calls rename to llm_calls")
