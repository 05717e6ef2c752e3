"""Which texts look like a line that some format reads: what decides where an envelope alone doesn't tell.

`{"message": "…"}` is how every second logger writes, and `word word ` before a line may be its beginning. Such an
envelope is taken off only where what is in it holds what a format looks for, and where the whole is no record itself.
"""

from collections.abc import Iterable, Sequence

import polars as pl

from parsers.blocks.format import Format
from parsers.blocks.lines import occurring
from parsers.envelopes.prefixes import COLOURS, PREFIXES, nameless

_LINE = pl.col("line")
_HIDING = r'\\u00|"MESSAGE"\s*:\s*\['
"""Escaped characters, such as those of colours, may stand in a hint; journald writes text as bytes."""


def promising(formats: Sequence[Format]) -> pl.Expr:
    """Return whether `line` may be a line that one of *formats* reads, in a further envelope perhaps."""
    bare = _LINE.str.replace_all(COLOURS, "").str.strip_chars_start()
    surely_wrapped = "^(?:" + "|".join(nameless(p.pattern) for p in PREFIXES if p.sure) + ")"
    tests = [f.claims for f in formats if not f.json and f.heads is None]
    of_json = bare.str.starts_with("{")
    if pattern := hints(formats):
        of_json &= bare.str.contains(pattern)
    return pl.any_horizontal(of_json, bare.str.contains(surely_wrapped), *tests).fill_null(value=False)


def claimed(formats: Iterable[Format]) -> pl.Expr:
    """Return whether `line` is a JSON record of one of *formats* as it is."""
    tests = (f.claims if f.stands is None else f.stands for f in formats if f.json and f.heads is None)
    return pl.any_horizontal(pl.lit(value=False), *(test.fill_null(value=False) for test in tests))


def hinted(lines: pl.Series, formats: Iterable[Format]) -> list[Format]:
    """Return those of *formats* that may claim one of *lines*: they have no hints, or one of them is there."""
    asked = list(formats)
    there = occurring(lines, {hint for f in asked for hint in f.hints})
    return [f for f in asked if not f.hints or there.intersection(f.hints)]


def standing(formats: Iterable[Format]) -> pl.Expr:
    """Return whether `line` is a record as it is of one of those *formats* that can tell."""
    tests = [f.stands.fill_null(value=False) for f in formats if f.stands is not None]
    return pl.any_horizontal(pl.lit(value=False), *tests)


def may_hold(lines: pl.Series, formats: Sequence[Format]) -> bool:
    """Tell whether one of the JSON *lines* may be, or wrap, a record of *formats*; the hints may be hidden in it."""
    pattern = hints(formats)
    return not pattern or bool(lines.str.contains(f"{_HIDING}|{pattern}").any())


def hints(formats: Sequence[Format]) -> str:
    """Return a regex for what is in every record of *formats*, within JSON text too; empty when there is no such."""
    literals = {hint for f in formats if f.heads is None for hint in f.hints}
    if not all(f.hints for f in formats if f.heads is None):
        return ""
    return "|".join(sorted(pl.escape_regex(hint).replace('"', r'\\*"') for hint in literals))
