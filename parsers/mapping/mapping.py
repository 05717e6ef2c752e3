"""A mapping: a format described by data instead of code, for logs that no built-in format reads.

It says which lines are calls, where their fields are (paths in JSON, groups of a regex in text, columns of a CSV file)
and what they mean. `parsers.mapping.toml` reads one from TOML; from there on its rows are made as those of any format.
"""

import json
import re
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import polars as pl

from parsers.blocks.format import Context, Format, Parsed, apart
from parsers.blocks.lines import Block, reject, split
from parsers.envelopes.unwrap import unwrap
from parsers.jsonl.decode import loads
from parsers.jsonl.fields import Path, path
from parsers.mapping.levels import Level, fits_cells, read_levels
from parsers.rows.by_header import csv_format, header_names, json_header
from parsers.rows.json_shape import Shape, finished
from parsers.rows.token_counts import COUNTS
from parsers.values.messages import visible

_SHOWN = 200
"""So much of a line is shown."""

_LINE = pl.col("line")
_UNSAFE = re.compile(r"""[^ !#-%(-.0-;=?-\[\]-~]+""")
"""What JSON may write in another way, where a line of text is in it."""


@dataclass(frozen=True, eq=False)
class Mapping:
    """A format by data.

    Attributes:
        title: what it is, for people.
        file: the name of the file that describes it, for messages.
        shape: where the fields are and what they mean; in text, places are names of groups of `pattern`.
        levels: where they are in JSON: in the record, and in the elements of its arrays.
        contains: literals that all must be in a line.
        matches: a regex that must match it.
        equals: for JSON, values of which a field must have one.
        pattern: for text, the regex whose named groups are the fields; None for JSON.
        columns: for CSV, groups of names of which the header must have one each.
        unwrap: what may be around a line, besides the envelopes that are known.
    """

    title: str
    file: str
    shape: Shape
    levels: tuple[Level, ...] = ()
    contains: tuple[str, ...] = ()
    matches: str | None = None
    equals: Dict[str, tuple[str, ...]] = field(default_factory=dict)
    pattern: str | None = None
    columns: tuple[tuple[str, ...], ...] = ()
    unwrap: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What its rows are called in the column `format`."""
        return self.shape.meaning.name


def format_of(mapping: Mapping) -> Format:
    """Return the format that *mapping* describes. A line that it selects but that has no call in it is a reject."""
    is_json = mapping.pattern is None
    described = Format(
        name=mapping.name,
        title=mapping.title,
        json=is_json,
        claims=pl.all_horizontal(test for _, test in _tests(mapping)),
        parse=partial(_parse_json if is_json else _parse_text, mapping),
        hints=_hints(mapping),
        unwrap=mapping.unwrap,
        stands=_stands(mapping),
    )
    if not mapping.columns:
        return described
    reads = [name for group in mapping.columns for name in group]
    header = json_header(described, mapping.columns, reads=reads, of_lines=not fits_cells(mapping.levels))
    return replace(csv_format((header,)), name=mapping.name, title=mapping.title, unwrap=mapping.unwrap)


def _stands(mapping: Mapping) -> pl.Expr:
    """Return whether a line is a record as it is: the fields are where *mapping* says, whatever is around others."""
    likely, surely = pl.all_horizontal(test for _, test in _tests(mapping)), _LINE.str.contains(mapping.pattern or "")
    if mapping.pattern is None:
        needed = [text for name in _NEEDED for text in mapping.shape.paths.get(name, ())] or mapping.shape.usage
        keys = "|".join(sorted({pl.escape_regex(_way(text)[0]) for text in needed}))
        likely &= _LINE.str.contains(apart(rf'"(?:{keys})"\s*:'))
        surely = pl.any_horizontal(_is_there(_way(text)) for text in needed)
    return _LINE.map_batches(partial(_twice, likely, surely), return_dtype=pl.Boolean, is_elementwise=True)


_NEEDED = ("model", *COUNTS)


def _twice(likely: pl.Expr, surely: pl.Expr, lines: pl.Series) -> pl.Series:
    """Return which *lines* pass both tests; the second, which takes long, is only asked where the first holds."""
    frame = lines.to_frame("line")
    at = frame.select(likely.fill_null(value=False)).to_series().arg_true()
    none = pl.Series(lines.name, [False], dtype=pl.Boolean).new_from_index(0, len(lines))
    return none if at.is_empty() else none.scatter(at, frame[at].select(surely.fill_null(value=False)).to_series())


def _way(text: str) -> Path:
    """Return the keys to the place *text*, up to its first array."""
    return path(text.partition("[]")[0].removesuffix(".") or "x")


def _is_there(keys: Path) -> pl.Expr:
    """Return whether there is something at the end of *keys* in a JSON line, in JSON within its texts too."""
    ways = [_LINE.str.json_path_match(_json_path(keys))]
    ways += [
        _LINE.str.json_path_match(_json_path(keys[:n])).str.json_path_match(_json_path(keys[n:]))
        for n in range(1, len(keys))
    ]
    return pl.any_horizontal(way.is_not_null() for way in ways)


def _json_path(keys: Path) -> str:
    return "$" + "".join(f"['{key}']" for key in keys)


def _hints(mapping: Mapping) -> tuple[str, ...]:
    """Return a literal that is in each line that *mapping* takes, however it may be wrapped; none if there is none."""
    if mapping.contains and mapping.pattern is not None:
        longest = max((piece for text in mapping.contains for piece in _UNSAFE.split(text)), key=len)
        return (longest,) if longest else ()
    return mapping.contains[:1] or tuple(path(text)[-1] for text in list(mapping.equals)[:1])


def unmatched(mappings: Sequence[Mapping], line: str) -> str:
    """Return what to tell the user when none of *mappings* took a line of a source that begins with *line*."""
    inside = [_inside(mapping, line) for mapping in mappings]
    reasons = [
        f"the mapping {mapping.file} takes no line; the first is not taken because {_why_not(mapping, first)}"
        for mapping, first in zip(mappings, inside, strict=True)
    ]
    shown = inside[0] if len(inside[0]) <= _SHOWN else inside[0][:_SHOWN] + "…"
    return f"{'; '.join(reasons)}: {visible(shown)}"


def _inside(mapping: Mapping, line: str) -> str:
    """Return the line that is in the envelopes of *line*."""
    block = Block(line.encode("utf-8", "replace") + b"\n", sealed=True)
    lines = unwrap(split(block), [format_of(mapping)], len(block.data)).lines
    return lines.text(0, 0) if len(lines) else line


def _why_not(mapping: Mapping, line: str) -> str:
    frame = pl.DataFrame({"line": [line]})
    if mapping.columns:
        have = set(header_names(line))
        lacking = next((group for group in mapping.columns if have.isdisjoint(group)), ())
        return f"it has no column {' or '.join(f'`{name}`' for name in lacking)}" if lacking else "it is no header"
    if line.lstrip().startswith("{") is not (mapping.pattern is None):
        return (
            "it is not a JSON object" if mapping.pattern is None else "it is a JSON object, and the mapping reads text"
        )
    for why, test in _tests(mapping):
        if not frame.select(test.fill_null(value=False)).item():
            return why
    for text, values in mapping.equals.items():
        if "[]" not in text and (found := _at(line, path(text))) not in values:
            return f"its `{text}` is {json.dumps(found)}, not {_listed(values)}"
    return "it does match"


def _listed(values: Sequence[str]) -> str:
    return " or ".join(json.dumps(value, ensure_ascii=False) for value in values)


def _tests(mapping: Mapping) -> list[tuple[str, pl.Expr]]:
    """Return what must hold for a line, each with what to say when it doesn't."""
    tests = [(f"it does not contain {text!r}", _LINE.str.contains(text, literal=True)) for text in mapping.contains]
    if mapping.matches is not None:
        tests.append((f"the regex {mapping.matches!r} does not match it", _LINE.str.contains(mapping.matches)))
    tests += [
        (f"its `{text}` is not {_listed(values)}", _LINE.str.contains(_may_equal(path(text)[-1], values)))
        for text, values in mapping.equals.items()
    ]
    if mapping.pattern is not None and not tests:
        tests.append(("the pattern does not match it", _LINE.str.contains(mapping.pattern)))
    return tests or [("", pl.lit(value=True) & _LINE.is_not_null())]


