"""The unknown fields of many lines at once: what `leftovers` would say of each, for lines that hold plain values.

Some of the lines are read in Python, to learn which unknown keys there are. All are then decoded with these as columns,
and a line whose every key is accounted for, with values that need no second look, is told by columns.
"""

import json
from typing import Any

import polars as pl

from parsers.blocks.format import apart
from parsers.jsonl.decode import decode_plain, loads
from parsers.values.privacy import Rule, is_name, keeps, rule_of

LONGEST = 512
"""Longer text is not looked into, though it may be JSON itself."""

_SAMPLE = 64
_LINE = pl.col("line")
_KEY = r'"\s*:'
_SPACED = "[ \t\r]:"
_SPACED_AFTER = ('":  ', '":\t', '":\r')
_NULL = r'"\s*:\s*null'
_NUMBER = r"^(?:0|-?[1-9]\d{0,14}|-?0\.0{0,3}[1-9]\d{0,9}|-?[1-9]\d{0,8}\.\d{1,6})$"
"""Numbers that Polars and Python write alike."""

_NO_TEXT = r"^(?:-?[0-9]|true$|false$|\[|\{)"
"""What JSON that is no text looks like when it was read as text."""

_MAY_BE_LIST = r"^\s*\["
_UNUSUAL_TEXT = r'^\s*[\[{]|["\\\x00-\x1f\x7f]'
"""Text that may be JSON itself, or that JSON would escape."""

_Kinds = dict[str, Any]
"""Unknown keys: for each `text`, `texts` (a list), `number`, `boolean` or `odd`, or what is below it."""


def keys(line: pl.Expr) -> pl.Expr:
    """Return how many keys *line* has whose values aren't null, at any depth; at least, where texts hold JSON."""
    return line.map_batches(count_keys, return_dtype=pl.Int64, is_elementwise=True)


def count_keys(lines: pl.Series) -> pl.Series:
    """Return `keys` of *lines* by literals where that will do: each is found at ten times the speed of a regex."""
    spaced = lines.str.contains(_SPACED).any()
    count = lines.str.count_matches(_KEY) if spaced else lines.str.count_matches('":', literal=True)
    count = count.cast(pl.Int64)
    if _is_in(lines, "null"):
        if spaced or any(_is_in(lines, literal) for literal in _SPACED_AFTER):
            return count - lines.str.count_matches(_NULL).cast(pl.Int64)
        for null in ('":null', '": null'):
            if _is_in(lines, null):
                count -= lines.str.count_matches(null, literal=True).cast(pl.Int64)
    return count


def _is_in(lines: pl.Series, literal: str) -> bool:
    return bool(lines.str.contains(literal, literal=True).any())


def at_once(
    lines: pl.Series, dtype: pl.DataType, beyond: pl.Series, above: Rule = Rule.WORD
) -> tuple[pl.Series, pl.Series]:
    """Return the unknown fields of *lines* as JSON objects, and for which lines that is all there is to say.

    *beyond* is how many `keys` each has besides those in fields that *dtype* knows; *above* is the rule of the field
    that the lines are in.
    """
    kinds: _Kinds = {}
    for line in lines.sample(min(len(lines), _SAMPLE), seed=0).to_list():
        try:
            _learn(loads(line), dtype, kinds)
        except (ValueError, RecursionError):
            continue
    kinds = _usable(kinds)
    nothing = pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(lines))
    if not kinds:
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(lines)), nothing
    decoded, plain = decode_plain(lines, _dtype(kinds))
    frame = pl.DataFrame({"line": lines.filter(plain), "record": decoded, "beyond": beyond.filter(plain)})
    written = _Written(frame)
    text = written.object(pl.col("record"), kinds, dtype, above)
    for name, (value, rule) in written.texts.items():
        frame = frame.with_columns(_unwrapped(frame.select(value).to_series(), name, rule))
    told = frame.select(text=text, told=pl.all_horizontal(written.checks()))
    at = plain.arg_true()
    empty = pl.Series([None], dtype=pl.String).new_from_index(0, len(lines))
    return empty.scatter(at, told["text"]), nothing.scatter(at, told["told"].fill_null(value=False))


def _unwrapped(values: pl.Series, name: str, rule: Rule) -> list[pl.Series]:
    """Return which texts may be kept, and of those that are objects what is to be said, and whether it is known."""
    is_object = values.str.contains(r"^\s*\{").fill_null(value=False)
    kept, told = values.to_frame("text").select(keeps(pl.col("text"), rule)).to_series(), ~is_object
    unwrapped = pl.Series([None], dtype=pl.String).new_from_index(0, len(values))
    if is_object.any():
        inner = values.filter(is_object)
        texts, known = at_once(inner, pl.Struct([]), count_keys(inner), rule)
        at = is_object.arg_true()
        unwrapped, told = unwrapped.scatter(at, texts), told.scatter(at, known)
    found = {"": unwrapped, " told": told, " is": is_object, " kept": kept}
    return [column.alias(name + what) for what, column in found.items()]


