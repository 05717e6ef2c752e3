"""How a record is read: which format took it, which field feeds which column, what is ignored, why it is rejected.

Nothing here knows the formats. A record is parsed again and again, each time without one of its fields or with another
value in its place: the columns that change are the ones that the field feeds. So the explanation can't differ from
what parsing does.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from parsers.blocks.format import Format, Known, Parsed, Related
from parsers.blocks.lines import RECORDS, Block, split
from parsers.claims.documents import parse_document
from parsers.claims.parse import Contexts, Rows, claimed_by, parse, recover
from parsers.envelopes.unwrap import unwrap
from parsers.explain import variants as pieces
from parsers.explain.variants import Piece, R
from parsers.schema import CALLS, EVENTS, conform

_OWN = {"source_offset", "source_id", "source_path", "ingested_at"}
_MARK = "\ufeff"
_Row = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """One field of a record, the columns that it feeds, and whether the record would be no call without it."""

    path: str
    value: Any
    columns: tuple[str, ...]
    required: bool


@dataclass(frozen=True)
class Explanation:
    """What became of a record.

    `format` is the one that took it: None if none did, empty if it isn't known which. `rows` are what the record gave,
    `reason` is why it failed.
    """

    line: str
    offset: int
    format: str | None
    rows: tuple[_Row, ...] = ()
    events: tuple[_Row, ...] = ()
    reason: str | None = None
    fields: tuple[Field, ...] = field(default=())

    @property
    def ignored(self) -> tuple[Field, ...]:
        """The fields that change nothing."""
        return tuple(f for f in self.fields if not f.columns and not f.required)


def explain(line: str, formats: Sequence[Format], *, contexts: Contexts | None = None, offset: int = 0) -> Explanation:
    """Explain the record *line*; *contexts* is what the lines before it left, *offset* where it was found."""
    block = Block(line.encode("utf-8", "replace") + b"\n", offset, sealed=True)
    rows = parse(block, formats, contexts)
    name = _format_name(rows)
    if name is None and rows.claimed:
        return Explanation(line, offset, "", reason="it is read, but holds no call itself")
    if name is None:
        return Explanation(line, offset, None, reason="no format claims it")
    calls, events = _plain(rows.calls), _plain(rows.events)
    reason = rows.rejects["reason"][0] if len(rows.rejects) else None
    format_ = _taker(name, block, formats, contexts or {})
    fields: tuple[Field, ...] = ()
    inside = _inside(block, formats)
    if format_ is not None and format_.sets_context is not None and contexts is None and reason is not None:
        reason += " (lines before it may say more: explain the whole file)"
    if format_ is not None and (calls or events):
        bare = line if inside is None else inside
        found = calls + events if inside is None else _plain_of(inside, formats, contexts)
        fields = _line_fields(bare, format_, (contexts or {}).get(format_.name, {}), found)
    return Explanation(line, offset, name, calls, events, reason, fields)


def _inside(block: Block, formats: Sequence[Format]) -> str | None:
    """Return the line in the envelope of *block*, a line; None where it is in none, or where many are in one."""
    opened = unwrap(split(block), formats, block.offset + len(block.data))
    return opened.lines.text(0, 0) if opened.facts is not None and len(opened.lines) == 1 else None


def _plain_of(line: str, formats: Sequence[Format], contexts: Contexts | None) -> tuple[_Row, ...]:
    rows = parse(Block(line.encode("utf-8", "replace") + b"\n", sealed=True), formats, contexts)
    return _plain(rows.calls) + _plain(rows.events)


def samples(block: Block, formats: Sequence[Format], *, most: int = 20) -> list[Explanation]:
    """Explain the first record of each variant in *block*, and the first of each reason for a reject."""
    if block.encoding != "utf-8":
        return _of_utf_16(block, formats, most)
    if block.offset == 0 and (document := parse_document(block.data, formats)) is not None:
        return [_in_document(block.data, at, formats, document.contexts) for at in _firsts(document, most)]
    rows = parse(block, formats)
    found = _firsts(rows, most)
    if not found and rows.claimed:
        line = block.data.split(b"\n", 1)[0].decode("utf-8", "replace")
        return [Explanation(line, block.offset, "", reason="it is read, but holds no call itself")]
    return [_at(block, at, rows, formats) for at in found]


def explain_at(head: bytes, block: Block, formats: Sequence[Format]) -> Explanation:
    """Explain the record that *block* begins with; *head* is how its source begins, which may say what it is in."""
    if block.encoding != "utf-8":
        line = block.data.decode(block.encoding, "replace").removeprefix(_MARK).split("\n", 1)[0]
        return explain(line.removesuffix("\r"), formats, offset=block.offset)
    document = parse_document(head, formats)
    if document is not None and block.data[:1] == b"{":
        return _in_document(head, block.offset, formats, document.contexts)
    before = recover(Block(head[: block.offset], encoding=block.encoding), formats) if block.offset else {}
    return _at(block, block.offset, parse(block, formats, before), formats, before)


def _of_utf_16(block: Block, formats: Sequence[Format], most: int) -> list[Explanation]:
    """Explain what *block* says in UTF-8, each record at its place in *block*."""
    data = block.data.decode(block.encoding, "replace").removeprefix(_MARK).encode("utf-8", "replace")
    found = samples(Block(data, sealed=True), formats, most=most)
    before = [(_MARK + data[: one.offset].decode("utf-8", "replace")).encode(block.encoding) for one in found]
    return [replace(one, offset=len(b) if one.offset else 0) for one, b in zip(found, before, strict=True)]


def explain_row(rows: pl.DataFrame, known: Known, related: Related) -> Explanation | None:
    """Explain the first of *rows* of a table that is a call, else the first; None when there are no rows."""
    if rows.is_empty():
        return None

    def read(variants: Sequence[Mapping[str, str | None]]) -> list[list[_Row]]:
        return _by_number(known.read(pl.DataFrame(variants, schema=rows.schema), related), len(variants))

    every = read(rows.to_dicts())
    at = next((i for i, found in enumerate(every) if found), 0)
    row = rows.row(at, named=True)
    parsed = known.read(rows.slice(at, 1), related)
    reason = parsed.rejects["reason"][0] if len(parsed.rejects) else None
    if not every[at] and reason is None:
        reason = "it holds no call"
    line = json.dumps({name: value for name, value in row.items() if value is not None}, ensure_ascii=False)
    name = every[at][0].get("format", known.name) if every[at] else known.name
    fields = _fields(pieces.of_row(row), read, every[at]) if every[at] else ()
    return Explanation(line, at, name, tuple(every[at]), (), reason, fields)


def _at(block: Block, at: int, rows: Rows, formats: Sequence[Format], before: Contexts | None = None) -> Explanation:
    """Explain the record of *block* at the offset *at*: the line there, or as many as it takes to give its rows.

    *before* is what holds before it, where *block* doesn't begin its source.
    """
    start = at - block.offset
    if before is None:
        before = parse(Block(block.data[:start], block.offset, sealed=True), formats).contexts if start else {}
    end = block.data.find(b"\n", start)
    line = (
        block.data[start : end if end >= 0 else None].decode("utf-8", "replace").removesuffix("\r").removeprefix(_MARK)
    )
    alone = explain(line, formats, contexts=before, offset=at)
    if len(alone.rows) + len(alone.events) == sum(len(f.filter(source_offset=at)) for f in (rows.calls, rows.events)):
        return alone
    name = _format_name(rows)
    format_ = _taker(alone.format or name or "", block, formats, before)
    if format_ is None or format_.starts is None:
        return alone
    rest = split(Block(block.data[start:], at, sealed=True))
    begins = np.flatnonzero(format_.starts(rest, np.arange(len(rest))))
    last = int(begins[1]) - 1 if len(begins) > 1 else len(rest) - 1
    return explain(rest.text(0, last), formats, contexts=before, offset=at)


def _in_document(data: bytes, at: int, formats: Sequence[Format], contexts: Contexts) -> Explanation:
    """Explain the object of a JSON document that begins at the byte *at*."""
    text = data[at:].decode("utf-8", "replace")
    value, _ = json.JSONDecoder(strict=False).raw_decode(text)
    return explain(json.dumps(value, ensure_ascii=False, separators=(",", ":")), formats, contexts=contexts, offset=at)


def _firsts(rows: Rows, most: int) -> list[int]:
    """Return where the first record of each variant is, and the first of each reason."""
    found = [frame.select("source_offset", kind="format") for frame in (rows.calls, rows.events)]
    reasons = pl.col("reason").str.replace(r":.*", "")
    found.append(rows.rejects.select("source_offset", kind=pl.coalesce("format", pl.lit("")) + reasons))
    firsts = pl.concat(found).unique("kind", keep="first", maintain_order=True).sort("source_offset").head(most)
    return list(firsts["source_offset"].unique(maintain_order=True))


def _taker(name: str, block: Block, formats: Sequence[Format], contexts: Contexts) -> Format | None:
    """Return the format that took the record in *block*, of which rows say that they are of the format *name*.

    Of a file with a header it is the one of the header. Sums that an agent prints are told as the agent's.
    """
    whole = next((f for f in formats if f.heads is not None and contexts.get(f.name)), None)
    named = next((f for f in formats if f.name == name.partition("+")[0].partition("/")[0]), None)
    claiming = [format_ for format_, _ in claimed_by(unwrap(split(block), formats, len(block.data)).lines, formats)]
    return whole or (named if named in claiming or not claiming else claiming[0])


def _format_name(rows: Rows) -> str | None:
    for frame in (rows.calls, rows.events, rows.rejects):
        if len(frame):
            name = frame["format"][0]
            return str(name) if name is not None else ""
    return None


def _plain(frame: pl.DataFrame) -> tuple[_Row, ...]:
    """Return the rows of *frame* with what is known, as JSON holds it."""
    texts = frame.drop(_OWN & set(frame.columns)).with_columns(pl.col(pl.Decimal, pl.Datetime).cast(pl.String))
    return tuple({name: value for name, value in row.items() if value is not None} for row in texts.to_dicts())


def _line_fields(line: str, format_: Format, context: Mapping[str, str], rows: tuple[_Row, ...]) -> tuple[Field, ...]:
    def read(lines: Sequence[str]) -> list[list[_Row]]:
        numbers = range(len(lines))
        frame = pl.DataFrame({"line": lines, "source_offset": numbers, "source_end": numbers}, schema=RECORDS)
        # All are variants of one record, so none may be context for the next.
        parts = [frame] if format_.sets_context is None else [frame.slice(i, 1) for i in range(len(frame))]
        found: list[list[_Row]] = [[] for _ in lines]
        for part in parts:
            for i, some in enumerate(_by_number(format_.parse(part, context), len(lines))):
                found[i] += some
        return found

    if format_.json:
        return _fields(pieces.of_json(line), read, rows)
    header = context.get("header") if format_.heads is not None else None
    if header:
        return _fields(pieces.of_csv(line, header), read, rows)
    return _merged(_fields(pieces.of_text(line), read, rows))


def _merged(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Return the values in a text that feed columns; neighbours that feed the same (words of an error) as one."""
    merged: list[Field] = []
    for one in (f for f in fields if f.columns):
        if merged and merged[-1].columns == one.columns:
            begin = str(merged[-1].value).partition(" … ")[0]
            merged[-1] = replace(merged[-1], value=f"{begin} … {one.value}")
        else:
            merged.append(one)
    return tuple(merged)


