"""How a record is read: which format took it, which field feeds which column, what is ignored, why it is rejected.

Nothing here knows the formats. A JSON record is parsed again and again, each time without one of its fields: the
columns that change are the ones that the field feeds. So the explanation can't differ from what parsing does.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from parsers.dispatch import Contexts, Rows, parse
from parsers.format import Format
from parsers.records import RECORDS, Block

_MOST = 400  # fields of one record that are tried
_OWN = {"source_offset", "source_id", "source_path", "ingested_at"}
_Key = str | int
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

    `format` took it: None if nobody did, empty if it is not known who. `rows` are what it gave, `reason` why it failed.
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
    if name is None:
        return Explanation(line, offset, None, reason="no format claims it")
    calls, events = _plain(rows.calls), _plain(rows.events)
    reason = rows.rejects["reason"][0] if len(rows.rejects) else None
    format_ = next((f for f in formats if f.name == name.split("/")[0]), None)
    fields: tuple[Field, ...] = ()
    if format_ is not None and format_.json:
        fields = _fields(line, format_, contexts or {}, calls + events)
    return Explanation(line, offset, name, calls, events, reason, fields)


def samples(block: Block, formats: Sequence[Format], *, most: int = 20) -> list[Explanation]:
    """Explain the first record of each variant in *block*, and the first of each reason for a reject."""
    rows = parse(block, formats)
    found = [frame.select("source_offset", kind="format") for frame in (rows.calls, rows.events)]
    reasons = pl.col("reason").str.replace(r":.*", "")
    found.append(rows.rejects.select("source_offset", kind=pl.coalesce("format", pl.lit("")) + reasons))
    firsts = pl.concat(found).unique("kind", keep="first", maintain_order=True).sort("source_offset").head(most)
    if firsts.is_empty() and rows.claimed:
        line = block.data.split(b"\n", 1)[0].decode("utf-8", "replace")
        return [Explanation(line, block.offset, "", reason="it is read, but holds no call itself")]
    explained = []
    for at in firsts["source_offset"].unique(maintain_order=True).to_list():
        start = at - block.offset
        before = parse(Block(block.data[:start], block.offset, sealed=True), formats).contexts if start else {}
        end = block.data.find(b"\n", start)
        line = block.data[start : end if end >= 0 else None].decode("utf-8", "replace")
        explained.append(explain(line.removesuffix("\r"), formats, contexts=before, offset=at))
    return explained


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


def _fields(line: str, format_: Format, contexts: Contexts, rows: tuple[_Row, ...]) -> tuple[Field, ...]:
    try:
        record = json.loads(line, strict=False)  # in the order of the line
    except (ValueError, RecursionError):
        return ()
    leaves = [leaf for _, leaf in zip(range(_MOST), _leaves(record), strict=False)]
    lines = [json.dumps(_without(record, path), ensure_ascii=False, separators=(",", ":")) for path, _ in leaves]
    numbers = range(len(lines))
    frame = pl.DataFrame({"line": lines, "source_offset": numbers, "source_end": numbers}, schema=RECORDS)
    # A record must not be context for the next: they are one and the same.
    parts = [frame] if format_.sets_context is None else [frame.slice(i, 1) for i in range(len(frame))]
    changed: dict[int, list[_Row]] = {}
    for part in parts:
        parsed = format_.parse(part, contexts.get(format_.name, {}))
        for rows_of in (frame for frame in (parsed.calls, parsed.events) if not frame.is_empty()):
            for offset, row in zip(rows_of["source_offset"].to_list(), _plain(rows_of), strict=True):
                changed.setdefault(offset, []).append(row)
    return tuple(
        Field(_written(path), value, _difference(rows, changed.get(i, [])), bool(rows) and not changed.get(i))
        for i, (path, value) in enumerate(leaves)
    )


def _difference(rows: Sequence[_Row], others: Sequence[_Row]) -> tuple[str, ...]:
    if len(rows) != len(others):
        return ()
    names = dict.fromkeys(name for row in rows for name in row)
    return tuple(n for n in names if any(a.get(n) != b.get(n) for a, b in zip(rows, others, strict=True)))


def _leaves(value: Any, above: tuple[_Key, ...] = ()) -> Iterator[tuple[tuple[_Key, ...], Any]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, (*above, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for i, below in enumerate(value):
            yield from _leaves(below, (*above, i))
    elif above:
        yield above, value


def _without(value: Any, path: tuple[_Key, ...]) -> Any:
    key, *rest = path
    if isinstance(value, Mapping):
        if not rest:
            return {k: v for k, v in value.items() if k != key}
        return {k: _without(v, tuple(rest)) if k == key else v for k, v in value.items()}
    items = [v if i != key else (_without(v, tuple(rest)) if rest else None) for i, v in enumerate(value)]
    return [item for item in items if item is not None]


def _written(path: tuple[_Key, ...]) -> str:
    """Return *path* as a mapping file writes it; an index in brackets."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += ("." if text else "") + (f'"{key}"' if "." in key or not key else key)
    return text
