"""What an application knows about the work behind its calls: the snapshots `sessions`, `stories` and `failures`.

A snapshot has at least these columns, and further ones as the application's table has them. Text that may be a prompt,
a response or a plan is left out.
"""

import polars as pl

from parsers.columns import DIMS
from parsers.schema import POLARS, USD, UTC
from parsers.values.privacy import Rule, guarded_column, rule_of
from parsers.values.typed import known, usd, utc

TAKEN = (*DIMS, "accounts", "pipeline_runs", "pipeline_steps")
"""The tables of which snapshots are taken unasked, where they are there."""

_LEFT_OUT = frozenset({"login", "approved_plan", "plan", "evidence", "metadata", "context", "reason_text", "notes"})
_NUMBERS = {"int": pl.Int64, "real": pl.Float64, "floa": pl.Float64, "doub": pl.Float64, "num": pl.Float64}


def is_kept(column: str, declared: str = "") -> bool:
    """Tell whether *column*, of the type *declared*, can't hold a prompt, a response, a plan or a configuration."""
    name, is_text = column.lower(), _type(column, declared) == pl.String
    return not ((is_text and rule_of(column) is Rule.NEVER) or name in _LEFT_OUT or name.endswith("_json"))


def snapshot(name: str, rows: pl.DataFrame, declared: dict[str, str]) -> pl.DataFrame:
    """Return *rows* of text as the snapshot *name*: typed as `DIMS` says, else by their *declared* types.

    A value that isn't of its type is NULL, and so is text that may not be kept under the name of its column.
    """
    types = {column: POLARS[kind] for column, kind in DIMS.get(name, {}).items()}
    own = {column: types.get(column) or _type(column, declared.get(column, "")) for column in rows.columns}
    read = [_read(pl.col(column), kind).alias(column) for column, kind in own.items()]
    missing = [pl.lit(None, dtype=kind).alias(column) for column, kind in types.items() if column not in own]
    typed = rows.select(*read).with_columns(*missing)
    return typed.select(guarded_column(values) for values in typed)


def _type(column: str, declared: str) -> pl.DataType | type[pl.DataType]:
    """Return the type of a column. Identifiers stay text: those of calls are."""
    name = declared.lower()
    if "timestamp" in name or "datetime" in name:
        return UTC
    if column.lower().endswith("id"):
        return pl.String
    return next((kind for part, kind in _NUMBERS.items() if part in name), pl.String)


def _read(text: pl.Expr, kind: pl.DataType | type[pl.DataType]) -> pl.Expr:
    if kind == UTC:
        return utc(text)
    if kind == USD:
        return usd(text)
    return known(text) if kind == pl.String else text.cast(kind, strict=False)
