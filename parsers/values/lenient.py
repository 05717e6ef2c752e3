"""Text in any notation → typed values: times, durations and counts, each checked for being plausible.

Sources write the same thing in many ways: epoch seconds, milliseconds or nanoseconds, numbers as strings, `1.5s`. What
doesn't pass the check is NULL.
"""

from datetime import UTC as ZULU
from datetime import datetime
from functools import partial

import polars as pl

from parsers.schema import UTC
from parsers.values.typed import epoch, in_utc, rest, utc, zoned

TIME_UNITS = ("s", "ms", "us", "ns")
DURATION_UNITS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
"""Units of a duration, in milliseconds."""

_MOST = 10**12  # tokens; more is an identifier or a time
_NUMBER = r"(?-u)^[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$"
_CURRENCY = r"(?i)^(?:US)?\$|^USD\b|\b(?:USD|US\$)$|\$$"
_COMMAS_BETWEEN_THOUSANDS = r"(?-u)^-?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?$"
_DECIMAL_COMMA = r"(?-u)^-?(?:\d{1,3}(?:\.\d{3})+|\d+),\d+$"
_GO_DURATION = r"(?-u)^(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?(?:([\d.]+)ms)?(?:([\d.]+)(?u:[uµμ])s)?(?:([\d.]+)ns)?$"
_GO_PARTS = (3.6e6, 6e4, 1e3, 1.0, 1e-3, 1e-6)
_DAY_MS = 86_400_000.0
_I64 = 9e18  # just below the largest
_FIRST, _LAST = (int(datetime(year, 1, 1, tzinfo=ZULU).timestamp()) * 1_000_000 for year in (2000, 2101))
_SIZES = ((1e17, 1.0), (1e14, 1e3), (1e11, 1e6))
"""Below which number of them since 1970 a unit is meant that is so many microseconds; above, nanoseconds."""


def time(text: pl.Expr, written: str = "auto", zone: str = "UTC") -> pl.Expr:
    """Return *text* as a UTC time.

    *written* is a unit since 1970 (`s`, `ms`, `us`, `ns`), a `strptime` format, or `auto`: ISO 8601, or a number whose
    size gives the unit away. A time without an offset is in *zone*.
    """
    text = text.str.strip_chars()
    if written == "auto":
        return text.map_batches(partial(_auto, zone), return_dtype=UTC, is_elementwise=True)
    if written in TIME_UNITS:
        return _plausible(_epoch(text, written))
    if "%z" in written or "%#z" in written:
        return _plausible(text.str.to_datetime(written, strict=False, time_unit="us", time_zone="UTC"))
    return _plausible(_localised(text.str.to_datetime(written, strict=False, time_unit="us"), zone))


def duration_ms(text: pl.Expr, unit: str = "ms") -> pl.Expr:
    """Return *text*, a number of *unit* or a duration such as `1.5s` or `1m2.3s`, in milliseconds."""
    return text.map_batches(partial(_milliseconds, unit), return_dtype=pl.Float64, is_elementwise=True)


def count(text: pl.Expr) -> pl.Expr:
    """Return *text* as a count: `4531`, `4,531`, `4531.0`."""
    return text.map_batches(_whole, return_dtype=pl.Int64, is_elementwise=True)


def dollars(text: pl.Expr) -> pl.Expr:
    """Return *text* as an amount of US dollars: `0.0123`, `$1,234.50`, `0.02 USD`, also with a decimal comma."""
    return text.map_batches(_dollars, return_dtype=pl.Float64, is_elementwise=True)


def _dollars(texts: pl.Series) -> pl.Series:
    return rest(texts, texts.str.strip_prefix("$").cast(pl.Float64, strict=False), _as_people_write)


def _as_people_write(text: pl.Expr) -> pl.Expr:
    bare = text.str.strip_chars().str.replace(_CURRENCY, "").str.strip_chars()
    return (
        pl.when(bare.str.contains(_COMMAS_BETWEEN_THOUSANDS))
        .then(bare.str.replace_all(",", "", literal=True))
        .when(bare.str.contains(_DECIMAL_COMMA))
        .then(bare.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True))
        .otherwise(bare)
        .cast(pl.Float64, strict=False)
    )


def _between(values: pl.Series, least: float, most: float) -> pl.Series:
    """Return *values* where they are from *least* to below *most*, else NULL.

    By expressions, Polars would read all texts again for each time that a value is named.
    """
    numbers = values.cast(pl.Int64) if values.dtype == UTC else values
    fits = (numbers >= least) & (numbers < most)
    return values if fits.all() else values.scatter((~fits).arg_true(), None)


