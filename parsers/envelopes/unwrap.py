"""Lines of a block → the lines that are in their envelopes, as if these stood alone; the others as they are.

What is inside is `Lines` again, with the offsets of the wrapped bytes, so that who asks the formats need not know. An
envelope may be in another: they are taken off in turn, at most `DEEPEST` of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from parsers.blocks.format import Format
from parsers.blocks.lines import RECORDS, Lines, Mask, flags, numbers
from parsers.envelopes.described import described_json, described_text
from parsers.envelopes.json_around import in_json, marked
from parsers.envelopes.known_envelopes import FACTS, FIRST_KEYS
from parsers.envelopes.lookalikes import standing
from parsers.envelopes.objects import one_a_line
from parsers.envelopes.pieces import Joined, consistent, join
from parsers.envelopes.prefixed import before_text
from parsers.envelopes.prefixes import TIMED

DEEPEST = 4

_OPEN_BRACE, _BRACKET, _NEWLINE, _QUOTE = b'{[\n"'
_ESCAPE = "\x1b"
_FIRST = 1 << 16
_LINE_END = '\\n",'
_OBJECT_IN_TEXT = ('{\\"', '{ \\"', "\\u002")
_WORTH = 256
_SAMPLE = 64
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
    `skimmed` says that lines were left out in which no format would find anything.
    """

    lines: Lines
    facts: pl.DataFrame | None
    joined: Joined
    refused: pl.DataFrame
    skimmed: bool = False

    def cut(self, end: int, block_end: int) -> int:
        """Return the last offset up to *end* at which no line that was made of several is cut."""
        return consistent(self.joined, end, block_end)


def unwrap(lines: Lines, formats: Sequence[Format], end: int, *, skim: bool = False) -> Opened:
    """Return what is in the envelopes of *lines*, which end at the offset *end*.

    With *skim*, wrapped lines without any hint of *formats* may be left out: reading JSON costs ten times as much as
    looking for literals. That won't do where a record may go on in them.
    """
    bare, joined = one_a_line(lines, end)
    opened = Opened(bare, None, joined, lines.rejects)
    for _ in range(DEEPEST):
        deeper = _once(opened, formats, end, skim=skim)
        if deeper.lines is opened.lines:
            return deeper
        opened = deeper
        if opened.skimmed and len(opened.joined.begins) > len(joined.begins):
            return unwrap(lines, formats, end)
    return opened


def bare(lines: Lines, formats: Sequence[Format], end: int) -> Opened | None:
    """Return *lines* as they are if none of the first is in an envelope, which will do for a file of one format."""
    if unwrap(lines.head(_SAMPLE), formats, end).facts is not None:
        return None
    alone, joined = one_a_line(lines, end)
    return Opened(alone, None, joined, lines.rejects)


def _once(opened: Opened, formats: Sequence[Format], end: int, *, skim: bool) -> Opened:
    """Take off one envelope of each line that has one."""
    lines, refused = opened.lines, opened.refused
    found: list[pl.DataFrame] = []
    json, text = _may_be_json(lines, formats), _may_have_prefix(lines, formats)
    idle: Mask = np.zeros(len(json), np.bool_)
    if json.any():
        wrapped = marked(_at(lines, json), formats)
        if skim and opened.facts is None and len(wrapped) >= _WORTH:
            idle = _idle(wrapped, lines, formats)
            wrapped = wrapped.filter(flags(~idle[wrapped["at"].to_numpy()]))
        found, bad = in_json(wrapped, formats)
        refused = pl.concat([refused, bad]).unique(["source_offset", "reason"], maintain_order=True)
    if text.any():
        found += before_text(_at(lines, text), formats)
    if not found:
        return replace(opened, refused=refused)
    taken = pl.concat([frame.match_to_schema(_TAKEN, missing_columns="insert") for frame in found])
    taken = _without_standing(taken, lines, formats)
    if taken.is_empty():
        return replace(opened, refused=refused)
    gone = idle.copy()
    gone[taken["at"].to_numpy()] = True
    taken, joined = join(taken, sealed=lines.sealed, end=end)
    rows = pl.concat([_facts(taken, opened), _untouched(opened, ~gone)]).sort("source_offset", maintain_order=True)
    inside = Lines.of(rows["line"], rows["source_offset"], rows["source_end"], like=lines)
    facts = rows.drop("line", "source_offset", "source_end")
    return Opened(inside, facts, opened.joined + joined, refused, opened.skimmed or bool(idle.any()))


def _idle(wrapped: pl.DataFrame, lines: Lines, formats: Sequence[Format]) -> Mask:
    """Return which of *lines*, those in what may be an envelope, hold text in which no format finds anything.

    The first line may be a header, and one whose text has no line end may be a piece of a longer one.
    """
    of_text = [f for f in formats if f.heads is None and not f.json]
    idle: Mask = np.zeros(len(lines), np.bool_)
    if not all(f.hints for f in of_text):
        return idle
    ended = wrapped["line"].str.contains(_LINE_END, literal=True)
    if not ended.any():
        return idle
    idle[wrapped["at"].filter(ended).to_numpy()] = True
    idle &= ~lines.holding({*_OBJECT_IN_TEXT, *(hint for f in of_text for hint in f.hints)})
    idle[0] = False
    return idle


def _without_standing(taken: pl.DataFrame, lines: Lines, formats: Sequence[Format]) -> pl.DataFrame:
    """Return what was *taken* out of *lines* without that of lines that a format reads as they are, and only so."""
    if all(f.stands is None for f in formats):
        return taken
    stands = standing(formats)
    chosen = np.zeros(len(lines), np.bool_)
    chosen[taken["at"].to_numpy()] = True
    outer = _at(lines, chosen).filter(stands)["at"]
    if outer.is_empty():
        return taken
    inside = taken.filter(stands)["at"]
    return taken.filter(~pl.col("at").is_in(outer.implode()) | pl.col("at").is_in(inside.implode()))


def _may_be_json(lines: Lines, formats: Sequence[Format]) -> Mask:
    """Return which lines are JSON objects that begin with a key that an envelope may begin with, told by four bytes."""
    any_key = bool(described_json(formats))
    found: Mask = lines.first_byte == _OPEN_BRACE
    if not found.any():
        return found
    found &= np.asarray(lines.whole)
    if any_key:
        return found
    head = np.zeros(len(lines), np.int64)
    for i in range(_HEAD):
        head |= lines.byte_at(2 + i).astype(np.int64) << (8 * i)
    found &= np.isin(head, _HEADS) | (lines.byte_at(1) != _QUOTE)
    return found


def _may_have_prefix(lines: Lines, formats: Sequence[Format]) -> Mask:
    """Return which text lines may have a prefix.

    None that begins with a time in brackets, but for coloured ones, and where the first lines are those of loggers that
    write times so.
    """
    first = lines.first_byte
    if described_text(formats):
        return np.asarray((first != _OPEN_BRACE) & (first != _NEWLINE) & lines.whole)
    timed = first == _BRACKET
    if timed.any():
        second = lines.byte_at(1)
        timed &= (second >= ord("0")) & (second <= ord("9"))
    found: Mask = (first != _OPEN_BRACE) & (first != _NEWLINE) & ~timed & np.asarray(lines.whole)
    if timed.any() and lines.has(_ESCAPE.encode()):
        found |= timed & lines.whole & lines.holding([_ESCAPE])
    if timed.any() and any(mark.encode() in lines.data[:_FIRST] for mark in TIMED):
        found |= timed & lines.whole & lines.holding(TIMED)
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
