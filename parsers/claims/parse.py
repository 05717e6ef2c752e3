"""A block of any formats → rows: offer each line to the formats in order, and let each parse what it claimed."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

import numpy as np
import polars as pl

from parsers.blocks.format import Context, Format
from parsers.blocks.lines import (
    MAX_KEPT,
    MAX_RECORD,
    MAX_RECORD_LINES,
    NONE_REJECTED,
    Block,
    Lines,
    Mask,
    Positions,
    occurring,
    split,
)
from parsers.claims.overlooked import unread
from parsers.envelopes.containers import brought_up
from parsers.envelopes.facts import tell_calls, tell_events, tell_rejects
from parsers.envelopes.lookalikes import may_hold
from parsers.envelopes.unwrap import Opened, bare, unwrap
from parsers.rows.stated_limits import stated_limits
from parsers.schema import EMPTY, TABLES, conform
from parsers.values.privacy import guarded_rows

Contexts = Mapping[str, Context]
"""The context of each format of a source, by the format's name."""

_LONG = 1024
"""Mean length of the lines, in bytes, from which on they are long."""

_HANDFUL = 4
"""So few formats are asked by their hints at once: to find out first which of these there are takes longer."""

_FEW = 64
"""Of so many lines, all are offered: to compile the regex for all hints takes longer."""

_OPEN_BRACE = ord("{")
_BLANK = ord(" ")
_LINE_ENDS = (b"\n", b"\n\0")


