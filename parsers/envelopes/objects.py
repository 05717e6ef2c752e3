r"""JSON objects that don't stand on one line each → lines of one object.

An object that was printed for people goes over several lines: it opens where a line ends with `{`, by itself or behind
a text, and closes with a line that begins with `}`; all lines between are indented or blank. Objects that were written
one behind the other, `{…}{…}`, stand on one line. A JSON text sequence (RFC 7464) has a record separator, `\x1e`,
before each object.
"""

import json
import re

import numpy as np
import polars as pl

from parsers.blocks.lines import MAX_RECORD, Lines, Mask, Positions
from parsers.envelopes.pieces import Joined
from parsers.jsonl.decode import loads

_OPENING = (b"{\n", b"{\r\n")
_BEHIND = (b'}{"', b'} {"')
_SEPARATOR = "\x1e"
_BRACE, _CLOSE = b"{}"
_INDENTED = np.frombuffer(b" \t\r\n", np.uint8)
_BLANK = re.compile(r"[ \t]*")
_JSON = json.JSONDecoder(strict=False)


def one_a_line(lines: Lines, end: int) -> tuple[Lines, Joined]:
    """Return *lines*, which end at the offset *end*, with one object a line, and which of them were made of several."""
    separated = lines.has(_SEPARATOR.encode())
    if not separated and not lines.has(*_OPENING, *_BEHIND):
        return lines, Joined.nothing(end)
    spread, behind = _spread(lines, end), _behind(lines)
    if not separated and not spread and not len(behind):
        return lines, Joined.nothing(end)
    open_at = min((int(lines.offsets[first]) for first, last, _ in spread if last is None), default=end)
    inside = np.zeros(len(lines), np.bool_)
    made: list[tuple[str, int, int]] = []
    for first, last, text in spread:
        if last is not None:
            inside[first : last + 1] = True
            made.append((text, int(lines.offsets[first]), int(lines.source_ends[last])))
    joined = Joined(_positions(made, 1), _positions(made, 2), open_at)
    for i in behind[~inside[behind] & lines.whole[behind] & (lines.first_byte[behind] == _BRACE)].tolist():
        parts = _parts(lines.text(i, i), int(lines.offsets[i]), int(lines.source_ends[i]))
        if parts:
            inside[i] = True
            made += parts
            joined += Joined(lines.offsets[i : i + 1], lines.source_ends[i : i + 1], end)
    kept = lines.frame(~inside)
    records = pl.DataFrame(made, schema=kept.schema, orient="row")
    rows = pl.concat([kept, records]).sort("source_offset", maintain_order=True)
    rows = rows.with_columns(pl.col("line").str.strip_chars_start(_SEPARATOR))
    return Lines.of(rows["line"], rows["source_offset"], rows["source_end"], like=lines), joined


def _spread(lines: Lines, end: int) -> list[tuple[int, int | None, str]]:
    """Return the first and the last line of each object over several, and its text; no last one where that may come."""
    if not lines.has(*_OPENING):
        return []
    opens = _opening(lines)
    indented = np.isin(lines.first_byte, _INDENTED)
    others = np.flatnonzero(~indented)
    found: list[tuple[int, int | None, str]] = []
    after = 0
    for first in np.flatnonzero(opens & ~indented & lines.whole).tolist():
        if first < after:
            continue
        at = int(np.searchsorted(others, first, side="right"))
        if at == len(others):
            if not lines.sealed and end - int(lines.offsets[first]) < MAX_RECORD:
                found.append((first, None, ""))
            break
        last = int(others[at])
        if last == first + 1 or lines.first_byte[last] != _CLOSE or not lines.whole[first : last + 1].all():
            continue
        text = lines.text(first, last).rstrip(" \t,;")
        brace = 0 if text.startswith("{") else text.index("{\n")
        if _is_object(text[brace:]):
            found.append((first, last, text.replace("\n", " ")))
            after = last + 1
    return found


def _behind(lines: Lines) -> Positions:
    """Return which lines may hold an object behind another."""
    if not lines.has(*_BEHIND):
        return np.zeros(0, np.int64)
    return np.flatnonzero(lines.holding([literal.decode() for literal in _BEHIND]))


def _opening(lines: Lines) -> Mask:
    """Return which lines end with an open brace."""
    buffer = np.frombuffer(lines.data, np.uint8)
    last = lines.bounds[1:] - 2
    last = np.where((last > 0) & (buffer[last] == ord("\r")), last - 1, last)
    opens: Mask = (last >= lines.bounds[:-1]) & (buffer[np.maximum(last, 0)] == _BRACE)
    return opens


def _is_object(text: str) -> bool:
    try:
        return isinstance(loads(text), dict)
    except ValueError:
        return False


def _parts(text: str, offset: int, end: int) -> list[tuple[str, int, int]]:
    """Return the objects of which *text*, a line, consists, and where each is; none where there is anything else."""
    found, at = [], 0
    while at < len(text):
        try:
            value, after = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError):
            return []
        if not isinstance(value, dict):
            return []
        begin = offset
        offset += len(text[at:after].encode("utf-8", "replace"))
        found.append((text[at:after], begin, offset))
        blank = _BLANK.match(text, after)
        at = blank.end() if blank else after
        offset += at - after
    return [*found[:-1], (*found[-1][:2], end)]


def _positions(made: list[tuple[str, int, int]], which: int) -> Positions:
    return np.array([made_of[which] for made_of in made], np.int64)
