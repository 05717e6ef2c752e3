"""What is said to people: nothing that a terminal would obey, the nearest name that there is, the line to look at."""

import re
from collections.abc import Iterable

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_FEW = 12
"""So many names are few enough to list them all in one line."""

_HEADING = re.compile(r"\s*\[{1,2}\s*([\w.\"' -]+?)\s*\]{1,2}\s*(?:#.*)?$")


def visible(text: str) -> str:
    """Return *text* with control characters, and bytes of names that are no UTF-8, spelled out."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def visible_lines(text: str) -> str:
    """Return *text*, which may have several lines, in the same way."""
    return "\n".join(map(visible, text.split("\n")))


def denied(
    what: object, *, remedy: str = "ask its owner, or change its mode", read: bool = True, written: bool = False
) -> str:
    """Say that *what*, a path, may not be *read*, or not *written*, or neither, and what to do."""
    done = " or ".join(["read"] * read + ["written"] * written)
    return f"{what} may not be {done} by this user: {remedy}"


def alike(word: str, words: Iterable[str], most: int = 3, *, least: float = 0.5) -> list[str]:
    """Return up to *most* of *words* that resemble *word*, the most alike first; 1 as *least* is equality."""
    from difflib import get_close_matches  # which whoever makes no mistake need not wait for

    return get_close_matches(word, list(words), most, least)


def nearest(word: str, words: Iterable[str]) -> str:
    """Return a hint such as ` - did you mean tpm?`, or which words there are when none is near and they are few."""
    known = sorted(words)
    if close := alike(word, known):
        return f" - did you mean {' or '.join(close)}?"
    return f" - there are {', '.join(known)}" if 0 < len(known) <= _FEW else ""


def line_of(toml: str, key: str | None, table: str = "", number: int = 0) -> int:
    """Return the line of *key* in the *number*-th table called *table* of a TOML text, counted from 1.

    Without such a key it is the line of the table's heading, and 1 where there is none: TOML can be written otherwise.
    """
    here, seen, first = "", 0 if not table else -1, 1
    named = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=") if key else None
    for at, line in enumerate(toml.splitlines(), start=1):
        if heading := _HEADING.match(line):
            here = heading[1]
            seen += here == table
            if not table and here == key:
                return at
            first = at if here == table and seen == number else first
        elif seen == number and here in (table, f"{table}.{key}") and named and named.match(line):
            return at
    return first
