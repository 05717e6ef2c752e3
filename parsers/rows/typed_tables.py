"""Rows of an application's own table → typed columns, whether they come from a database, JSON lines or CSV.

A format names the columns that it reads and their types; `typed` takes them from whatever they are (text in an export,
numbers and times from a database). A value that can't be read rejects its row; a column that is missing is NULL.
"""

from collections.abc import Mapping

import polars as pl

from parsers.blocks.format import Context, Parsed
from parsers.blocks.lines import REJECTED, reject
from parsers.jsonl.decode import decode
from parsers.jsonl.unknown_fields import LEFTOVERS, joined, leftovers
from parsers.schema import USD, UTC
from parsers.values.lenient import since_1970, time
from parsers.values.typed import in_utc, known, metadata, rest, usd, utc

Columns = Mapping[str, pl.DataType | type[pl.DataType]]
"""The columns that a format reads, with the types that it wants: String, Int64, Float64, Boolean, UTC or USD."""


def json_rows(records: pl.DataFrame, columns: Columns) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return JSON lines as rows of text, one column for each key in *columns*; as rejects those that can't be read."""
    decoded, rejects = decode(records, pl.Struct(dict.fromkeys(columns, pl.String)))
    rest = leftovers(decoded).alias(LEFTOVERS)
    return decoded.with_columns(rest).unnest("record"), rejects


def typed(rows: pl.DataFrame, columns: Columns, required: tuple[str, ...] = ()) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return *rows* with *columns* in their types, and as rejects those with a value that can't be read.

    A row without one of the *required* values is rejected too: it isn't what it seemed to be.
    Rows of a database have no bytes: their number, from 0, is then their `source_offset`.
    """
    rows = _located(rows, columns)
    readings = {name: _read(pl.col(name), rows.schema[name], kind) for name, kind in columns.items() if name in rows}
    missing = {name: pl.lit(None, dtype=kind) for name, kind in columns.items() if name not in rows}
    values = rows.with_columns(**readings, **missing)
    if LEFTOVERS not in rows:
        values = values.with_columns(pl.lit(None, dtype=pl.String).alias(LEFTOVERS))
    unread = [
        pl.when(_given(rows[name]) & values[name].is_null()).then(pl.lit(f"`{name}` can't be read"))
        for name in readings
        if values[name].null_count() > rows[name].null_count()
    ]
    unread += [pl.when(pl.col(name).is_null()).then(pl.lit(f"`{name}` is missing")) for name in required]
    if not unread:
        return values, pl.DataFrame(schema=REJECTED)
    reason = values.select(reason=pl.coalesce(unread)).to_series()
    bad = reason.is_not_null()
    times = [name for name, kind in columns.items() if kind == UTC]
    refused = values.with_columns(reason, created_at=pl.coalesce(*times, pl.lit(None, dtype=UTC))).filter(bad)
    return values.filter(~bad), reject(refused, pl.col("reason"))


def kept(fields: Mapping[str, pl.Expr]) -> pl.Expr:
    """Return *fields*, and what the format doesn't know, as `metadata`."""
    return joined(metadata(fields), pl.col(LEFTOVERS))


def priced(cost: pl.Expr, total: pl.Expr, *, free: pl.Expr | None = None) -> pl.Expr:
    """Return *cost*, but NULL where it is zero for a call that has tokens and isn't *free*: nobody knew the price."""
    made_up = (cost == 0) & (total > 0)
    return pl.when(~(made_up if free is None else made_up & ~free).fill_null(value=False)).then(cost)


def parsed(
    calls: pl.DataFrame | None = None,
    rejects: list[pl.DataFrame] | None = None,
    *,
    events: pl.DataFrame | None = None,
    context: Context | None = None,
) -> Parsed:
    """Return what a format made of its records; the kinds of rows that it made none of are empty."""
    none = pl.DataFrame(schema={"source_offset": pl.Int64})
    refused = pl.concat(rejects) if rejects else pl.DataFrame(schema=REJECTED)
    return Parsed(none if calls is None else calls, none if events is None else events, refused, context or {})


def _located(rows: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    if "source_offset" not in rows:
        rows = rows.drop("source_end", strict=False).with_row_index("source_offset")
        rows = rows.with_columns(pl.col("source_offset").cast(pl.Int64))
    if "source_end" not in rows:
        rows = rows.with_columns(source_end=pl.col("source_offset") + 1)
    if "line" not in rows:
        # Only what the format reads: other columns may hold prompts.
        shown = [name for name in columns if name in rows and rows.schema[name] != pl.Binary]
        line = pl.struct(shown).struct.json_encode() if shown else pl.lit("{}")
        rows = rows.with_columns(line=line)
    return rows


def _given(column: pl.Series) -> pl.Series:
    """Return where *column* holds a value. `NaN` is how Python writes none."""
    if column.dtype == pl.String:
        blank = column.str.strip_chars().str.to_lowercase().is_in(["", "nan"])
        return column.is_not_null() & ~blank.fill_null(value=True)
    return column.is_not_nan().fill_null(value=False) if column.dtype.is_float() else column.is_not_null()


def _read(value: pl.Expr, have: pl.DataType, want: pl.DataType | type[pl.DataType]) -> pl.Expr:
    if have == pl.String and want != pl.String:
        value = value.str.strip_chars()
    if want == pl.String:
        return _as_text(value, have)
    if want == pl.Int64:
        return _as_count(value, have)
    if want == UTC:
        return _as_time(value, have)
    if want == USD:
        return usd(value)
    if want == pl.Boolean:
        word = value.cast(pl.String, strict=False).str.to_lowercase()
        return pl.when(word.is_in(["true", "t", "1"])).then(True).when(word.is_in(["false", "f", "0"])).then(False)  # noqa: FBT003 # values
    number = value.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _as_text(value: pl.Expr, have: pl.DataType) -> pl.Expr:
    if isinstance(have, pl.Struct):
        return value.struct.json_encode()
    return known(value) if have == pl.String else value.cast(pl.String, strict=False)


def _as_count(value: pl.Expr, have: pl.DataType) -> pl.Expr:
    """Whole numbers, also as data frames write them when a column has gaps: `812.0`."""
    if have == pl.String:
        return value.map_batches(_whole, return_dtype=pl.Int64, is_elementwise=True)
    number = _exact(value) if have.is_float() else value.cast(pl.Int64, strict=False)
    return pl.when(number >= 0).then(number)


def _whole(texts: pl.Series) -> pl.Series:
    found = rest(texts, texts.cast(pl.Int64, strict=False), _exact)
    return found.scatter((found < 0).arg_true(), None)


def _exact(value: pl.Expr) -> pl.Expr:
    real = value.cast(pl.Float64, strict=False)
    return pl.when(real == real.floor()).then(real.cast(pl.Int64, strict=False))


def _as_time(value: pl.Expr, have: pl.DataType) -> pl.Expr:
    """Times as text, as databases give them, or as a number since 1970, as data frames write them into JSON."""
    if have == pl.String or have.is_numeric():
        return value.cast(pl.String).map_batches(_time, return_dtype=UTC, is_elementwise=True)
    if isinstance(have, pl.Datetime):
        zoned = value.dt.replace_time_zone("UTC") if have.time_zone is None else value.dt.convert_time_zone("UTC")
        return zoned.cast(UTC)
    return pl.lit(None, dtype=UTC)


def _time(texts: pl.Series) -> pl.Series:
    found = rest(texts, rest(texts, in_utc(texts), since_1970), utc)
    return rest(texts, found, time)
