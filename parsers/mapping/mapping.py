"""A mapping: a format described by data instead of code, for logs that no built-in format reads.

It says which lines are calls, where their fields are (paths in JSON, groups of a regex in text) and what they mean.
`parsers.mapping.toml` reads one from TOML.
"""

import json
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import reject
from parsers.jsonl.decode import loads
from parsers.jsonl.fields import Path, path
from parsers.rows.json_shape import Shape, made, read

_SHOWN = 200
"""So much of a line is shown."""

_EQUALS = "= "
"""Begins the names of fields that only select lines."""


@dataclass(frozen=True, eq=False)
class Mapping:
    """A format by data.

    Attributes:
        title: what it is, for people.
        file: the name of the file that describes it, for messages.
        shape: where the fields are and what they mean; in text, places are names of groups of `pattern`.
        contains: literals that all must be in a line.
        matches: a regex that must match it.
        equals: for JSON, values that fields must have.
        pattern: for text, the regex whose named groups are the fields; None for JSON.
    """

    title: str
    file: str
    shape: Shape
    contains: tuple[str, ...] = ()
    matches: str | None = None
    equals: Dict[str, str] = field(default_factory=dict)
    pattern: str | None = None


def format_of(mapping: Mapping) -> Format:
    """Return the format that *mapping* describes. A line that it selects but that has no call in it is a reject."""
    is_json = mapping.pattern is None
    return Format(
        name=mapping.shape.meaning.name,
        title=mapping.title,
        json=is_json,
        claims=pl.all_horizontal(test for _, test in _tests(mapping)),
        parse=partial(_parse_json if is_json else _parse_text, mapping),
        hints=mapping.contains[:1] or tuple(f'"{path(text)[-1]}"' for text in list(mapping.equals)[:1]),
    )


def unmatched(mapping: Mapping, line: str) -> str:
    """Return what to tell the user when *mapping* took no line of a source that begins with *line*."""
    shown = line if len(line) <= _SHOWN else line[:_SHOWN] + "…"
    safe = "".join(c if c.isprintable() else repr(c)[1:-1] for c in shown)
    return f"the mapping {mapping.file} takes no line; the first is not taken because {_why_not(mapping, line)}: {safe}"


def _why_not(mapping: Mapping, line: str) -> str:
    frame = pl.DataFrame({"line": [line]})
    if line.lstrip().startswith("{") is not (mapping.pattern is None):
        return (
            "it is not a JSON object" if mapping.pattern is None else "it is a JSON object, and the mapping reads text"
        )
    for why, test in _tests(mapping):
        if not frame.select(test.fill_null(value=False)).item():
            return why
    for text, value in mapping.equals.items():
        found = _at(line, path(text))
        if found != value:
            return f"its `{text}` is {json.dumps(found)}, not {json.dumps(value)}"
    return "it does match"


def _tests(mapping: Mapping) -> list[tuple[str, pl.Expr]]:
    """Return what must hold for a line, each with what to say when it doesn't."""
    line = pl.col("line")
    tests = [(f"it does not contain {text!r}", line.str.contains(text, literal=True)) for text in mapping.contains]
    if mapping.matches is not None:
        tests.append((f"the regex {mapping.matches!r} does not match it", line.str.contains(mapping.matches)))
    for text, value in mapping.equals.items():
        key = pl.escape_regex(path(text)[-1])
        quoted = pl.escape_regex(json.dumps(value, ensure_ascii=False))
        bare = "|" + pl.escape_regex(value)  # a number or a truth value
        tests.append(
            (f"its `{text}` is not {json.dumps(value)}", line.str.contains(f'"{key}"\\s*:\\s*(?:{quoted}{bare})'))
        )
    if mapping.pattern is not None and not tests:
        tests.append(("the pattern does not match it", line.str.contains(mapping.pattern)))
    return tests or [("", pl.lit(value=True) & line.is_not_null())]


def _parse_json(mapping: Mapping, records: pl.DataFrame, context: Context) -> Parsed:
    del context
    selectors = {f"{_EQUALS}{text}": (text,) for text in mapping.equals}
    shape = _with_selectors(mapping.shape, tuple(selectors.items()))
    fields, rejects = read(records, shape)
    for text, value in mapping.equals.items():
        fields = fields.filter((pl.col(f"{_EQUALS}{text}") == value).fill_null(value=False))
    return made(fields.drop(selectors), mapping.shape, rejects)


def _with_selectors(shape: Shape, selectors: tuple[tuple[str, tuple[str, ...]], ...]) -> Shape:
    return replace(shape, paths={**shape.paths, **dict(selectors)})


def _parse_text(mapping: Mapping, records: pl.DataFrame, context: Context) -> Parsed:
    del context
    groups = records.with_columns(groups=pl.col("line").str.extract_groups(mapping.pattern or ""))
    matched = pl.col("line").str.contains(mapping.pattern or "")

    def group(name: str) -> pl.Expr:
        value = pl.col("groups").struct.field(name)
        return pl.when(value != "-").then(value)  # how access logs write that there is none

    fields = groups.filter(matched).select(
        *records.columns,
        *(pl.coalesce(group(text) for text in texts).alias(name) for name, texts in mapping.shape.paths.items()),
    )
    return made(fields, mapping.shape, reject(groups.filter(~matched), "the pattern of the mapping does not match"))


def _at(line: str, where: Path) -> Any:  # Any: JSON
    try:
        value = loads(line)
    except ValueError:
        return None
    for key in where:
        value = value.get(key) if isinstance(value, dict) else None
    return value if value is None or isinstance(value, str) else json.dumps(value)
