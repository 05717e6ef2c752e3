"""JSON within the JSON of a line: texts that are objects themselves, and the elements of arrays.

    {"payload":"{\\"model\\":\\"gpt-4o\\",\\"in\\":900}"}      a text that is an object
    {"calls":[{"model":"gpt-4o","in":900},{…}]}           an array of objects

Both are taken out by columns; Python reads only what is escaped or nested as hardly any line is.
"""

from collections.abc import Collection

import polars as pl

from parsers.jsonl.decode import decode_plain, loads, text_of
from parsers.jsonl.fields import Path

_LINE = pl.col("line")
_TEXT = r'"(?:[^"\\]|\\.)*"'
_ESCAPES = {r"\"": '"', r"\\": "\\", r"\/": "/", r"\n": " ", r"\r": " ", r"\t": " "}
"""How JSON is written within a text; line ends and tabs can only be blanks between its parts."""

_ODD = r"\\u00(?:22|5[cC]|0[0-9a-fA-F]|1[0-9a-fA-F])"
"""Escapes of what JSON itself is made of."""

_DEEPEST = 6


def _nested() -> str:
    value = rf"[{{\[](?:[^{{}}\[\]\"]|{_TEXT})*[}}\]]"
    for _ in range(_DEEPEST):
        value = rf"[{{\[](?:[^{{}}\[\]\"]|{_TEXT}|{value})*[}}\]]"
    return value


_NESTED = _nested()
"""An object or an array."""

_OBJECT = rf"\{{(?:[^{{}}\[\]\"]|{_TEXT}|{_NESTED})*\}}"


def with_objects(lines: pl.Series, keys: Collection[str]) -> pl.Series:
    """Return JSON *lines* with an object in the place of each text under one of *keys* that is one."""
    for key in keys:
        begins = rf'"{pl.escape_regex(key)}"\s*:\s*"\s*\{{'
        at = lines.str.contains(begins).fill_null(value=False).arg_true()
        if not at.is_empty():
            lines = lines.scatter(at, _opened(lines.gather(at), key))
    return lines


def _opened(lines: pl.Series, key: str) -> pl.Series:
    """Return *lines* with the object in place of the text under *key*; as they are where that is no JSON."""
    parts = rf'(?s)^(?P<before>.*?"{pl.escape_regex(key)}"\s*:\s*)"(?P<text>\s*\{{(?:[^"\\]|\\.)*)"(?P<after>.*)$'
    split = lines.to_frame("line").select(_LINE.str.extract_groups(parts)).to_series().struct.unnest()
    texts = split["text"]
    plain = texts.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    odd = texts.str.contains(_ODD).fill_null(value=False).arg_true()
    plain = plain.scatter(odd, [_unescaped(text) for text in texts.gather(odd).to_list()])
    there = plain.is_not_null().arg_true()
    _, good = decode_plain(plain.gather(there), pl.Struct({}))
    at = there.filter(good)
    rest = split[at].with_columns(plain.gather(at).alias("text"))
    return lines.scatter(at, rest.select(pl.concat_str("before", "text", "after")).to_series())


def _unescaped(text: str) -> str | None:
    try:
        return text_of(loads(f'"{text}"'))
    except ValueError:
        return None


def elements(lines: pl.Series, place: Path) -> pl.DataFrame:
    """Return each element of the array at *place* of JSON lines: `at`, the number of its line, and its own `line`.

    A line without an array there has one element, NULL; one with an empty array has none.
    """
    where = "$" + "".join(f"['{key}']" for key in place)
    arrays = lines.str.json_path_match(where)
    arrays = arrays.set(~arrays.str.starts_with("[").fill_null(value=False), None)
    found = pl.DataFrame([arrays.alias("array"), arrays.str.extract_all(_OBJECT).alias("line")]).with_row_index("at")
    commas = pl.max_horizontal(pl.col("line").list.len().cast(pl.Int64) - 1, 0)
    length = pl.col("line").list.eval(pl.element().str.len_bytes()).list.sum() + commas + len("[]")
    split = found.filter((length == pl.col("array").str.len_bytes()).fill_null(value=True))
    others = found.join(split, on="at", how="anti")
    parts = [_exploded(split.filter(pl.col("array").is_null() | (pl.col("line").list.len() > 0)))]
    if not others.is_empty():
        parts.append(_exploded(others.with_columns(line=pl.Series(map(_members, others["array"]), dtype=_MEMBERS))))
    return pl.concat(parts).sort("at", maintain_order=True)


def without_array(lines: pl.Series, key: str) -> pl.Series:
    """Return JSON *lines* with null in the place of the array under *key*, whose elements were taken out."""
    return lines.str.replace_all(rf'"{pl.escape_regex(key)}"\s*:\s*{_NESTED}', f'"{key}":null')


_MEMBERS = pl.List(pl.String)


def _exploded(arrays: pl.DataFrame) -> pl.DataFrame:
    return arrays.select("at", "line").explode("line")


def _members(array: str) -> list[str]:
    return [text_of(member) for member in loads(array)]
