"""Logged text and numbers → typed columns. What can't be read is NULL; formats decide whether that rejects a record."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import polars as pl

from parsers.schema import USD, UTC
from parsers.values.privacy import guarded

_ZONED = "%Y-%m-%dT%H:%M:%S%.f%#z"
_MOST_USD = 10 ** (USD.precision - USD.scale)
_SECONDS = "%Y-%m-%dT%H:%M:%S"
_TO_SECONDS = len("2026-02-03T14:29:24")
_IN_UTC = r"(?-u)^(?:\.\d{1,9})?(?:Z|\+00:00)$"
_IN_UTC_OR_BARE = r"(?-u)^(?:\.\d{1,9})?(?:Z|\+00(?::?00)?| ?UTC)?$"
"""`(?-u)`: the ten ASCII digits. A class of Unicode takes ten times as long to compile, in every block anew: Polars
keeps 32 regexes, and a block asks more."""

_ESCAPED = r'["\\\x00-\x1f]'
"""What JSON doesn't hold as it is."""

_EPOCH_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def known(text: pl.Expr) -> pl.Expr:
    """Return *text* without surrounding blanks; NULL where nothing is left, which is how logs write "unknown"."""
    # Cast, as a column without a value has no type. Replaced, as `when` would strip each text a second time.
    return text.cast(pl.String).str.strip_chars().replace("", None)


def whole(text: pl.Expr) -> pl.Expr:
    """Return *text* such as `4,531` as an integer."""
    return text.str.replace_all(",", "", literal=True).cast(pl.Int64, strict=False)


def usd(value: pl.Expr) -> pl.Expr:
    """Return a number or text as money, rounded to ten decimals; NULL for what is not finite or does not fit."""
    # Polars raises for a float that is just too large, whether it is told to be strict or not.
    return pl.when(value.cast(pl.Float64, strict=False).abs() < _MOST_USD).then(value).cast(USD, strict=False)


def utc(text: pl.Expr) -> pl.Expr:
    """Return ISO 8601 *text* as a UTC time, cut to microseconds.

    Takes 0 to 9 fraction digits, `T` or a space, and `Z`, `+hh`, `+hhmm`, `+hh:mm` or `UTC` (a space may stand before).
    Text without an offset is UTC.
    """
    return text.map_batches(_utc, return_dtype=UTC, is_elementwise=True)


def rest(texts: pl.Series, found: pl.Series, read: Callable[..., pl.Expr], *how: str) -> pl.Series:
    """Return *found* with what the slower *read* makes of the *texts* for which nothing was found: mostly of none."""
    if found.null_count() == texts.null_count():
        return found
    at = (found.is_null() & texts.is_not_null()).arg_true()
    others = texts.gather(at).to_frame("text").select(_reading(read, *how)).to_series()
    return found.scatter(at, others.cast(found.dtype))


@cache
def _reading(read: Callable[..., pl.Expr], *how: str) -> pl.Expr:
    """Return *read* of `text`: made once, as making it takes as long as reading a hundred texts."""
    return read(pl.col("text").str.strip_chars(), *how)


def zoned(texts: pl.Series) -> pl.Series:
    """Return those *texts* that are ISO 8601 with `T`, seconds and an offset as UTC times, cut to microseconds."""
    return rest(texts, _cut_up(texts, _IN_UTC), _zoned)


def in_utc(texts: pl.Series) -> pl.Series:
    """Return those *texts* that are ISO 8601 with seconds as UTC times, also without an offset, likewise."""
    return rest(texts, _cut_up(texts, _IN_UTC_OR_BARE), _zoned)


def _cut_up(texts: pl.Series, behind: str) -> pl.Series:
    """Return *texts* as times whose seconds are followed by what matches *behind*."""
    return texts.to_frame("text").select(_pieces(behind)).to_series()


@cache
def _pieces(pattern: str) -> pl.Expr:
    """Return `text` as a time in UTC, as most are: reading its pieces takes half of `_zoned`."""
    text = pl.col("text")
    second = text.str.slice(0, _TO_SECONDS)
    second = second.str.replace(" ", "T", literal=True) if pattern == _IN_UTC_OR_BARE else second
    second = second.str.to_datetime(_SECONDS, strict=False, time_unit="us", cache=False)
    behind = text.str.slice(_TO_SECONDS)
    digits = behind.str.slice(1, 6).str.strip_chars_end("0Z+:UTC ").str.pad_end(6, "0")  # zeros at the end come back
    time = (second.cast(pl.Int64) + digits.cast(pl.Int64, strict=False)).cast(pl.Datetime("us"))
    return pl.when(behind.str.contains(pattern)).then(time).dt.replace_time_zone("UTC")


def _zoned(text: pl.Expr) -> pl.Expr:
    return text.str.to_datetime(_ZONED, strict=False, time_unit="us", time_zone="UTC")


def _utc(texts: pl.Series) -> pl.Series:
    return rest(texts, in_utc(texts), _iso)