@dataclass(frozen=True)
class Rows:
    """What a block held: rows of the three tables, and the offset up to which the source is done.

    `end` is the end of the last closed record: bytes after it must be offered again with what follows them. Columns
    that only a reader of files knows (source_id, source_path, ingested_at, prices) are NULL. `claimed` counts the
    records that some format knew, also those that make no row, such as a header. `whole` says that a source was read
    as one document, of which no part can be read alone. `unread` counts the lines that speak of tokens and a model and
    that no format knew, `lines` all that the block had. `height` is how many rows that is, of all tables.
    """

    calls: pl.DataFrame
    events: pl.DataFrame
    rejects: pl.DataFrame
    end: int
    contexts: Contexts
    claimed: int = 0
    whole: bool = False
    unread: int = 0
    lines: int = 0

    height: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the rows of all tables."""
        object.__setattr__(self, "height", self.calls.height + self.events.height + self.rejects.height)


def parse(block: Block, formats: Sequence[Format], contexts: Contexts | None = None) -> Rows:
    """Parse *block*; *contexts* is what the blocks before it left."""
    wrapped = split(block)
    block_end = end = block.offset + len(block.data)
    after = dict(contexts or {})
    owner = _owner(block, wrapped, formats, after)
    whole = bare(wrapped, formats, end) if owner else None
    opened = whole or unwrap(wrapped, formats, end, skim=True)
    if opened.lines is not wrapped:
        owner = _owner(block, opened.lines, formats, after)
    found = _found(opened.lines, formats, after, owner)
    if opened.skimmed and any(f.heads is not None or _spanning(records, f).any() for f, records in found):
        opened = unwrap(wrapped, formats, end)
        found = _found(opened.lines, formats, after, _owner(block, opened.lines, formats, after))
    claimed = []
    for format_, records in found:
        closed, open_at = (records, end) if opened.skimmed else _closed(records, opened.lines, format_, end)
        end = min(end, open_at)
        claimed.append((format_, closed))
    end = opened.cut(end, block_end)
    rows = _told(rows_of(claimed, opened.refused, end, after), opened)
    told = any(after.values()) or any(not format_.rank for format_, _ in claimed)
    left = 0 if told else len(unread(opened.lines, claimed, formats, before=end))
    rows = replace(rows, rejects=_with_bytes(rows.rejects, block), unread=left, lines=len(wrapped))
    if block.sealed and not block.data.endswith(_LINE_ENDS) and len(wrapped):
        return replace(rows, calls=flagged(rows.calls, pl.col("source_offset") >= int(wrapped.offsets[-1])))
    return rows


def _found(
    lines: Lines, formats: Sequence[Format], after: Contexts, owner: Format | None
) -> list[tuple[Format, pl.DataFrame]]:
    """Return the records in *lines* by their formats: those of the *owner*, where one has the whole source."""
    if owner is not None:
        return [(owner, _whole(lines, owner))]
    found = claimed_by(lines, formats)
    told = {format_.name for format_, _ in found} | {name for name, context in after.items() if context}
    whole = [format_ for format_ in formats if format_.whole and told == {format_.name}]
    broken = lines.frame(values(lines)) if whole else None
    if broken is None or broken.is_empty():
        return found
    return [(whole[0], pl.concat([*(records for _, records in found), broken]).sort("source_offset"))]


def values(lines: Lines) -> Mask:
    """Return which lines may be JSON values that are no objects."""
    others: Mask = ~_braces(lines) & (lines.first_byte > _BLANK)
    return others


def _spanning(records: pl.DataFrame, format_: Format) -> pl.Series:
    """Return which of the *records* of a format may go on in the lines after them."""
    if format_.closed is None or format_.starts is None:
        return pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(records))
    return records.select(~format_.closed).to_series()


def _told(rows: Rows, opened: Opened) -> Rows:
    """Return *rows* with what the envelopes of their lines say of them."""
    if opened.facts is None:
        return rows
    lines, facts = opened.lines, opened.facts
    return replace(
        rows,
        calls=tell_calls(rows.calls, lines, facts),
        events=tell_events(rows.events, lines, facts),
        rejects=tell_rejects(rows.rejects, lines, facts),
    )


def parse_records(
    records: pl.DataFrame, formats: Sequence[Format], end: int, contexts: Callable[[], Contexts]
) -> Rows | None:
    """Parse JSON *records* (`RECORDS`) that were found without splitting lines; None when no format claims any.

    What *contexts* they stand in is only asked if one does.
    """
    if not may_hold(records["line"], formats):
        return None
    texts, places = records["line"], (records["source_offset"], records["source_end"])
    opened = unwrap(Lines.of(texts, *places, like=split(Block(b"", sealed=True))), formats, end)
    claimed = claimed_by(opened.lines, formats)
    if not claimed:
        return None
    ended = [(format_, _closed(some, opened.lines, format_, end)[0]) for format_, some in claimed]
    return _told(rows_of(ended, NONE_REJECTED, end, dict(contexts())), opened)


def rows_of(
    claimed: Sequence[tuple[Format, pl.DataFrame]], refused: pl.DataFrame, end: int, after: dict[str, Context]
) -> Rows:
    """Return the rows of the records before *end* that each format *claimed*; *after* becomes the contexts there."""
    calls, events, count = [], [], 0
    rejects = [] if refused.is_empty() else [refused.with_columns(format=pl.lit(None, dtype=pl.String))]
    for format_, records in claimed:
        before_end = _before(records, end)
        if before_end.is_empty():
            continue
        count += before_end.height
        parsed = format_.parse(before_end, after.get(format_.name, {}))
        if parsed.context or format_.name in after:
            after[format_.name] = parsed.context
        calls.append(_guarded(parsed.calls, "llm_calls"))
        own = _guarded(parsed.events, "llm_events")
        # What an error says of a limit may stand behind its first line, which is all that is kept of it.
        whole = calls[-1].with_columns(parsed.calls["error"]) if "error" in parsed.calls.columns else calls[-1]
        events += [own, _guarded(stated_limits(whole, own), "llm_events")]
        if not parsed.rejects.is_empty():
            rejects.append(parsed.rejects.with_columns(format=pl.lit(format_.name)))
    all_refused = _before(pl.concat(rejects, how="diagonal").sort("source_offset"), end) if rejects else NONE_REJECTED
    tables = _ordered(calls, "llm_calls"), _ordered(events, "llm_events"), _guarded(all_refused, "rejects")
    return Rows(*tables, end, after, count)


def _before(records: pl.DataFrame, end: int) -> pl.DataFrame:
    """Return those of *records*, which are in source order, that begin before *end*: nearly always all."""
    if records.is_empty() or records["source_offset"][-1] < end:
        return records
    return records.filter(pl.col("source_offset") < end)


def _guarded(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """Return *rows* as they may be kept in *table*."""
    return EMPTY[table] if rows.is_empty() else conform(guarded_rows(rows), TABLES[table])


def recover(block: Block, formats: Sequence[Format], contexts: Contexts | None = None) -> Contexts:
    """Return the contexts after *block* without making rows: what a reader that resumes later needs to know."""
    after = dict(contexts or {})
    lines = unwrap(split(block), formats, block.offset + len(block.data)).lines
    if owner := _owner(block, lines, formats, after):
        records = _whole(lines, owner)
        told = [] if after.get(owner.name) else [records.head(1)]
        if owner.sets_context is not None:
            told.append(records.filter(owner.sets_context))
        for some in told:
            if not some.is_empty():
                after[owner.name] = owner.parse(some, after.get(owner.name, {})).context
        return after
    braces = _braces(lines)
    for format_ in formats:
        if format_.sets_context is None:
            continue
        records = lines.frame(braces if format_.json else ~braces).filter(format_.sets_context)
        if not records.is_empty():
            after[format_.name] = format_.parse(records, after.get(format_.name, {})).context
    return after


def _whole(lines: Lines, owner: Format) -> pl.DataFrame:
    """Return the records of a source that is in one format as a whole."""
    return lines.frame(owner.starts(lines, np.arange(len(lines))) if owner.starts is not None else None)


def _with_bytes(refused: pl.DataFrame, block: Block) -> pl.DataFrame:
    """Fill `raw` where the text of a record that was *refused* isn't what its bytes are."""
    if refused.is_empty() or block.encoding != "utf-8":
        return refused
    at = refused.select(pl.col("line").str.contains("\ufffd", literal=True) & pl.col("raw").is_null()).to_series()
    if not at.any():
        return refused
    ranges = refused.filter(at).select(
        start=pl.col("source_offset") - block.offset, end=pl.col("source_end") - block.offset
    )
    raw = [block.data[start : min(end, start + MAX_KEPT)] for start, end in ranges.iter_rows()]
    return refused.with_columns(raw=refused["raw"].scatter(at.arg_true(), raw))