class _Written:
    """Writes unknown fields of a *frame* of decoded lines as JSON, and notes what must hold for that to be right.

    No expression is named twice in another: Polars works each out as often as it is named, and objects are nested.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self.texts: dict[str, tuple[pl.Expr, Rule]] = {}
        self._keys: list[pl.Expr] = []
        self._checks: list[pl.Expr] = []
        self._no_text: list[str] = []

    def checks(self) -> list[pl.Expr]:
        """Return what must all hold: every key is accounted for, and its value is of the kind that was learnt."""
        accounted = pl.sum_horizontal(self._keys) == pl.col("beyond")
        odd = [~_LINE.str.contains(apart(rf'"(?:{"|".join(self._no_text)})"\s*:\s*"'))] if self._no_text else []
        return [accounted, *odd, *self._checks]

    def object(self, record: pl.Expr, kinds: _Kinds, dtype: Any, above: Rule) -> pl.Expr:
        """Return the object *record*, or NULL where it would be empty; known objects in it as `their.key`."""
        parts = self._parts(record, kinds, dtype, above)
        joined = pl.concat_str([parts[name] for name in sorted(parts)], separator=",", ignore_nulls=True)
        return (pl.lit("{") + joined + pl.lit("}")).replace("{}", None)

    def _parts(self, record: pl.Expr, kinds: _Kinds, dtype: Any, above: Rule, prefix: str = "") -> dict[str, pl.Expr]:
        known = {field.name: field.dtype for field in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        parts: dict[str, pl.Expr] = {}
        for key, kind in kinds.items():
            value, name = record.struct.field(key), prefix + key
            if isinstance(known.get(key), pl.Struct):
                parts |= self._parts(value, kind, known[key], Rule.WORD, f"{name}.")
                continue
            self._keys.append(value.is_not_null().cast(pl.Int64))
            if isinstance(kind, dict):
                text = self.object(value, kind, None, rule_of(key, above))
            else:
                text = self._scalar(value, key, kind, rule_of(key, above))
            parts[name] = pl.lit(f"{json.dumps(name, ensure_ascii=False)}:") + text  # NULL where the text is
        return parts

    def _scalar(self, value: pl.Expr, key: str, kind: str, rule: Rule) -> pl.Expr:
        written = pl.escape_regex(key)
        if kind == "texts":
            return self._texts(value, written, rule)
        if kind != "text":
            self._no_text.append(written)
            self._checks.append(
                value.is_null() | value.str.contains(_NUMBER if kind == "number" else "^(?:true|false)$")
            )
            return value
        may_be_other = value.str.contains(_NO_TEXT)
        if self._frame.select(may_be_other.any()).item():
            # A number was decoded as its text. The line tells, if no other object in it has one under the same key.
            other = rf'"{written}"\s*:\s*[^"n\s]'
            self._checks.append(value.is_null() | ~may_be_other | ~_LINE.str.contains(other))
        self._keys.append(keys(value).fill_null(0))  # JSON within text: its keys are in the line too
        if rule is Rule.NEVER:
            return pl.when(keeps(value, rule)).then(pl.lit('"') + value + pl.lit('"'))
        name = f"text {len(self.texts)}"
        self.texts[name] = value.alias(name), rule
        is_object, kept = pl.col(f"{name} is"), pl.col(f"{name} kept")
        fits = kept | (value.str.len_chars() <= LONGEST)
        self._checks.append(
            value.is_null() | is_object | ~kept & ~value.str.contains(_MAY_BE_LIST) | ~value.str.contains(_UNUSUAL_TEXT)
        )
        self._checks.append(~fits.fill_null(value=False) | pl.col(f"{name} told"))
        own = pl.when(value.str.len_chars() <= LONGEST).then(name)
        return pl.when(is_object).then(own).when(kept).then(pl.lit('"') + value + pl.lit('"'))

    def _texts(self, value: pl.Expr, written: str, rule: Rule) -> pl.Expr:
        self._checks.append(value.is_null() | _LINE.str.contains(rf'"{written}"\s*:\s*\[\s*(?:"[^"\\]*"\s*,?\s*)*\]'))
        if rule is not Rule.NEVER:
            self._checks.append(value.is_null() | ~value.list.eval(pl.element().str.contains(_UNUSUAL_TEXT)).list.any())
        kept = value.list.filter(keeps(pl.element(), rule))
        quoted = kept.list.eval(pl.lit('"') + pl.element() + pl.lit('"')).list.join(",")
        return (pl.lit("[") + quoted + pl.lit("]")).replace("[]", None)


def _learn(value: Any, dtype: Any, kinds: _Kinds) -> None:
    """Note in *kinds* what the keys of *value* hold that *dtype* lacks; `odd`: two kinds, or lists of other things."""
    known = {field.name: field.dtype for field in dtype.fields} if isinstance(dtype, pl.Struct) else {}
    for key, item in value.items() if isinstance(value, dict) else ():
        if item is None or (key in known and not isinstance(known[key], pl.Struct)):
            continue
        kind = _kind(item) if is_name(key) else "odd"
        if key in known and kind != "object":
            continue
        have = kinds.setdefault(key, {} if kind == "object" else kind)
        if isinstance(have, dict) and kind == "object":
            _learn(item, known.get(key), have)
        elif have != kind:
            kinds[key] = "odd"


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "object"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "texts"
    return "number" if isinstance(value, int | float) else "odd"


def _usable(kinds: _Kinds) -> _Kinds:
    return {
        key: below
        for key, kind in kinds.items()
        if (below := _usable(kind) if isinstance(kind, dict) else kind) not in ({}, "odd")
    }


def _dtype(kinds: _Kinds) -> pl.Struct:
    leaf = {"texts": pl.List(pl.String)}
    return pl.Struct(
        {k: _dtype(kind) if isinstance(kind, dict) else leaf.get(kind, pl.String) for k, kind in kinds.items()}
    )
