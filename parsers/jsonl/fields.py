"""JSON records → flat columns of text, one for each path that is asked for.

Every scalar is read as text, whatever its JSON type: sources write counts as strings and identifiers as numbers, and
what a value means is decided later, by its column. A record that has something else where an object is expected
(`"error": "timeout"` beside `"error": {"message": …}`) is still read: only a line that is no JSON object is a reject.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import polars as pl

from parsers.blocks.lines import NONE_REJECTED, reject
from parsers.jsonl.decode import decode_plain, loads, text_of
from parsers.jsonl.unknown_fields import LEFTOVERS, leftovers

Path = tuple[str, ...]
"""The keys from the top of a record to a value."""

_Cut = frozenset[Path]
"""Places where records have no object, though paths go on there."""

_NOTHING = pl.lit(None, dtype=pl.String)

_Parts = list[tuple[_Cut, pl.DataFrame]]

_KEY = re.compile(r'(?:"([^"]+)"|([^."]+))(?:\.(?=.)|$)')


def path(text: str) -> Path:
    """Return the path that *text* writes: keys joined by dots; a key that holds dots stands in double quotes.

    Raises:
        ValueError: *text* is no such path.
    """
    keys: list[str] = []
    at = 0
    while at < len(text) or not keys:
        match = _KEY.match(text, at)
        if match is None:
            raise ValueError(f"{text!r} is not a path such as `usage.input_tokens`")
        keys.append(match[1] or match[2])
        at = match.end()
    return tuple(keys)


def extract(
    records: pl.DataFrame,
    paths: Mapping[str, Path],
    passed_over: Iterable[Path] = (),
    closed: Iterable[str] = (),
    *,
    rest: bool = True,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return *records* with a column of text for each of *paths* and one for what is elsewhere, and the rejects.

    What neither a path nor one that is *passed over* leads to is in the column `LEFTOVERS`, as `leftovers` tells it,
    but for objects under keys that are *closed*; NULL without *rest*.
    """
    places, others = tuple(paths.items()), tuple(passed_over)
    tree = _tree((*paths.values(), *others))
    parts, rejects = [], []
    for cut, part, decoded in _decoded(records, tree):
        dtype, texts = _reading(places, others, cut)
        read, plain = decode_plain(part["line"], dtype) if decoded is None else (decoded, None)
        found = (part if plain is None or plain.all() else part.filter(plain)).with_columns(read.alias("record"))
        found = found.with_columns((elsewhere(found, closed) if rest else _NOTHING).alias(LEFTOVERS))
        parts.append(found.select(*records.columns, LEFTOVERS, *texts))
        if plain is not None and not plain.all():
            odd, refused = _one_by_one(part.filter(~plain), paths)
            nothing = pl.lit(None, dtype=dtype).alias("record")
            unknown = (elsewhere(odd.select("line", nothing), closed) if rest else _NOTHING).alias(LEFTOVERS)
            parts.append(odd.with_columns(unknown).select(parts[-1].columns))
            rejects.append(refused)
    fields = pl.concat(parts)
    in_order = fields if len(parts) == 1 or fields.is_empty() else _in_order(fields)
    return in_order, pl.concat([NONE_REJECTED, *rejects])


def _in_order(fields: pl.DataFrame) -> pl.DataFrame:
    """Return *fields* in the order of their source. At most of many places there is nothing, which need not move."""
    some = [values for values in fields.iter_columns() if values.null_count() < len(values)]
    return fields.with_columns(pl.DataFrame(some).sort("source_offset"))


@lru_cache(maxsize=256)
def _reading(
    places: tuple[tuple[str, Path], ...], passed_over: tuple[Path, ...], cut: _Cut
) -> tuple[pl.Struct, list[pl.Expr]]:
    """Return the type of records with *places* and what is *passed over*, and the texts at the places, as named."""
    dtype = _dtype(_tree((*(where for _, where in places), *passed_over)), cut)
    return dtype, [_at(where, dtype).alias(name) for name, where in places]


