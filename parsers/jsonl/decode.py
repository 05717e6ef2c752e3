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

from parsers.blocks.lines import NONE_REJECTED, occurring, reject

OWN = r'^\{(?:"[^"]*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[^"\[{]*?)\s*,\s*)*'
"""A regex for what stands in an object before one of its own keys: nothing, or other keys with plain values."""

_ESCAPED_KEY = r'\\u[^"]*"\s*:'
_HANDFUL = 8
"""So few keys are looked for in every line, there or not; and keys in so few lines by Python."""

_FEW = 512
"""Among so many lines or fewer, Python finds the bad ones."""

_I64 = 1 << 63


class _MisfitError(ValueError):
    """A JSON value that its column can't hold."""


def decode(records: pl.DataFrame, dtype: pl.Struct) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Decode the column `line` of *records* (`RECORDS`) into a new column `record` of *dtype*.

    Returns the records that could be decoded, and `REJECTED` rows for the others. Text columns take any JSON value as
    its text, numbers out of range are NULL, of a key that occurs twice the first counts. Keys outside of *dtype* are
    ignored: see `leftovers`. *dtype* is made of structs, lists, text, whole and floating numbers, and booleans.
    """
    decoded, plain = decode_plain(records["line"], narrowed(dtype, records["line"]))
    decoded = _widened(decoded, dtype)
    if plain.all():
        return records.with_columns(decoded.alias("record")), NONE_REJECTED
    others = records.filter(~plain)
    fitted = [_fitted(line, dtype) for line in others["line"].to_list()]
    others = others.with_columns(
        pl.Series("record", [value for value, _ in fitted], dtype=dtype),
        pl.Series("reason", [reason for _, reason in fitted], dtype=pl.String),
    )
    bad = pl.col("reason").is_not_null()
    read = [records.filter(plain).with_columns(decoded.alias("record")), others.filter(~bad).drop("reason")]
    return pl.concat(read).sort("source_offset", maintain_order=True), reject(others.filter(bad), pl.col("reason"))


def decode_plain(lines: pl.Series, dtype: pl.Struct) -> tuple[pl.Series, pl.Series]:
    """Decode those of *lines* that Polars can decode, and return them with a mask of which they are."""
    try:
        return lines.str.json_decode(dtype), pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(lines))
    except pl.exceptions.PolarsError:
        pass
    if len(lines) <= _FEW:
        return _decode_few(lines, dtype)
    half = (len(lines) + 1) // 2
    parts = [decode_plain(part, dtype) for part in (lines.head(half), lines.slice(half))]
    return pl.concat([part for part, _ in parts]), pl.concat([plain for _, plain in parts])


def narrowed(dtype: pl.Struct, lines: pl.Series) -> pl.Struct:
    """Return *dtype* without the fields whose keys are in none of *lines*: looking for them in vain costs most."""
    keys = _keys(_kind(dtype))
    there = keys_in(lines, keys)
    return _narrowed(dtype, there) if len(there) < len(keys) else dtype


def keys_in(lines: pl.Series, keys: set[str]) -> set[str]:
    """Return which of *keys* may be in *lines*: all where a key is written with escapes."""
    if len(keys) <= _HANDFUL or lines.str.contains(_ESCAPED_KEY).any():
        return keys
    if len(lines) <= _HANDFUL:
        text = "\n".join(lines.drop_nulls())
        return {key for key in keys if f'"{key}"' in text}
    return {literal.strip('"') for literal in occurring(lines, {f'"{key}"' for key in keys})}


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


def _decode_few(lines: pl.Series, dtype: pl.Struct) -> tuple[pl.Series, pl.Series]:
    kind = _kind(dtype)
    plain = pl.Series([_is_plain_line(line, kind) for line in lines.to_list()], dtype=pl.Boolean)
    try:
        return lines.filter(plain).str.json_decode(dtype), plain
    except pl.exceptions.PolarsError:  # Python was wrong about one
        plain = pl.Series([_is_decodable(lines.slice(i, 1), dtype) for i in range(len(lines))], dtype=pl.Boolean)
        return lines.filter(plain).str.json_decode(dtype), plain


def _fitted(line: str | None, dtype: pl.Struct) -> tuple[dict[str, Any] | None, str | None]:
    try:
        return fit(loads(line or ""), dtype), None
    except _MisfitError as error:
        return None, str(error)
    except ValueError as error:
        return None, f"not valid JSON: {error}"


def _is_decodable(line: pl.Series, dtype: pl.Struct) -> bool:
    try:
        line.str.json_decode(dtype)
    except pl.exceptions.PolarsError:
        return False
    return True


def _kind(dtype: Any) -> Any:  # Any: a Polars type or its class → dict, list, or the Python types that it takes
    """Return *dtype* as plain Python: Polars makes its fields anew each time that it is asked for them."""
    if isinstance(dtype, pl.Struct):
        return {field.name: _kind(field.dtype) for field in dtype.fields}
    if isinstance(dtype, pl.List):
        return [_kind(dtype.inner)]
    return {pl.String: (str, bool, int, float), pl.Boolean: (bool,)}.get(dtype.base_type(), (int, float))


def _keys(kind: Any) -> set[str]:  # Any: as `_kind` makes it
    if isinstance(kind, list):
        return _keys(kind[0])
    return set(kind).union(*map(_keys, kind.values())) if isinstance(kind, dict) else set()


def _narrowed(dtype: Any, keys: set[str]) -> Any:  # Any: a Polars type
    if isinstance(dtype, pl.List):
        return pl.List(_narrowed(dtype.inner, keys))
    if not isinstance(dtype, pl.Struct):
        return dtype
    return pl.Struct(
        [pl.Field(f.name, _narrowed(f.dtype, keys)) for f in dtype.fields if f.name in keys] or dtype.fields[:1]
    )


def _widened(decoded: pl.Series, dtype: pl.Struct) -> pl.Series:
    """Return structs of a narrowed type as *dtype*, NULL in what was left out."""
    if decoded.dtype == dtype:
        return decoded
    return decoded.to_frame("record").match_to_schema({"record": dtype}, missing_struct_fields="insert").to_series()


def _is_plain_line(line: str | None, kind: dict[str, Any]) -> bool:
    try:
        value = json.loads(line or "", parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and _is_plain(value, kind)


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _is_plain(value: Any, kind: Any) -> bool:
    """Return whether Polars decodes *value* as it is."""
    if value is None:
        return True
    if isinstance(kind, dict):
        return isinstance(value, dict) and all(key not in kind or _is_plain(v, kind[key]) for key, v in value.items())
    if isinstance(kind, list):
        return isinstance(value, list) and all(_is_plain(item, kind[0]) for item in value)
    if type(value) not in kind:
        return False
    return not isinstance(value, float) or math.isfinite(value)


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