def flagged(calls: pl.DataFrame, unended: pl.Expr) -> pl.DataFrame:
    """Mark the *unended* calls, those on a last line whose end was never written, in their metadata."""
    flag = pl.lit('"unterminated":true}')
    fields = pl.col("metadata").str.strip_suffix("}") + ","
    marked = pl.when(pl.col("metadata").is_null()).then(pl.lit("{") + flag).otherwise(fields + flag)
    return calls.with_columns(metadata=pl.when(unended).then(marked).otherwise("metadata"))


def _owner(block: Block, lines: Lines, formats: Sequence[Format], contexts: Contexts) -> Format | None:
    """Return the format that a source's first line says the whole source is in, if it says so."""
    candidates = [f for f in formats if f.heads is not None]
    for format_ in candidates:
        if contexts.get(format_.name):
            return format_
    if block.offset or not candidates or not lines.whole[:1].all():
        return None
    first = lines.frame(np.arange(len(lines.whole)) == 0)
    if first.is_empty():
        return None
    told = first.select(pl.coalesce(f.heads, pl.lit(value=False)).alias(f.name) for f in candidates).row(0)
    return next((f for f, yes in zip(candidates, told, strict=True) if yes), None)


def claimed_by(lines: Lines, formats: Sequence[Format]) -> list[tuple[Format, pl.DataFrame]]:
    """Return the records that each format claims, those that none claims left out."""
    result = []
    braces = _braces(lines)
    for is_json, asked in ((False, ~braces), (True, braces)):
        of_kind = [f for f in formats if f.json is is_json and f.heads is None]
        if not of_kind or not asked.any():
            continue
        if is_json:
            result += _json_claimed(_hinted(lines.frame(asked), of_kind), of_kind)
            continue
        if all(f.hints for f in of_kind):
            records = lines.frame(asked & lines.holding({hint for f in of_kind for hint in f.hints}))
        else:
            records = lines.frame(asked)
        result += _offered(records, of_kind)
    return result


def _json_claimed(records: pl.DataFrame, formats: Sequence[Format]) -> list[tuple[Format, pl.DataFrame]]:
    """Return what *formats* claim of JSON *records*.

    Those that know their own lines are asked first; the others may find what they look for in an object below the top.
    """
    knowing, guessing = [f for f in formats if not f.rank], [f for f in formats if f.rank]
    first = _offered(records, knowing)
    if not guessing:
        return first
    gone = [mine["source_offset"] for _, mine in first]
    rest = records.filter(~pl.col("source_offset").is_in(pl.concat(gone).implode())) if gone else records
    return first if rest.is_empty() else first + _offered(brought_up(rest, guessing), guessing)


def _hinted(records: pl.DataFrame, formats: Sequence[Format]) -> pl.DataFrame:
    """Return those of *records* that hold a hint of one of *formats*, if finding that out is worth it."""
    if len(records) <= _FEW or _is_long(records) or not all(f.hints for f in formats):
        return records
    hinted = pl.col("line").str.contains(_any_of(hint for f in formats for hint in f.hints))
    if records.sample(_FEW, seed=0).select(hinted.all()).item():
        return records
    return records.filter(hinted)