def with_keys(places: Mapping[str, Path], keys: Collection[str]) -> dict[str, Path]:
    """Return those of many *places* that are made of *keys*, which are there.

    Of those below an object that is there one is left, lest what the object is depend on what other lines hold.
    """
    there = set(keys)
    found = {name: where for name, where in places.items() if there.issuperset(where)}
    objects = {above for where in found.values() for above in _above(where)}
    for name, where in places.items():
        more = {above for above in _above(where) if there.issuperset(above)} - objects
        if more:
            found[name] = where
            objects |= more
    return found


def _above(where: Path) -> set[Path]:
    """Return the places of the objects that *where* lies in."""
    return {where[:depth] for depth in range(1, len(where))}


_SAMPLE = 64
_BRACKETS = 6
"""What is nested deeper is looked into by Python."""


def _nested() -> str:
    text = r'"(?:[^"\\]|\\.)*"'
    value = rf'[{{\[](?:[^{{}}\[\]"]|{text})*[}}\]]'
    for _ in range(_BRACKETS):
        value = rf'[{{\[](?:[^{{}}\[\]"]|{text}|{value})*[}}\]]'
    return rf"(?:{text}|{value})"


_CONTENT = (
    *("content", "messages", "choices", "input", "output", "prompt", "completion", "request", "response"),
    *("toolUseResult", "toolCalls", "parts", "candidates", "proxy_server_request"),
)
"""Keys of prompts and responses, which are long: nothing below them is kept, or even looked at."""

_READ = ("iterations",)
"""Keys of lists that are read by other ways."""

_NESTED = _nested()


def is_passed_over(key: str) -> bool:
    """Tell whether what is below *key* is surely a prompt or a response, or is read by other ways."""
    return key in _CONTENT or key in _READ


def elsewhere(decoded: pl.DataFrame, closed: Iterable[str] = ()) -> pl.Series:
    """Return `leftovers` of *decoded* records without what is surely a prompt or a response, which would take long.

    Nor is anything of what is under keys that the format keeps *closed*.
    """
    known = _names(decoded.schema["record"])
    keys = "|".join(key for key in (*_CONTENT, *_READ, *closed) if key not in known)
    lines = decoded["line"]
    having = lines.str.contains(keys)  # found at five times the speed of what is taken out
    if having.any():
        without = lines.filter(having).str.replace_all(rf'"(?:{keys})"\s*:\s*{_NESTED}', '"":null')
        lines = without if having.all() else lines.scatter(having.arg_true(), without)
    return leftovers(decoded.select(lines.alias("line"), "record"))


def _names(dtype: Any) -> set[str]:  # Any: a Polars type
    if not isinstance(dtype, pl.Struct):
        return set()
    return {field.name for field in dtype.fields}.union(*(_names(field.dtype) for field in dtype.fields))


def _decoded(records: pl.DataFrame, tree: "_Tree") -> Iterator[tuple[_Cut, pl.DataFrame, pl.Series | None]]:
    """Split *records* so that each part decodes at once, as there is an object at a place in all of it or in none.

    Yields where there is none, and the part; decoded, if that was done already. Places where a path may end as well are
    looked at first, the others only if it doesn't decode.
    """
    inner = _inner(tree)
    for cut, part in _by_shape([(frozenset(), records)], _forks(tree), r'"{}"\s*:\s*\{{', there=True):
        decoded = _all_or_none(part["line"], _dtype(tree, cut))
        if decoded is not None:
            yield cut, part, decoded
            continue
        for smaller, piece in _by_shape([(cut, part)], inner, r'"{}"\s*:\s*[^\s{{n]', there=False):
            yield smaller, piece, None


