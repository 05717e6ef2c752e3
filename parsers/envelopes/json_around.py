"""JSON lines that are envelopes → what is in them."""

from collections.abc import Sequence

import polars as pl

from parsers.blocks.format import Format, apart
from parsers.blocks.lines import NONE_REJECTED, RECORDS, occurring, reject
from parsers.envelopes.described import described_json
from parsers.envelopes.known_envelopes import ENVELOPES, FACTS, Envelope
from parsers.envelopes.lookalikes import claimed, hints, promising
from parsers.jsonl.decode import decode
from parsers.jsonl.fields import Path, extract, path

_LINE = pl.col("line")
_BEGUN = (
    r'^\{\s*(?:"[^"]*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[^"\[{]*?)\s*,\s*)*"(?:log|MESSAGE|message|textPayload|line)"\s*:\s*"'
)
_LONG = 1024
_CUT_SHORT = ~_LINE.str.ends_with("}") & ~_LINE.str.contains(r"\}\s*$") & _LINE.str.contains(_BEGUN)
_PASCAL_KEY = r'"([A-Z][A-Za-z0-9]*)"\s*:'
_BYTES = r'"MESSAGE"\s*:\s*\['


def marked(records: pl.DataFrame, formats: Sequence[Format]) -> pl.DataFrame:
    """Return those of *records* that may have the first mark of an envelope; of long ones only their ends are read."""
    any_mark = apart("|".join(sorted({envelope.marks[0].pattern for envelope in _envelopes(formats)})))
    if records["line"].str.len_bytes().sum() <= _LONG * len(records):
        return records.filter(_LINE.str.contains(any_mark))
    return records.filter(_LINE.str.head(_LONG).str.contains(any_mark) | _LINE.str.tail(_LONG).str.contains(any_mark))


def in_json(records: pl.DataFrame, formats: Sequence[Format]) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Return what is in those of *records* that are envelopes, a frame for each kind, and those that are cut short.

    *records* are `marked`. They have their number `at` besides `RECORDS`, and so has what is in them.
    """
    if records.is_empty():
        return [], NONE_REJECTED
    envelopes = _envelopes(formats)
    torn = records.select(_CUT_SHORT).to_series()
    found, refused = [], [_cut_short(records.filter(torn), formats)]
    rest = records.filter(~torn) if torn.any() else records
    keys = {key for envelope in envelopes for mark in envelope.marks for key in mark.keys}
    there = occurring(rest["line"], keys.union(*(f.hints for f in formats)))
    hinted = [f for f in formats if f.json and (not f.hints or there.intersection(f.hints))]
    for envelope in envelopes:
        if rest.is_empty():
            break
        if not envelope.may_be(there):
            continue
        mine = _marked_as(envelope, rest)
        describing = [f for f in formats if envelope.place[0] in f.unwrap]
        if not envelope.sure:
            mine = _without_records(mine, envelope, [f for f in hinted if f not in describing])
        if mine.is_empty():
            continue
        inside, bad = _inside(mine, envelope)
        if not envelope.sure and not describing:  # else a user says that it is one
            inside = _likely(inside, envelope, formats)
        if inside.is_empty() and bad.is_empty():
            continue
        refused.append(_hinting(bad, formats))
        found.append(inside.with_columns(envelope=pl.lit(envelope.name)))
        rest = rest.filter(~pl.col("at").is_in(inside["at"].implode()))
    return [frame for frame in found if not frame.is_empty()], pl.concat(refused)


def _marked_as(envelope: Envelope, records: pl.DataFrame) -> pl.DataFrame:
    """Return those of *records* that may be in *envelope*: each mark is looked for where the ones before it are."""
    for mark in envelope.marks:
        if records.is_empty():
            return records
        records = records.filter(_LINE.str.contains(mark.pattern))
    return records if envelope.lacks is None else records.filter(~_LINE.str.contains(envelope.lacks.pattern))


def _envelopes(formats: Sequence[Format]) -> tuple[Envelope, ...]:
    return (*described_json(formats), *ENVELOPES)


def _cut_short(torn: pl.DataFrame, formats: Sequence[Format]) -> pl.DataFrame:
    """Return *torn* envelopes as rejects, if a format's record may have been in them, and none takes them itself."""
    if torn.is_empty():
        return NONE_REJECTED
    return _hinting(reject(torn.filter(~claimed(formats)), "the envelope of the line is cut short"), formats)


def _hinting(refused: pl.DataFrame, formats: Sequence[Format]) -> pl.DataFrame:
    """Return those of the *refused* envelopes that hold what a format looks for."""
    pattern = hints(formats) if not refused.is_empty() else ""
    return refused.filter(_LINE.str.contains(pattern)) if pattern else refused


def _without_records(records: pl.DataFrame, envelope: Envelope, formats: Sequence[Format]) -> pl.DataFrame:
    """Return those of *records* that are no record of one of *formats* themselves, but may be in the *envelope*."""
    for format_ in formats:
        if records.is_empty():
            break
        if envelope.holds == "text" or not format_.rank:
            records = records.filter(~claimed([format_]))
    return records


def _likely(inside: pl.DataFrame, envelope: Envelope, formats: Sequence[Format]) -> pl.DataFrame:
    """Return what is *inside* if it looks like lines: all of a text if one does, but only those objects that do."""
    likely = inside.select(promising(formats)).to_series()
    return inside if envelope.holds == "text" and likely.any() else inside.filter(likely)