def _offered(records: pl.DataFrame, formats: Sequence[Format]) -> list[tuple[Format, pl.DataFrame]]:
    """Return what each of *formats* claims; of several, one is asked only about lines that hold one of its hints."""
    there = {hint for f in formats for hint in f.hints} if len(formats) > 1 else set()
    if len(formats) > _HANDFUL:
        there = occurring(records["line"], there)
    result, rest = [], _Rest(records)
    for format_ in formats:
        hints = there.intersection(format_.hints)
        if there and format_.hints and not hints:
            continue
        asked = rest.holding(hints)
        if not asked.any():
            continue
        candidates = rest.records.filter(asked)
        mine = candidates.select(format_.claims.fill_null(value=False)).to_series()
        if mine.any():
            result.append((format_, candidates.filter(mine)))
            rest.give(asked.arg_true().filter(mine))
    return result


def _any_of(literals: Iterable[str]) -> str:
    """Return one regex for *literals*.

    Of few it is a vectorised search, ten times as fast as `contains_any`; of fifty both find 0.6 GB/s.
    """
    return "|".join(sorted({pl.escape_regex(literal) for literal in literals}))


def _is_long(records: pl.DataFrame) -> bool:
    """Tell whether searching for one literal after the other is faster than for all of them by one regex.

    One literal is found at 15 GB/s, ten that are rare by one regex at 5 GB/s, twenty of which some are frequent at
    0.4 GB/s, but each search costs some 30 ns a line besides.
    """
    return records["line"].str.len_bytes().sum() > _LONG * len(records)


class _Rest:
    """The records that no format has claimed, and which literals they hold."""

    def __init__(self, records: pl.DataFrame) -> None:
        self.records = records
        self._is_long = _is_long(records)
        self._free = pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(records))
        self._held: dict[str, pl.Series] = {}

    def holding(self, hints: Collection[str]) -> pl.Series:
        """Return which records are free and hold one of the *hints*; without hints, which are free."""
        if not hints:
            return self._free
        patterns = [pl.escape_regex(hint) for hint in hints] if self._is_long else [_any_of(hints)]
        for pattern in patterns:
            if pattern not in self._held:
                self._held[pattern] = self.records["line"].str.contains(pattern)
        return self._free & reduce(or_, (self._held[pattern] for pattern in patterns))

    def give(self, claimed: pl.Series) -> None:
        """Take the records at the positions that were *claimed* out of the free ones."""
        self._free = self._free.scatter(claimed, False)  # noqa: FBT003 -- Polars takes it by position
        if self._free.sum() * 2 < len(self._free):
            self.records = self.records.filter(self._free)
            self._held = {pattern: held.filter(self._free) for pattern, held in self._held.items()}
            self._free = self._free.filter(self._free)


def _braces(lines: Lines) -> Mask:
    """Return which lines may be JSON objects."""
    begins: Mask = lines.first_byte == _OPEN_BRACE
    return begins


def _closed(records: pl.DataFrame, lines: Lines, format_: Format, end: int) -> tuple[pl.DataFrame, int]:
    """Extend records over the lines that continue them; return also where a record begins that isn't closed yet."""
    spanning = _spanning(records, format_)
    if format_.starts is None or not spanning.any():
        return records, end
    line_of = np.searchsorted(lines.offsets, records["source_offset"].filter(spanning).to_numpy())
    following = _next_begins(lines, format_.starts, line_of)
    texts, ends = [], []
    for line, begins in zip(line_of.tolist(), following.tolist(), strict=True):
        unfinished = begins == len(lines)
        may_go_on = end - int(lines.offsets[line]) < MAX_RECORD and len(lines) - line < MAX_RECORD_LINES
        if unfinished and not lines.sealed and may_go_on:
            end = int(lines.offsets[line])
            break
        last = begins - 1
        texts.append(lines.text(line, last))
        ends.append(int(lines.source_ends[last]))
    at = spanning.arg_true().head(len(texts))
    extended = records.with_columns(
        line=records["line"].scatter(at, texts), source_end=records["source_end"].scatter(at, ends)
    )
    return extended, end


def _next_begins(lines: Lines, starts: Callable[[Lines, Positions], Mask], after: Positions) -> Positions:
    """Return the first line behind each of those at *after* that begins a record; how many lines there are if none."""
    following = after + 1
    if starts(lines, following[following < len(lines)]).all():
        return following  # as nearly always: most that may go on don't
    begins = np.flatnonzero(starts(lines, np.arange(len(lines))))
    return np.append(begins, len(lines))[np.searchsorted(begins, after, side="right")]


def _ordered(frames: list[pl.DataFrame], table: str) -> pl.DataFrame:
    if not frames:
        return EMPTY[table]
    return frames[0] if len(frames) == 1 else pl.concat(frames).sort("source_offset", maintain_order=True)