def _all_or_none(lines: pl.Series, dtype: pl.Struct) -> pl.Series | None:
    """Return *lines* decoded, or None where they don't decode at once, which a sample tells before all are read."""
    try:
        if len(lines) > _SAMPLE:
            lines.sample(_SAMPLE, seed=0).str.json_decode(dtype)
        return lines.str.json_decode(dtype)
    except pl.exceptions.PolarsError:
        return None


def _by_shape(parts: _Parts, places: list[Path], pattern: str, *, there: bool) -> _Parts:
    """Split *parts* by whether the *pattern* of each place is in a line, which tells that an object is *there* or not.

    A guess: where it is wrong (the same key elsewhere in the line) the record takes the slow way.
    """
    for place in places:
        told = pattern.format(re.escape(place[-1]))
        parts = [
            (cut if found == there else cut | {place}, chosen)
            for cut, part in parts
            for found, chosen in _halves(part, part["line"].str.contains(told))
        ]
    return parts


def _halves(records: pl.DataFrame, found: pl.Series) -> list[tuple[bool, pl.DataFrame]]:
    """Return the *records* at which something was *found* and the others, if there are any."""
    if found.all():
        return [(True, records)]
    return [(True, records.filter(found)), (False, records.filter(~found))] if found.any() else [(False, records)]


def _one_by_one(records: pl.DataFrame, paths: Mapping[str, Path]) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows: list[list[str | None]] = []
    reasons: list[str | None] = []
    for line in records["line"].to_list():
        record, reason = None, None
        try:
            record = loads(line)
        except ValueError as error:
            reason = f"not valid JSON: {error}"
        if not reason and not isinstance(record, dict):
            reason = "not a JSON object"
        rows.append([_text(record, where) for where in paths.values()])
        reasons.append(reason)
    read = pl.concat(
        [records, pl.DataFrame(rows, schema=dict.fromkeys(paths, pl.String), orient="row")], how="horizontal"
    ).with_columns(pl.Series("reason", reasons, dtype=pl.String))
    bad = pl.col("reason").is_not_null()
    return read.filter(~bad).drop("reason"), reject(read.filter(bad), pl.col("reason"))


def _text(record: Any, where: Path) -> str | None:  # Any: JSON
    for key in where:
        record = record.get(key) if isinstance(record, dict) else None
    return None if record is None or isinstance(record, dict | list) else text_of(record)


def _at(where: Path, dtype: Any) -> pl.Expr:  # Any: a Polars type
    value = pl.col("record")
    for key in where:
        below = dict(dtype) if isinstance(dtype, pl.Struct) else {}
        if key not in below:
            return pl.lit(None, dtype=pl.String)
        dtype = below[key]
        value = value.struct.field(key)
    return pl.lit(None, dtype=pl.String) if isinstance(dtype, pl.Struct) else value


_Tree = dict[str, Any]
"""Keys and what is below them; the key "" stands where a path ends."""


def _tree(paths: Iterable[Path]) -> _Tree:
    tree: _Tree = {}
    for where in paths:
        node = tree
        for key in where:
            node = node.setdefault(key, {})
        node[""] = {}
    return tree


def _forks(tree: _Tree, above: Path = ()) -> list[Path]:
    """Return where one path ends and another goes on."""
    here = [above] if "" in tree and len(tree) > 1 else []
    return here + [fork for key, below in tree.items() if key for fork in _forks(below, (*above, key))]


def _inner(tree: _Tree, above: Path = ()) -> list[Path]:
    """Return where paths go on and none ends."""
    here = [above] if above and "" not in tree else []
    return here + [place for key, below in tree.items() if key for place in _inner(below, (*above, key))]


def _dtype(tree: _Tree, cut: frozenset[Path], above: Path = ()) -> Any:  # Any: a Struct, text at the leaves
    if above and (above in cut or not any(tree)):
        return pl.String
    # What should be an object, and is none, is nothing that is known.
    keys = [key for key in tree if key and ("" in tree[key] or (*above, key) not in cut)]
    return pl.Struct({key: _dtype(tree[key], cut, (*above, key)) for key in keys})