def _inside(records: pl.DataFrame, envelope: Envelope) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the lines in *records*, which are in *envelope*, with its facts, and the rejects."""
    if envelope.items:
        return _items(records, envelope)
    places = {f"{name} {i}": path(text) for name, texts in envelope.says.items() for i, text in enumerate(texts)}
    if envelope.holds == "text":
        places |= {f"line {i}": path(text) for i, text in enumerate(envelope.place)}
    if envelope.partial not in (None, "newline"):
        places["partial 0"] = path(envelope.partial or "")
    wide, bad = extract(records, places, rest=False)
    facts = {name: _first(wide, name) for name in FACTS if name in envelope.says}
    text = _first(wide, "line") if envelope.holds == "text" else pl.Series("line", _objects(wide, envelope))
    part = _part(envelope)
    found = wide.select(*_places(), line_=text, part=part.fill_null(value=False), **facts)
    if envelope.name == "journald":
        found = _from_bytes(found, wide)
    line = pl.col("line_").str.strip_suffix("\n").str.strip_suffix("\r").alias("line")
    return found.drop_nulls("line_").with_columns(line).drop("line_"), bad


def _places() -> list[str]:
    return [name for name in (*RECORDS, "at") if name != "line"]


def _first(wide: pl.DataFrame, name: str) -> pl.Expr:
    columns = [column for column in wide.columns if column.startswith(f"{name} ")]
    return pl.coalesce(columns)


def _part(envelope: Envelope) -> pl.Expr:
    """Return which lines are pieces that another follows; NULL where the envelope doesn't cut lines."""
    if envelope.partial is None:
        return pl.lit(None, dtype=pl.Boolean)
    return ~pl.col("line 0").str.ends_with("\n") if envelope.partial == "newline" else pl.col("partial 0") == "true"


def _objects(records: pl.DataFrame, envelope: Envelope) -> pl.Series:
    """Return the object in each of *records*, written as JSON."""
    lines = records["line"]
    if envelope.place != ("",):
        found = [lines.str.json_path_match(_json_path(path(text))) for text in envelope.place]
        lines = pl.select(pl.coalesce(found)).to_series()
    else:
        lines = lines.str.replace(envelope.marks[0].pattern, '"timestamp":"')
    lines = lines.set(~lines.str.starts_with("{").fill_null(value=False), None)
    return _lower(lines) if envelope.keys == "pascal" else lines


def _json_path(where: Path) -> str:
    return "$" + "".join(f"['{key}']" for key in where)


def _lower(lines: pl.Series) -> pl.Series:
    """Return objects with keys such as `InputTokens` as `inputTokens`. There are few keys, however many lines."""
    keys = lines.str.extract_all(_PASCAL_KEY).explode(empty_as_null=False).drop_nulls().unique().to_list()
    return lines.str.replace_many(keys, [key[0] + key[1].lower() + key[2:] for key in keys]) if keys else lines


def _from_bytes(found: pl.DataFrame, wide: pl.DataFrame) -> pl.DataFrame:
    """Return *found* with text where journald wrote a line as an array of bytes, as it does for colours: few lines."""
    at = wide["line"].str.contains(_BYTES).arg_true()
    if at.is_empty():
        return found
    arrays = wide["line"].gather(at).str.json_path_match("$.MESSAGE").str.json_decode(pl.List(pl.UInt8)).to_list()
    texts = [bytes(array).decode("utf-8", "replace") if array is not None else None for array in arrays]
    return found.with_columns(line_=found["line_"].scatter(at, texts))


def _items(records: pl.DataFrame, envelope: Envelope) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the lines in the arrays of *records*; each begins a byte after the one before it, so that they differ."""
    places = {"line": envelope.place, **envelope.says}
    paths = [path(text) for texts in places.values() for text in texts]
    item: pl.DataType = pl.List(pl.String) if envelope.listed else pl.Struct(_tree(paths))
    shared = [path(text) for texts in envelope.shared.values() for text in texts]
    *outer, last = map(path, envelope.items)
    item = pl.Struct({**_tree(shared), **_nested(last, item)})
    for array in reversed(outer):
        item = pl.Struct(_nested(array, item))
    decoded, bad = decode(records.select(*RECORDS, "at"), item)
    value = pl.col("record")
    for array in outer:
        decoded = decoded.with_columns(record=_field(value, array)).explode("record").drop_nulls("record")
    decoded = decoded.select(
        *_places(),
        *(_of(value, texts).alias(name) for name, texts in envelope.shared.items()),
        record=_field(value, last),
    )
    decoded = decoded.explode("record").drop_nulls("record")
    found = decoded.select(
        *_places(),
        *envelope.shared,
        part=pl.lit(None, dtype=pl.Boolean),
        **{name: _of(value, texts) for name, texts in places.items()},
    )
    number = pl.int_range(pl.len()).over("at")
    return found.drop_nulls("line").with_columns(
        pl.col("line").str.strip_suffix("\n").str.strip_suffix("\r"), source_offset=pl.col("source_offset") + number
    ), bad


def _of(value: pl.Expr, texts: Sequence[str]) -> pl.Expr:
    return pl.coalesce(_field(value, path(text)) for text in texts)


def _field(value: pl.Expr, where: Path) -> pl.Expr:
    for key in where:
        value = value.list.get(int(key), null_on_oob=True) if key.isdigit() else value.struct.field(key)
    return value


def _nested(where: Path, item: pl.DataType) -> dict[str, pl.DataType]:
    """Return the field of a struct that has an array of *item* at *where*."""
    found: pl.DataType = pl.List(item)
    for key in reversed(where[1:]):
        found = pl.Struct({key: found})
    return {where[0]: found}


def _tree(paths: list[Path]) -> dict[str, pl.DataType]:
    """Return the fields of a struct with text at each of *paths*."""
    heads = dict.fromkeys(where[0] for where in paths)
    below = {key: [where[1:] for where in paths if where[0] == key and len(where) > 1] for key in heads}
    return {key: pl.Struct(_tree(rest)) if rest else pl.String() for key, rest in below.items()}
