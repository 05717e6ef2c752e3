"""A whole JSON document → records: an array of objects, an object that wraps arrays, or one object over several lines.

Exports are often one document and not JSON lines. Its objects are written out as lines, and the formats of JSON lines
then read them as such. A record's `source_offset` is the byte where its object begins in the document. What stands
beside the arrays, such as the session, is a line before all others: it may set a format's context, and is no record.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from parsers.blocks.format import Format
from parsers.blocks.lines import RECORDS, Block
from parsers.claims.parse import Contexts, Rows, parse_records, recover
from parsers.envelopes.lookalikes import standing
from parsers.jsonl.decode import text_of

_DEEPEST = 3
"""Arrays of records are looked for this many objects deep: `{"data": {"agent_calls": [...]}}`."""

MAX_OBJECTS = 1 << 20
"""Of so many objects a document is too large to be read as a whole: each takes up to 300 bytes, however short it is."""

MAX_VALUES = 8 << 20
"""So many values likewise."""

_JSON = json.JSONDecoder(strict=False)
_BLANK = re.compile(r"[ \t\r\n]*")
_Found = tuple[int, int, Any]


class Document(NamedTuple):
    """A source that is one JSON value: where what it `wraps` stands in its text, and it itself, if that is a record."""

    text: str
    size: int
    value: Any
    wraps: list[_Found]
    whole: list[_Found]


def document_of(data: bytes) -> Document | None:
    """Return *data*, a whole source, as a document; None where it isn't one, such as half of one, or JSON lines.

    None also where it has too many values to be held in memory.
    """
    if data.count(b"{") + data.count(b"[") > MAX_OBJECTS or data.count(b",") > MAX_VALUES:
        return None
    text = data.decode("utf-8-sig", "replace")
    start = _after_blank(text, 0)
    if text[start : start + 1] not in ("[", "{"):
        return None
    try:
        value, end = _JSON.raw_decode(text, start)
        if _after_blank(text, end) != len(text):
            return None  # more follows: JSON lines
        wraps = list(_elements(text, start, value, 0))
    except (ValueError, RecursionError):
        return None
    # An object that stands on one line is a JSON line.
    whole = [(start, end, value)] if isinstance(value, dict) and "\n" in text[start:end] else []
    return Document(text, len(data), value, wraps, whole)


def rows_in(document: Document, formats: Sequence[Format]) -> Rows | None:
    """Return the rows of *document*; None where no format knows it."""
    text, size, value, wraps, whole = document
    # What an object wraps comes first: as a whole it holds every word that its parts hold.
    if _is_record(value, formats):
        wraps = []
    for found, contexts in ((wraps, partial(_beside, value, formats)), (whole, dict)):
        rows = parse_records(_frame(text, found, size), formats, size, contexts) if found else None
        if rows is not None:
            return replace(rows, whole=True)
    return None


def parse_document(data: bytes, formats: Sequence[Format]) -> Rows | None:
    """Parse *data*, a whole source, if it is one JSON document; None where it isn't, or where no format knows it."""
    document = document_of(data)
    return rows_in(document, formats) if document else None


def _is_record(value: Any, formats: Sequence[Format]) -> bool:
    """Tell whether *value* as a whole is a record of one of *formats*, whatever arrays are in it."""
    if not isinstance(value, dict) or all(f.stands is None for f in formats):
        return False
    return bool(pl.DataFrame({"line": [text_of(value)]}).select(standing(formats)).item())


def _beside(value: Any, formats: Sequence[Format]) -> Contexts:
    """Return the contexts that *value* sets by what it holds beside arrays and objects."""
    if not isinstance(value, dict):
        return {}
    scalars = {name: member for name, member in value.items() if not isinstance(member, dict | list)}
    return recover(Block(text_of(scalars).encode("utf-8", "replace") + b"\n"), formats)


def _frame(text: str, found: list[_Found], size: int) -> pl.DataFrame:
    offsets = _offsets(text, [at for start, end, _ in found for at in (start, end)], size)
    lines = [text_of(value) for _, _, value in found]
    return pl.DataFrame({"line": lines, "source_offset": offsets[::2], "source_end": offsets[1::2]}, schema=RECORDS)


def _elements(text: str, start: int, value: Any, depth: int) -> Iterator[_Found]:
    """Yield the objects in arrays within *value*, which begins at *start*."""
    for member in _members(text, start):
        if isinstance(value, list):
            if isinstance(member[2], dict):
                yield from _log_lines(text, member) or [member]
            elif fields := _named_values(member[2]):
                yield *member[:2], fields
        elif depth < _DEEPEST and _wraps(member[2], depth + 1):
            yield from _elements(text, member[0], member[2], depth + 1)


def _log_lines(text: str, stream: _Found) -> list[_Found]:
    """Return the lines of a *stream* of Loki's, which has its labels once and then pairs of a time and a line."""
    start, _, value = stream
    pairs = value.get("values")
    if not (isinstance(value.get("stream"), dict) and isinstance(pairs, list) and pairs and isinstance(pairs[0], list)):
        return []
    at = next(begin for begin, _, member in _members(text, start) if member is pairs or member == pairs)
    return [
        (begin, end, {"labels": value["stream"], "timestamp": pair[0], "line": pair[1]})
        for begin, end, pair in _members(text, at)
        if isinstance(pair, list) and len(pair) > 1
    ]


def _named_values(value: Any) -> dict[str, Any]:
    """Return the fields of a row of CloudWatch Logs Insights, `[{"field": name, "value": …}, …]`; else none."""
    if not isinstance(value, list) or not all(isinstance(item, dict) and "field" in item for item in value):
        return {}
    return {str(item["field"]): item.get("value") for item in value}


def _wraps(value: Any, depth: int) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, dict) or _named_values(item) for item in value)
    return isinstance(value, dict) and depth < _DEEPEST and any(_wraps(item, depth + 1) for item in value.values())


def _members(text: str, start: int) -> Iterator[_Found]:
    """Yield where the members of the array or object at *start* begin and end, and their values."""
    keyed = text[start] == "{"
    at = _after_blank(text, start + 1)
    while text[at] not in "]}":
        if keyed:
            _, at = _JSON.raw_decode(text, at)
            at = _after_blank(text, _after_blank(text, at) + 1)  # over the colon
        value, end = _JSON.raw_decode(text, at)
        yield at, end, value
        at = _after_blank(text, end)
        if text[at] == ",":
            at = _after_blank(text, at + 1)


def _after_blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match else at


def _offsets(text: str, positions: list[int], size: int) -> list[int]:
    """Return the byte offsets of ascending *positions* in the UTF-8 of *text*, which has *size* bytes in the source."""
    if text.isascii():
        return [position + size - len(text) for position in positions]  # a byte order mark may stand before it
    offsets, last = [], 0
    at = size - len(text.encode("utf-8", "replace"))
    for position in positions:
        at += len(text[last:position].encode("utf-8", "replace"))
        last = position
        offsets.append(max(at, 0))
    return offsets


def may_be_document(beginning: bytes, *, ended: bool) -> bool:
    """Tell a document from JSON lines: its first line is no value of its own, or there is no second line."""
    start = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] not in (b"{", b"["):
        return False
    first, newline, rest = start.partition(b"\n")
    try:
        json.loads(first)
    except json.JSONDecodeError as error:
        # A line that is no JSON from some place on, such as `[2026-02-03T14:00:00Z] …`, doesn't begin a document.
        return error.msg.startswith(("Extra data", "Unterminated")) or error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        return True
    return not newline or (ended and not rest.strip())
