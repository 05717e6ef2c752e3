"""JSON records whose fields a logger put into an object: `context`, `metadata`, `data`, whatever it is called.

    {"timestamp":"…","level":"info","message":"llm call","metadata":{"model":"gpt-4o","input_tokens":900}}

Time, level and identifiers are beside the object, the call's own fields in it. The names inside say what it is: an
object that a format would take by itself is brought up, so that the record has all its fields at the top. Those inside
come first, and of a key that occurs twice the first counts.
"""

from collections.abc import Sequence

import polars as pl

from parsers.blocks.format import Format
from parsers.envelopes.lookalikes import claimed, hinted

_KNOWN = (
    "attributes", "ctx", "context", "custom", "data", "details", "event", "eventData", "event_data", "eventProperties",
    "jsonPayload", "labels", "log", "meta", "metadata", "params", "payload", "properties", "props", "record",
)  # fmt: skip
"""What loggers call it. `extra` and `fields` are places where formats look themselves."""

_LEFT = frozenset({"body", "extra", "fields", "llm", "message", "metrics", "response", "result", "usage"})
"""Objects that formats look into themselves."""

_LINE = pl.col("line")
_MOST = 16
_OWNER_OF_MODEL = r'"([\w.@$-]+)"\s*:\s*\{[^{}]*"(?:model|model_name|modelName|model_id|modelId|llm_model)"\s*:\s*"'
_NAME = r'"([\w.@$-]+)"\s*:\s*\{'
_A_KNOWN = rf'"(?:{"|".join(_KNOWN)})"\s*:\s*\{{\s*"|{_OWNER_OF_MODEL}'
_STRING = r'("(?:[^"\\]|\\.)*")'
_FLAT = rf'{_STRING}|\{{(?:[^{{}}"]|"(?:[^"\\]|\\.)*")*\}}'
_GONE = r":\s*([,}\]])"
_TIME = r'"(?:@?timestamp|time|ts|asctime|datetime|created_at|logged_at)"\s*:'
"""The record's own time counts, under whatever name."""

_DEEPEST = 5
_OWN_COUNT = (
    r'"usage(?:Metadata)?"\s*:|"(?:[a-z_]+_t|[a-z]+T|t)okens(?:_in|_out|In|Out)?"\s*:\s*"?\d'
    r'|"[a-z]+_token_count"\s*:\s*\d'
)
"""Beside the objects: the record counts itself."""


def brought_up(records: pl.DataFrame, formats: Sequence[Format]) -> pl.DataFrame:
    """Return *records* (`RECORDS`) with the fields of such objects at the top; the others as they are."""
    may = records.select(_LINE.str.contains(_A_KNOWN)).to_series()
    if not may.any():
        return records
    found = _objects(records["line"].filter(may), formats)
    holding = found.is_not_null()
    if not holding.any():
        return records
    at = may.arg_true().filter(holding)
    mine, found = records[at], found.filter(holding)
    beside = _without_objects(mine["line"])
    found = found.set(beside.str.contains(_OWN_COUNT), None)
    timed = found.str.contains(_TIME).fill_null(value=False)
    beside = beside.zip_with(~timed, beside.str.replace_all(_TIME, '"written_at":'))
    merged = mine.select(
        pl.when(pl.lit(found).is_not_null())
        .then(pl.lit(found).str.strip_suffix("}") + pl.lit(",") + pl.lit(beside).str.strip_prefix("{"))
        .otherwise("line")
    ).to_series()
    return records.with_columns(line=records["line"].scatter(at, merged))


def _objects(lines: pl.Series, formats: Sequence[Format]) -> pl.Series:
    """Return for each of *lines* the object that a format would take by itself, NULL where there is none."""
    found = pl.Series([None], dtype=pl.String).new_from_index(0, len(lines))
    for name in _names(lines):
        holds = lines.str.contains(rf'"{pl.escape_regex(name)}"\s*:\s*\{{\s*"').fill_null(value=False)
        at = (holds & found.is_null()).arg_true()
        objects = lines.gather(at).str.json_path_match(f"$['{name}']")
        record = _LINE.str.starts_with("{") & claimed(hinted(objects, formats))
        taken = objects.to_frame("line").select(record).to_series()
        good = taken.fill_null(value=False)
        found = found.scatter(at.filter(good), objects.filter(good))
    return found


def _names(lines: pl.Series) -> list[str]:
    """Return what the objects at the top may be called: known names, and those of objects that name a model."""
    there = lines.str.extract_all(_NAME).explode(empty_as_null=False).drop_nulls().unique().str.extract(_NAME, 1)
    known = [name for name in _KNOWN if name in set(there.to_list())]
    owners = lines.str.extract_all(_OWNER_OF_MODEL).explode(empty_as_null=False).drop_nulls()
    named = sorted(set(owners.str.extract(_OWNER_OF_MODEL, 1).to_list()) - {*known, *_LEFT})
    return [*known, *named][:_MOST]


def _without_objects(lines: pl.Series) -> pl.Series:
    """Return *lines* with null for each object in them."""
    inner = lines.str.strip_chars().str.strip_prefix("{").str.strip_suffix("}")
    for _ in range(_DEEPEST):
        inner = inner.str.replace_all(_FLAT, "$1")
    return ("{" + inner.str.replace_all(_GONE, ": null$1") + "}").str.replace(r":\s*\}$", ": null}")