def _iso(text: pl.Expr) -> pl.Expr:
    iso = (
        text.str.replace(r"(?-u)^(\d{4}-\d\d-\d\d) ", "${1}T")
        .str.replace(r"(?-u) ([+-]\d\d:?\d*)$", "$1")
        .str.replace(" ?UTC$", "Z")
    )
    iso = pl.when(iso.str.contains(r"(?-u)(?:[zZ]|[+-]\d\d(?::?\d\d)?)$")).then(iso).otherwise(iso + "Z")
    return iso.map_batches(zoned, return_dtype=UTC, is_elementwise=True)


def epoch(value: pl.Expr, unit: str) -> pl.Expr:
    """Return a number of *unit* (`s`, `ms`, `us`, `ns`) since 1970 as a UTC time, cut to microseconds."""
    per_second = _EPOCH_PER_SECOND[unit]
    if unit != "ns":
        micros = (value.cast(pl.Float64, strict=False) * (1_000_000 // per_second)).round()
    else:
        micros = value.cast(pl.Int64, strict=False) // (per_second // 1_000_000)
    return micros.cast(pl.Int64, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def started(created_at: pl.Expr, latency_ms: pl.Expr) -> pl.Expr:
    """Return when a call began that finished at *created_at* after *latency_ms*; NULL when either is unknown."""
    return (created_at - pl.duration(microseconds=(latency_ms * 1_000).round().cast(pl.Int64))).cast(UTC)


def metadata(fields: Mapping[str, pl.Expr]) -> pl.Expr:
    """Return *fields* as one JSON object a row, without those that are NULL or not to be kept; NULL where all are."""
    if not fields:
        return pl.lit(None, dtype=pl.String)
    row = pl.struct(value.alias(name) for name, value in fields.items())
    return row.map_batches(_written, return_dtype=pl.String, is_elementwise=True)


def _written(rows: pl.Series) -> pl.Series:
    """Return the structs *rows* as JSON objects; most fields of most blocks hold nothing."""
    fields = [guarded(values) for values in rows.struct.unnest() if values.null_count() < len(values)]
    if not fields:
        return pl.Series(rows.name, [None], dtype=pl.String).new_from_index(0, len(rows))
    frame = pl.DataFrame(fields)
    if not any(values.has_nulls() for values in fields):
        return frame.to_struct(rows.name).struct.json_encode()
    parts = [pl.lit(f"{json.dumps(values.name, ensure_ascii=False)}:") + _json_of(values) for values in fields]
    joined = pl.concat_str(parts, separator=",", ignore_nulls=True)
    return frame.select(pl.concat_str(pl.lit("{"), joined, pl.lit("}")).replace("{}", None)).to_series()


def _json_of(values: pl.Series) -> pl.Expr:
    """Return the column of *values* as JSON.

    Words, as most are, only in quotes, and whole numbers as they are: both take a tenth of the time.
    """
    value = pl.col(values.name)
    if values.dtype.is_integer() or values.dtype == pl.Boolean:
        return value.cast(pl.String)
    is_plain = values.dtype == pl.String and not values.str.contains(_ESCAPED).any()
    return pl.lit('"') + value + pl.lit('"') if is_plain else json_text(value)


def json_text(value: pl.Expr) -> pl.Expr:
    """Return *value* as JSON; NULL where it is unknown."""
    text = pl.struct(value.alias("v")).struct.json_encode().str.slice(len('{"v":')).str.strip_suffix("}")
    return pl.when(value.is_not_null()).then(text)


def looked_up(value: pl.Expr, rule: Callable[[pl.Expr], pl.Expr], dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    """Return `rule(value)`, worked out once for each distinct value: there are few names, and calls are many.

    *rule* must be a function of a module: what it found for a name is remembered.
    """

    def look_up(values: pl.Series) -> pl.Series:
        distinct = values.drop_nulls().unique()
        if distinct.is_empty():
            return pl.Series(values.name, [None], dtype=dtype).new_from_index(0, len(values))
        return values.replace_strict(distinct, _found(distinct, rule, dtype), return_dtype=dtype, default=None)

    return value.map_batches(look_up, return_dtype=dtype, is_elementwise=True)


_MOST = 4096
"""How many values are remembered for each rule; beyond that, new ones are worked out each time."""

_remembered: dict[Callable[[pl.Expr], pl.Expr], dict[Any, Any]] = {}


def _found(
    distinct: pl.Series, rule: Callable[[pl.Expr], pl.Expr], dtype: pl.DataType | type[pl.DataType]
) -> pl.Series:
    """Return `rule` of each *distinct* value. The same names come in every block, and planning a rule takes 7 ms."""
    known = _remembered.setdefault(rule, {})
    new = [name for name in distinct.to_list() if name not in known] if len(distinct) <= _MOST else None
    if new == []:
        return pl.Series([known[name] for name in distinct.to_list()], dtype=dtype)
    found = pl.DataFrame({"value": distinct}).select(rule(pl.col("value"))).to_series()
    if new and len(known) + len(new) <= _MOST:
        known.update(zip(distinct.to_list(), found.to_list(), strict=True))
    return found