def _milliseconds(unit: str, texts: pl.Series) -> pl.Series:
    number = texts.str.strip_chars().cast(pl.Float64, strict=False) * DURATION_UNITS[unit]
    return _between(rest(texts, number, _spelled), 0, 366 * _DAY_MS)


def _spelled(text: pl.Expr) -> pl.Expr:
    groups = text.str.extract_groups(_GO_DURATION)
    parts = [
        groups.struct.field(str(i)).cast(pl.Float64, strict=False) * milliseconds
        for i, milliseconds in enumerate(_GO_PARTS, start=1)
    ]
    return pl.when(pl.any_horizontal(part.is_not_null() for part in parts)).then(pl.sum_horizontal(parts))


def _whole(texts: pl.Series) -> pl.Series:
    whole = rest(texts, texts.cast(pl.Int64, strict=False), _of_data_frames)
    return _between(rest(texts, whole, _unusual), 0, _MOST)


def _of_data_frames(text: pl.Expr) -> pl.Expr:
    """Return *text* such as `4531.0`, as a count is written in a column that has gaps."""
    return text.str.strip_suffix(".0").cast(pl.Int64, strict=False)


def _unusual(text: pl.Expr) -> pl.Expr:
    plain = text.str.replace_all(",", "", literal=True)
    real = plain.cast(pl.Float64, strict=False)
    return pl.coalesce(
        plain.cast(pl.Int64, strict=False), pl.when(real == real.round()).then(real.cast(pl.Int64, strict=False))
    )


def _auto(zone: str, texts: pl.Series) -> pl.Series:
    found = in_utc(texts) if zone == "UTC" else zoned(texts)
    return _between(rest(texts, rest(texts, found, since_1970), _iso, zone), _FIRST, _LAST)


def since_1970(text: pl.Expr) -> pl.Expr:
    """Return *text* as a UTC time where it is a number whose size gives its unit away."""
    return _plausible(text.map_batches(_sized, return_dtype=UTC, is_elementwise=True))


def _sized(texts: pl.Series) -> pl.Series:
    numbers = texts.to_frame("text").select(pl.when(pl.col("text").str.contains(_NUMBER)).then("text")).to_series()
    values = numbers.cast(pl.Float64, strict=False)
    return rest(numbers, values.to_frame("number").select(_in_its_unit(pl.col("number"))).to_series(), _nanoseconds)


def _in_its_unit(number: pl.Expr) -> pl.Expr:
    """Return a *number* since 1970 as a time, unless it is so large that nanoseconds are meant."""
    unit = pl.lit(None, dtype=pl.Float64)
    for limit, in_microseconds in _SIZES:
        unit = pl.when(number < limit).then(in_microseconds).otherwise(unit)
    return epoch(pl.when(number.abs() < _I64).then(number * unit), "us")


def _nanoseconds(text: pl.Expr) -> pl.Expr:
    return _epoch(text, "ns")


def _iso(text: pl.Expr, zone: str) -> pl.Expr:
    dotted = text.str.replace(r"(?-u)(\d\d:\d\d:\d\d),(\d)", "$1.$2")  # as Python's logging writes it
    if zone == "UTC":
        return utc(dotted)
    naive = dotted.str.contains(r"(?-u)^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?$")
    return pl.when(naive).then(_localised(utc(dotted).dt.replace_time_zone(None), zone)).otherwise(utc(dotted))


def _localised(naive: pl.Expr, zone: str) -> pl.Expr:
    """Read *naive* as a wall clock in *zone*: the first of an hour that occurs twice, NULL in one that is skipped."""
    return naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def _epoch(text: pl.Expr, unit: str) -> pl.Expr:
    number = text.cast(pl.Float64, strict=False)
    fits = number.abs() < _I64  # else the cast below would be out of range
    if unit == "ns":  # a Float64 holds nanoseconds since 1970 to a quarter of a microsecond only
        exact = epoch(text.str.extract(r"(?-u)^(\d+)", 1), "ns")
        return pl.when(fits).then(pl.coalesce(exact, epoch(number.cast(pl.Int64, strict=False), "ns")))
    return pl.when(fits).then(epoch(text, unit))


def _plausible(value: pl.Expr) -> pl.Expr:
    return value.map_batches(partial(_between, least=_FIRST, most=_LAST), return_dtype=UTC, is_elementwise=True)