def _may_equal(key: str, values: Sequence[str]) -> str:
    """Return a regex for JSON, within the text of JSON too, in which *key* has one of *values*."""
    quote = r'\\*"'
    texts = (pl.escape_regex(json.dumps(value, ensure_ascii=False)[1:-1]) for value in values)
    either = "|".join(f"{quote}{text}{quote}|{text}" for text in texts)  # bare: a number or a truth value
    return rf"{quote}{pl.escape_regex(key)}{quote}\s*:\s*(?:{either})"


def _parse_json(mapping: Mapping, records: pl.DataFrame, context: Context) -> Parsed:
    del context
    return finished(*read_levels(records, mapping.levels), mapping.shape)


def _parse_text(mapping: Mapping, records: pl.DataFrame, context: Context) -> Parsed:
    del context
    groups = records.with_columns(groups=_LINE.str.extract_groups(mapping.pattern or ""))
    matched = _LINE.str.contains(mapping.pattern or "")

    def group(name: str) -> pl.Expr:
        value = pl.col("groups").struct.field(name)
        return pl.when(value != "-").then(value)  # how access logs write that there is none

    fields = groups.filter(matched).select(
        *records.columns,
        *(
            pl.coalesce(*map(group, texts), pl.lit(None, dtype=pl.String)).alias(name)
            for name, texts in mapping.shape.paths.items()
        ),
    )
    refused = reject(groups.filter(~matched), "the pattern of the mapping does not match")
    return finished(fields, refused, mapping.shape)


def _at(line: str, where: Path) -> Any:  # Any: JSON
    try:
        value = loads(line)
    except ValueError:
        return None
    for key in where:
        value = value.get(key) if isinstance(value, dict) else None
    return value if value is None or isinstance(value, str) else json.dumps(value)
