"""Lines of a block → the lines that are in their envelopes, as if these stood alone; the others as they are.

What is inside is `Lines` again, with the offsets of the wrapped bytes, so that who asks the formats need not know. An
envelope may be in another: they are taken off in turn, at most `DEEPEST` of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from parsers.blocks.format import Format
from parsers.blocks.lines import RECORDS, Lines, Mask, flags, numbers
from parsers.envelopes.json_around import in_json
from parsers.envelopes.pieces import Joined, consistent, join
from parsers.envelopes.prefixed import before_text
from parsers.envelopes.table import FACTS, FIRST_KEYS

DEEPEST = 4

_OPEN_BRACE, _BRACKET, _NEWLINE, _QUOTE, _BLANK = b'{[\n" '
_ESCAPE = "\x1b"
_HEAD = 4
_HEADS = np.unique([int.from_bytes(f'{key}"::'.encode()[:_HEAD], "little") for key in FIRST_KEYS])
_TAKEN = pl.Schema(
    {**RECORDS, "at": pl.Int64(), "part": pl.Boolean(), **{name: pl.String() for name in ("envelope", *FACTS)}}
)


@dataclass(frozen=True)
class Opened:
    """The lines inside.

    `facts` has a row for each line: `begin`, where its wrapped line begins, the `envelope` and what that says; None
    when no line is wrapped. `joined` are the lines that were made of several. `refused` are envelopes that are broken.
    """

    lines: Lines
    facts: pl.DataFrame | None
    joined: Joined
    refused: pl.DataFrame

    def cut(self, end: int, block_end: int) -> int:
        """Return the last offset up to *end* at which no line that was made of several is cut."""
        return consistent(self.joined, end, block_end)


def unwrap(lines: Lines, formats: Sequence[Format], end: int) -> Opened:
    """Return what is in the envelopes of *lines*, which end at the offset *end*."""
    opened = Opened(lines, None, Joined.nothing(end), lines.rejects)
    for _ in range(DEEPEST):
        deeper = _once(opened, formats, end)
        if deeper.lines is opened.lines:
            return deeper
        opened = deeper
    return opened


def _once(opened: Opened, formats: Sequence[Format], end: int) -> Opened:
    """Take off one envelope of each line that has one."""
    lines, refused, found = opened.lines, opened.refused, []
    json, text = _may_be_json(lines), _may_have_prefix(lines)
    if json.any():
        found, bad = in_json(_at(lines, json), formats)
        refused = pl.concat([refused, bad]) if len(bad) else refused
    if text.any():
        found += before_text(_at(lines, text), formats)
    if not found:
        return Opened(lines, opened.facts, opened.joined, refused)
    taken = pl.concat([frame.match_to_schema(_TAKEN, missing_columns="insert") for frame in found])
    gone = np.zeros(len(lines), np.bool_)
    gone[taken["at"].to_numpy()] = True
    taken, joined = join(taken, sealed=lines.sealed, end=end)
    rows = pl.concat([_facts(taken, opened), _untouched(opened, ~gone)]).sort("source_offset", maintain_order=True)
    inside = Lines.of(rows["line"], rows["source_offset"], rows["source_end"], like=lines)
    return Opened(inside, rows.drop("line", "source_offset", "source_end"), opened.joined + joined, refused)


def _may_be_json(lines: Lines) -> Mask:
    """Return which lines are JSON objects that begin with a key that an envelope may begin with, told by four bytes."""
    found: Mask = lines.byte_at(0) == _OPEN_BRACE
    if not found.any():
        return found
    found &= np.asarray(lines.whole)
    head = np.zeros(len(lines), np.int64)
    for i in range(_HEAD):
        head |= lines.byte_at(2 + i).astype(np.int64) << (8 * i)
    return found & (np.isin(head, _HEADS) | (lines.byte_at(1) != _QUOTE))


def _may_have_prefix(lines: Lines) -> Mask:
    """Return which lines are text that may have a prefix: not those that begin with a time in brackets, unless coloured."""
    first, second = lines.byte_at(0), lines.byte_at(1)
    timed = (first == _BRACKET) & (second >= ord("0")) & (second <= ord("9"))
    found: Mask = (first != _OPEN_BRACE) & (first != _NEWLINE) & ~timed & np.asarray(lines.whole)
    if timed.any() and _ESCAPE.encode() in lines.data:
        found |= timed & lines.whole & lines.holding([_ESCAPE])
    return found


def _at(lines: Lines, chosen: Mask) -> pl.DataFrame:
    return lines.frame(chosen).with_columns(at=numbers(np.flatnonzero(chosen & lines.whole), "at"))


def _facts(taken: pl.DataFrame, opened: Opened) -> pl.DataFrame:
    """Return *taken* with what the envelopes around its own say too, where its own doesn't."""
    names = ("line", "source_offset", "source_end")
    if opened.facts is None:
        begin = numbers(opened.lines.offsets[taken["at"].to_numpy()], "begin").alias("begin")
        return taken.select(*names, begin, "envelope", *FACTS)
    outer = opened.facts[taken["at"]].rename({name: f"_{name}" for name in ("envelope", *FACTS)})
    both = pl.concat([taken, outer], how="horizontal")
    envelope = pl.concat_str("envelope", "_envelope", separator="+", ignore_nulls=True)
    return both.select(*names, "begin", envelope, *(pl.coalesce(name, f"_{name}").alias(name) for name in FACTS))


def _untouched(opened: Opened, chosen: Mask) -> pl.DataFrame:
    lines = opened.lines
    rows = lines.frame(chosen)
    if opened.facts is None:
        nothing = [pl.lit(None, dtype=pl.String).alias(name) for name in ("envelope", *FACTS)]
        return rows.select("line", "source_offset", "source_end", pl.col("source_offset").alias("begin"), *nothing)
    return pl.concat([rows, opened.facts.filter(flags(chosen & lines.whole))], how="horizontal")
