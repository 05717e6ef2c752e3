"""Lines that no format knows → their fields, whatever notation they are in: what a mapping is to be suggested from.

Notations are JSON (an object within text, too), `key=value` and prose in text, and CSV. Nothing is hot here: Python
looks at the lines of a file's beginning, and only at those that may speak of tokens.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from parsers.blocks.csv_rows import SEPARATORS
from parsers.blocks.format import Format, Parsed
from parsers.blocks.lines import Block, split
from parsers.claims.documents import parse_document
from parsers.claims.parse import claimed_by, parse
from parsers.envelopes.unwrap import unwrap
from parsers.explain.guesses import Seen
from parsers.jsonl.decode import loads, text_of

MOST = 5_000
"""So many lines are looked at."""

_MAY_COUNT = re.compile(
    r"tok|usage|prompt|completion|input|output|_in\b|_out\b|\bin\b|\bout\b|model|engine", re.IGNORECASE
)
_DEEPEST, _ARRAYS = 8, 3
_FEWEST_COLUMNS = 3
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_AT_START = re.compile(rf"^\W{{0,2}}{_ISO}")
TIMES = {r"^\W{0,2}…": _ISO, r"\[…\]": rf"{_ISO}|\d\d/[A-Z][a-z]{{2}}/\d{{4}}:\d\d:\d\d:\d\d [+-]\d{{4}}"}
"""Where in text a time is, and what it looks like there."""

_OBJECT = re.compile(r"\{.*\}")
_SIDE = "prompt|input|request|completion|output|response|cached|reasoning|total"
_PAIR = re.compile(
    rf"""(?<![\w.:-])((?:(?:{_SIDE}) )?[A-Za-z_][\w.-]*)(\s?=\s?|: ?)("[^"]*"|'[^']*'|[^\s,;|)\]}}"']+)"""
)
_COUNTED = re.compile(rf"\b(\d[\d,]*) ((?:{_SIDE}) (?:tokens?|toks?))\b")
_NAMED = re.compile(r"\b(model|engine|using|via|with|to|from) ([A-Za-z@][\w./:@-]*[\w])")

Fields = dict[str, list[str]]
"""The values at each place of a record; of an element of an array, several."""

_Keys = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Unread:
    """Records of one notation: `json`, `text` or `csv`.

    Attributes:
        notation: which.
        lines: the text of each record.
        records: its fields.
        keys: the keys on the way to each place.
        unwrap: regexes for what is around the lines.
        told: whether an envelope says when.
        others: lines of the same notation that have no counts.
    """

    notation: str
    lines: Sequence[str]
    records: Sequence[Fields]
    keys: Mapping[str, tuple[str, ...]]
    unwrap: tuple[str, ...] = ()
    told: bool = False
    others: Sequence[str] = field(default=())

    def fields(self) -> list[Seen]:
        """Return each field with its values, in the order in which they come."""
        values: Fields = {}
        for record in self.records:
            for place, some in record.items():
                values.setdefault(place, []).extend(some)
        return [Seen(place, self.keys[place], tuple(some)) for place, some in values.items() if some]


def unread(block: Block, formats: Sequence[Format]) -> list[Unread]:
    """Return the records of *block* that none of *formats* reads, by notation: the likeliest first."""
    if (elements := _of_document(block.data)) is not None:
        return [] if parse_document(block.data, formats) else [_of_json(elements, elements, told=False)]
    if table := _of_csv(block.data):
        return [] if len(parse(block, formats).calls) else [table]
    known = unwrap(split(block), formats, block.offset + len(block.data)).lines
    taken = pl.concat(
        [pl.Series([], dtype=pl.Int64), *(records["source_offset"] for _, records in claimed_by(known, formats))]
    )
    opened = unwrap(split(block), _PROBES, block.offset + len(block.data))
    frame = opened.lines.frame()
    told = opened.facts is not None and opened.facts["time"].null_count() < len(frame)
    lines = frame.filter(~pl.col("source_offset").is_in(taken.implode()))["line"].head(MOST).to_list()
    objects = [line for line in lines if line.startswith("{")]
    texts = [line for line in lines if not line.startswith("{")]
    found_json = _of_json(objects, objects, told=told)
    found = [
        found_json,
        _within_text(list(zip(texts, texts, strict=True)), told=told),
        *_within_fields(found_json, told=told),
        _of_text(texts, told=told),
    ]
    return [one for one in found if one.records]


def _none(records: pl.DataFrame, _context: Mapping[str, str]) -> Parsed:
    raise NotImplementedError(f"nothing reads {len(records)} lines by a probe")


_LINE = pl.col("line")
_PROBES = (
    Format(
        "json", "", json=True, claims=_LINE.str.contains(r'(?i)"[^"\\]*(?:tok|usage|model)[^"\\]*"\s*:'), parse=_none
    ),
)
"""What may be a line with counts, so that it is found in envelopes that don't tell themselves."""


def _of_document(data: bytes) -> list[str] | None:
    """Return the objects in the arrays of *data*, if it is one JSON document."""
    text = data.decode("utf-8-sig", "replace").strip()
    if not text.startswith("[") and not re.match(r"\{\s*\n", text):
        return None
    try:
        return [text_of(item) for item in _items(json.loads(text, strict=False), 0)][:MOST]
    except (ValueError, RecursionError):
        return None


