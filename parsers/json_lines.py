"""JSON lines → structs, fast; a line that can't be read becomes a reject and takes no other with it.

One bad line fails Polars' whole decode, so the culprits are found by halving. Each is then read by Python, which
forgives what is common and harmless (`NaN`, control characters in text, numbers beyond any range, an object where text
is expected) and says what is wrong with the rest. A line gives the same row whatever its neighbours are.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import polars as pl

from parsers.records import reject

_FEW = 32
"""So many lines or fewer are tried one by one."""

_I64 = 1 << 63


class _MisfitError(ValueError):
    """A JSON value that its column can't hold."""


def decode(records: pl.DataFrame, dtype: pl.Struct) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Decode the column `line` of *records* (`RECORDS`) into a new column `record` of *dtype*.

    Returns the records that could be decoded, and `REJECTED` rows for the others. Text columns take any JSON value as
    its text, numbers out of range are NULL, of a key that occurs twice the first counts. Keys outside of *dtype* are
    ignored: see `leftovers`. *dtype* is made of structs, lists, text, whole and floating numbers, and booleans.
    """
    decoded, reasons = _decode(records["line"], dtype)
    result = records.with_columns(decoded.alias("record"))
    if not reasons:
        return result, reject(records.clear(), "")
    bad = pl.Series("reason", [reasons.get(i) for i in range(len(records))], dtype=pl.String)
    result = result.with_columns(bad)
    rejects = reject(result.filter(pl.col("reason").is_not_null()), pl.col("reason"))
    return result.filter(pl.col("reason").is_null()).drop("reason"), rejects


def loads(text: str) -> Any:  # Any: JSON
    """Return *text* as Python's JSON, forgiving; of a key that occurs twice, the first counts.

    Raises:
        ValueError: It is not JSON, or too deep, or a number too long.
    """
    try:
        return json.loads(text, strict=False, object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def fit(value: Any, dtype: pl.DataType, path: str = "") -> Any:  # Any: JSON in, what Polars takes out
    """Return the JSON *value* as one of *dtype*.

    Raises:
        ValueError: It is of another kind; *path* says where.
    """
    if value is None:
        return None
    if isinstance(dtype, pl.Struct):
        if not isinstance(value, dict):
            raise _MisfitError(f"`{path}` is not an object" if path else "not a JSON object")
        prefix = f"{path}." if path else ""
        return {field.name: _fit_field(value, field, prefix) for field in dtype.fields}
    if isinstance(dtype, pl.List):
        if not isinstance(value, list):
            raise _MisfitError(f"`{path}` is not an array")
        return [fit(item, dtype.inner, f"{path}[]") for item in value]  # type: ignore[arg-type]  # an instance, always
    for kind, convert in _CONVERT.items():
        if dtype == kind:
            return convert(value, path)
    raise TypeError(f"no rule for {dtype}")


def _fit_field(value: dict[str, Any], field: pl.Field, prefix: str) -> Any:
    return fit(value.get(field.name), field.dtype, prefix + field.name)  # type: ignore[arg-type]  # an instance, always


def _decode(lines: pl.Series, dtype: pl.Struct) -> tuple[pl.Series, dict[int, str]]:
    try:
        return lines.str.json_decode(dtype), {}
    except pl.exceptions.PolarsError:
        pass
    if len(lines) == 1:
        return _decode_one(lines[0], dtype)
    size = 1 if len(lines) <= _FEW else len(lines) // 2
    parts, reasons = [], {}
    for start in range(0, len(lines), size):
        part, bad = _decode(lines.slice(start, size), dtype)
        parts.append(part)
        reasons.update({start + i: reason for i, reason in bad.items()})
    return pl.concat(parts, rechunk=True), reasons


def _decode_one(line: str, dtype: pl.Struct) -> tuple[pl.Series, dict[int, str]]:
    try:
        value = fit(loads(line), dtype)
    except _MisfitError as error:
        return pl.Series([None], dtype=dtype), {0: str(error)}
    except ValueError as error:
        return pl.Series([None], dtype=dtype), {0: f"not valid JSON: {error}"}
    return pl.Series([value], dtype=dtype), {}


def text_of(value: Any) -> str:  # Any: JSON
    """Return a JSON value as text: a string as it is, else its JSON; half of a surrogate pair becomes `?`."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def _text(value: Any, path: str) -> str:
    try:
        return text_of(value)
    except RecursionError:
        raise _MisfitError(f"`{path}` is nested too deeply") from None


def _number(value: Any, path: str) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value) if value.strip() else None
        except ValueError:
            raise _MisfitError(f"`{path}` is not a number") from None
    if isinstance(value, (dict, list)):
        raise _MisfitError(f"`{path}` is not a number")
    try:
        return None if value is None or not math.isfinite(value) else float(value)
    except OverflowError:
        return None


def _integer(value: Any, path: str) -> int | None:
    if isinstance(value, int):
        return int(value) if -_I64 <= value < _I64 else None
    number = _number(value, path)
    return int(number) if number is not None and -_I64 <= number < _I64 else None


def _boolean(value: Any, path: str) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise _MisfitError(f"`{path}` is neither true nor false")


_CONVERT: dict[type[pl.DataType], Callable[[Any, str], Any]] = {
    pl.String: _text,
    pl.Int64: _integer,
    pl.Float64: _number,
    pl.Boolean: _boolean,
}
