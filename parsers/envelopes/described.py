"""Envelopes that a format describes itself, as a mapping does: a place in JSON, or a regex of text with a group.

They are taken off as the known ones are, before those that are not sure, and any number of them may be around each
other. The regex's group is the line: the only one, or the one called `line`; others may be called as `FACTS`, and one
`part`, which matches where the line is a piece that the next one continues.
"""

from collections.abc import Sequence
from functools import cache

import polars as pl

from parsers.blocks.format import Format
from parsers.envelopes.known_envelopes import ENVELOPES, FACTS, Envelope, Mark
from parsers.envelopes.prefixes import PREFIXES, nameless
from parsers.jsonl.fields import path

NAME = "unwrapped"
"""What the column `format` ends in, after a `+`."""

_LINE = pl.col("line")
_SURE = "^(?:" + "|".join(nameless(p.pattern) for p in PREFIXES if p.sure) + ")"
_GROUP, _PART = "line", "part"


def is_regex(text: str) -> bool:
    """Tell whether *text* describes an envelope of text: a regex has a group, and a place none."""
    return "(" in text


def described_json(formats: Sequence[Format]) -> tuple[Envelope, ...]:
    """Return the JSON envelopes that *formats* describe, around a text and around an object."""
    return tuple(envelope for f in formats for text in f.unwrap if not is_regex(text) for envelope in _at_place(text))


@cache
def _at_place(text: str) -> tuple[Envelope, ...]:
    usual = ENVELOPES[-1]  # any logger or collector
    known = tuple(e for e in ENVELOPES if e.partial and e.place == (text,))  # it also tells pieces of a line
    key = f'"{path(text)[-1]}"'
    return known + tuple(
        Envelope(NAME, (Mark((key,), begin),), (text,), holds, says=usual.says, sure=False)
        for holds, begin in (("text", '"'), ("object", r"\{"))
    )


def described_text(formats: Sequence[Format]) -> tuple[str, ...]:
    """Return the regexes of text that *formats* describe."""
    return tuple(dict.fromkeys(text for f in formats for text in f.unwrap if is_regex(text)))


def without_described(records: pl.DataFrame, formats: Sequence[Format]) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Return the lines within those of *records* (as `before_text` has them) that a regex matches, and the others.

    A line that a format claims as it is, which describes no such envelope, stays so; and what stands behind a prefix
    that is surely a collector's comes first.
    """
    found = []
    for text in described_text(formats):
        others = [f.claims for f in formats if text not in f.unwrap and not f.json and f.heads is None]
        free = ~pl.any_horizontal(pl.lit(value=False), *others).fill_null(value=False)
        mine = records.select(
            _LINE.str.contains(text) & ~_LINE.str.contains(_SURE) & pl.col("part").is_null() & free
        ).to_series()
        if mine.any():
            inside = _inside(records.filter(mine), text)
            found.append(inside)
            records = records.filter(~pl.col("at").is_in(inside["at"].implode()))
    return found, records


def _inside(records: pl.DataFrame, text: str) -> pl.DataFrame:
    """Return *records* with what the group of the regex *text* holds as their line, where that is not all of it."""
    groups = records.with_columns(_LINE.str.extract_groups(text).alias("_groups"))
    dtype = groups.schema["_groups"]
    names = [field.name for field in dtype.fields] if isinstance(dtype, pl.Struct) else []
    group = {name: pl.col("_groups").struct.field(name) for name in names}
    line = group.get(_GROUP, group[names[0]])
    return (
        groups.filter((line != _LINE).fill_null(value=False))
        .with_columns(
            line=line,
            envelope=pl.concat_str(pl.lit(NAME), "envelope", separator="+", ignore_nulls=True),
            sure=pl.lit(value=True),
            part=group[_PART].is_not_null() if _PART in group else pl.lit(None, dtype=pl.Boolean),
            **{name: pl.coalesce(group[name], name) for name in FACTS if name in group},
        )
        .drop("_groups")
    )
