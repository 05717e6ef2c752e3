"""What a JSON line holds beyond the fields that its format knows, for the column `metadata`.

A newer version of an application may log more than its format expects: nothing of it is lost but what `privacy` holds
back, the texts that may be a prompt, a response or a secret.
"""

import json
import math
from typing import Any

import polars as pl

from parsers.jsonl.decode import loads, text_of
from parsers.jsonl.unknown_columns import LONGEST, at_once, count_keys
from parsers.values.privacy import Rule, is_kept, is_name, rule_of

LEFTOVERS = "leftovers"
"""Column for what the format doesn't know, while a record is on its way."""

_LEFTOVER = "_leftover"
_FEW = 64
"""Of so many lines or fewer, Python tells the unknown fields."""

_EXACT = 1e15


def leftovers(records: pl.DataFrame) -> pl.Series:
    """Return for each of *records*, as `json_lines.decode` leaves them, its unknown fields as a JSON object, else NULL.

    Keys are counted first: only where a line has more than its `record` does anybody look further, and in Python only
    at those that columns can't tell.
    """
    dtype = records.schema["record"]
    beyond = count_keys(records["line"]) - _present(records["record"])
    more = (beyond > 0).arg_true()
    found = pl.Series("leftovers", [None], dtype=pl.String).new_from_index(0, len(records))
    if len(more) > _FEW:
        texts, told = at_once(records["line"].gather(more), dtype, beyond.gather(more))
        found = found.scatter(more.filter(told), texts.filter(told))
        more = more.filter(~told)
    return found.scatter(more, [_unknown(text, dtype) for text in records["line"].gather(more).to_list()])


def joined(metadata: pl.Expr, leftover: pl.Expr) -> pl.Expr:
    """Return two JSON objects as one; either may be NULL."""
    # In one function, as Polars works an expression out as often as it is named.
    both = pl.struct(metadata, leftover.alias(_LEFTOVER))
    return both.map_batches(_joined, return_dtype=pl.String, is_elementwise=True)


def _joined(objects: pl.Series) -> pl.Series:
    first, last = objects.struct.unnest()
    if last.null_count() == len(last):
        return first
    both = pl.col(first.name).str.strip_suffix("}") + pl.lit(",") + pl.col(_LEFTOVER).str.strip_prefix("{")
    return pl.DataFrame([first, last]).select(pl.coalesce(both, first.name, _LEFTOVER)).to_series()


def _present(records: pl.Series) -> pl.Series:
    """Return how many fields of each of *records*, at any depth, are not NULL. Most fields of most blocks are."""
    there = [values for values in records.struct.unnest() if values.null_count() < len(values)]
    if not there:
        return pl.Series([0], dtype=pl.Int64).new_from_index(0, len(records))
    fields = pl.DataFrame(there)
    count = fields.select(pl.sum_horizontal(pl.all().is_not_null()).cast(pl.Int64)).to_series()
    return sum((_present(values) for values in there if values.dtype == pl.Struct), start=count)


def _unknown(line: str, dtype: pl.DataType) -> str | None:
    try:
        kept = _beyond(loads(line), dtype)
        return text_of(json.loads(json.dumps(kept, sort_keys=True))) if kept else None
    except (ValueError, RecursionError):
        return None


def _beyond(value: Any, dtype: pl.DataType) -> dict[str, Any]:
    """Return the fields of an object that *dtype* lacks; those of a known object under `its.field`."""
    known = {field.name: field.dtype for field in dtype.fields} if isinstance(dtype, pl.Struct) else {}
    kept: dict[str, Any] = {}
    for key, item in value.items() if isinstance(value, dict) else ():
        if key in known:
            if isinstance(inner := known[key], pl.Struct):
                kept.update({f"{key}.{name}": found for name, found in _beyond(item, inner).items()})
                if isinstance(item, list):  # Gemini counts by modality in a list, where others have an object
                    kept[key] = _guarded(item, rule_of(key))
        elif is_name(key):
            kept[key] = _guarded(item, rule_of(key))
    return {key: item for key, item in kept.items() if item not in (None, {}, [])}


def _guarded(value: Any, rule: Rule) -> Any:
    """Return what may be kept of *value*, which lies under a name of *rule*."""
    if isinstance(value, dict):
        kept = {name: _guarded(item, rule_of(name, rule)) for name, item in value.items() if is_name(name)}
        return {name: item for name, item in kept.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return [kept for item in value if (kept := _guarded(item, rule)) not in (None, {}, [])]
    if isinstance(value, float):
        return None if not math.isfinite(value) else int(value) if value.is_integer() and abs(value) < _EXACT else value
    return _text(value, rule) if isinstance(value, str) else value


def _text(text: str, rule: Rule) -> Any:
    """Return *text* if it may be kept; JSON within text as what it says."""
    if rule is Rule.NEVER or not text.lstrip().startswith(("{", "[")):
        return text if is_kept(text, rule) else None
    try:
        return _guarded(loads(text), rule) if len(text) <= LONGEST else None
    except ValueError:
        return None