def _items(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
    elif isinstance(value, dict) and depth < _ARRAYS:
        for member in value.values():
            yield from _items(member, depth + 1)


def _of_json(lines: Sequence[str], objects: Sequence[str], *, told: bool, unwrap: tuple[str, ...] = ()) -> Unread:
    keys: _Keys = {}
    records, kept, others = [], [], []
    for line, text in zip(lines, objects, strict=True):
        try:
            record = loads(text) if _MAY_COUNT.search(text) else None
        except ValueError:
            continue
        if isinstance(record, dict):
            fields: Fields = {}
            _flatten(record, "", (), fields, keys)
            records.append(fields)
            kept.append(line)
        else:
            others.append(line)
    return Unread("json", kept, records, keys, unwrap, told, others)


def _within_text(pairs: Sequence[tuple[str, str]], *, told: bool, place: tuple[str, ...] = ()) -> Unread:
    """Return the objects that stand behind other words in texts: *pairs* of a line and the text in it, at *place*."""
    found = [(line, text, some[0]) for line, text in pairs if (some := _OBJECT.search(text))]
    timed = bool(found) and all(_AT_START.search(text) for _, text, _ in found)
    before = rf"^\W{{0,2}}(?P<time>{_ISO})" if timed else "^"
    unwrap = (*place, before + r"[^{]*(?P<line>\{.*\})")
    return _of_json([line for line, _, _ in found], [text for *_, text in found], told=told or timed, unwrap=unwrap)


def _within_fields(outer: Unread, *, told: bool) -> Iterator[Unread]:
    """Yield the same for each text field of JSON."""
    for place in outer.keys:
        pairs = [(line, value) for line, record in zip(outer.lines, outer.records, strict=True)
                 for value in record.get(place, ())]  # fmt: skip
        yield _within_text(pairs, told=told, place=(place,))


def _flatten(value: Any, place: str, keys: tuple[str, ...], fields: Fields, named: _Keys) -> None:
    """Note in *fields* the values below *value*, which is at *place*; in JSON within texts, and in arrays, too."""
    if isinstance(value, str) and value.lstrip().startswith("{") and keys:
        try:
            value = loads(value)
        except ValueError:
            return
    if isinstance(value, dict) and len(keys) < _DEEPEST:
        for key, member in value.items():
            written = f'"{key}"' if "." in key or '"' in key or not key or "[]" in key else key
            if '"' not in key:
                _flatten(member, f"{place}.{written}" if place else written, (*keys, key), fields, named)
    elif isinstance(value, list) and keys and all(isinstance(item, dict) for item in value):
        for item in value:
            _flatten(item, f"{place}[]", keys, fields, named)
    elif keys and value is not None and not isinstance(value, dict | list):
        fields.setdefault(place, []).append(text_of(value))
        named[place] = keys


def _of_csv(data: bytes) -> Unread | None:
    """Return the rows below the header of *data*, if it is CSV."""
    text = data.decode("utf-8-sig", "replace")
    first = text.partition("\n")[0].rstrip("\r")
    separator = max(SEPARATORS, key=first.count)
    if (
        first.count(separator) + 1 < _FEWEST_COLUMNS
        or first.startswith(("{", "["))
        or not _MAY_COUNT.search(first)
        or "=" in first
    ):
        return None
    rows = list(csv.reader(text.splitlines(keepends=True), delimiter=separator))[: MOST + 1]
    names = [name.strip() for name in rows[0]]
    good = [row for row in rows[1:] if len(row) == len(names)]
    if not good or len(good) * 2 < len(rows) - 1 or any(_A_NUMBER.fullmatch(name) for name in names):
        return None
    decimal = [[cell.replace(",", ".") if separator == ";" and _DECIMAL.fullmatch(cell) else cell for cell in row]
               for row in good]  # fmt: skip
    records = [
        {name: [cell] for name, cell in zip(names, row, strict=True) if cell.strip() and name} for row in decimal
    ]
    return Unread("csv", [separator.join(row) for row in good], records, {name: (name,) for name in names})


_A_NUMBER = re.compile(r"[\d.:/ -]+")
_DECIMAL = re.compile(r"-?\d+,\d+")


def _of_text(lines: Sequence[str], *, told: bool) -> Unread:
    keys: _Keys = {}
    records, kept, others = [], [], []
    for line in lines:
        fields = {place: [value] for place, value, _ in text_fields(line) if value != "-"}
        if len(fields) > 1 and _MAY_COUNT.search(line):
            keys |= {place: (_key(place),) for place in fields}
            records.append(fields)
            kept.append(line)
        else:
            others.append(line)
    return Unread("text", kept, records, keys, (), told, others)


def text_fields(line: str) -> list[tuple[str, str, int]]:
    """Return the fields in a line of text: the regex that finds each, with `…` for its value, the value, and where."""
    found = []
    for place, looks in TIMES.items():
        if match := re.search(place.replace("…", f"({looks})"), line):
            found.append((place, match[1], match.start(1)))
    for match in _PAIR.finditer(line):
        key, sep, value = match.groups()
        if not (sep.startswith(":") and value.startswith("/")):
            bare = value.strip("\"'")
            found.append((rf"\b{re.escape(key)}{re.escape(sep.strip())}\W{{0,2}}…", bare, match.start()))
    found += [(rf"… {match[2]}\b", match[1], match.start()) for match in _COUNTED.finditer(line)]
    found += [(rf"\b{match[1]} …", match[2], match.start()) for match in _NAMED.finditer(line)]
    return list({place: (place, value, at) for place, value, at in reversed(found)}.values())[::-1]


def _key(place: str) -> str:
    """Return what the regex *place* calls its value."""
    if place in TIMES:
        return "time"
    return re.sub(r"\\W.*|\\b|…|\\", "", place).strip(" =:")