def _by_number(parsed: Parsed, count: int) -> list[list[_Row]]:
    """Return the rows of each record; a record's `source_offset` is its number here."""
    found: list[list[_Row]] = [[] for _ in range(count)]
    for rows, columns in ((parsed.calls, CALLS), (parsed.events, EVENTS)):
        if rows.is_empty():
            continue
        frame = conform(rows, columns)
        for number, row in zip(frame["source_offset"].to_list(), _plain(frame), strict=True):
            found[number].append(row)
    return found


def _fields(
    record: Sequence[Piece[R]], read: Callable[[Sequence[R]], list[list[_Row]]], rows: Sequence[_Row]
) -> tuple[Field, ...]:
    variants = [v for piece in record for v in (piece.without, *piece.altered) if v is not None]
    results = iter(read(variants)) if variants else iter(())
    fields = []
    for piece in record:
        lacking = next(results) if piece.without is not None else list(rows)
        changed = [*_difference(rows, lacking)]
        for _ in piece.altered:
            changed += _difference(rows, next(results))
        columns = {name for row in rows for name in row if name in changed}
        ordered = tuple(name for row in rows[:1] for name in row if name in columns)
        fields.append(
            Field(piece.path, piece.value, ordered + tuple(sorted(columns - {*ordered})), len(lacking) < len(rows))
        )
    return tuple(fields)


def _difference(rows: Sequence[_Row], others: Sequence[_Row]) -> set[str]:
    if len(rows) != len(others):
        return set()
    names = {name for row in rows for name in row}
    return {n for n in names if any(a.get(n) != b.get(n) for a, b in zip(rows, others, strict=True))}
