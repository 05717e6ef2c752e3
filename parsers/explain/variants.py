"""The pieces of a record that may feed columns, each with the records that lack it or have something else in its place.

What becomes of those records shows what a piece is for. Records are JSON objects, rows of a CSV file, lines of text, or
rows of a table.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

_MOST = 400
"""How many pieces of one record are tried, at most."""

_NANOSECONDS = 10**15
_TEXT = re.compile(
    r"""(?P<bracketed>\[[^\]\n]*\] | '[^'\n]*' | "[^"\n]*")
    | (?P<number>\$?\d[\d,]*\d(?=[\s,;)]|\.\s|$) | [^\s,()\[\]{}'"=:]*\d[^\s()\[\]{}'",;]*)
    | (?P<named>(?<=[:=]\s)[^\s,()\[\]{}'"]+(?!\S*\s+[\d'"$]) | (?<=[:=])[^\s,()\[\]{}'":=]+)
    | (?P<word>[A-Za-z][\w.-]*)""",
    re.VERBOSE,
)
"""Values in a line of text: what stands in brackets or quotes, what has digits, a word after a colon, any word."""

_Key = str | int
R = TypeVar("R")


@dataclass(frozen=True)
class Piece(Generic[R]):
    """One piece of a record: *without* is the record that lacks it (None for text), *altered* are some with others."""

    path: str
    value: Any
    without: R | None
    altered: tuple[R, ...]


def of_json(line: str) -> list[Piece[str]]:
    """Return the fields of a JSON object, in their order; none if *line* isn't one."""
    try:
        record = json.loads(line, strict=False)
    except (ValueError, RecursionError):
        return []
    return [
        Piece(
            _written(path, record),
            value,
            _json(_with(record, path)),
            tuple(_json(_with(record, path, other)) for other in _others(value)),
        )
        for path, value in islice(_leaves(record), _MOST)
    ]


def of_csv(line: str, header: str) -> list[Piece[str]]:
    """Return the cells of a row of a CSV file below *header*."""
    separator = max(",;\t", key=header.count)
    names, cells = (next(csv.reader([text], delimiter=separator), []) for text in (header, line))

    def with_(i: int, cell: str) -> str:
        return separator.join(_cell(text, separator) for text in [*cells[:i], cell, *cells[i + 1 :]])

    return [
        Piece(name.strip(), cell, with_(i, ""), tuple(with_(i, other) for other in _others(cell)))
        for i, (name, cell) in enumerate(zip(names, cells, strict=False))
        if cell
    ]


def _cell(text: str, separator: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ('"', "\n", separator)) else text


def of_text(line: str) -> list[Piece[str]]:
    """Return the values in a line of text, each named by the words before it, else by itself."""
    found: list[Piece[str]] = []
    last = 0
    for match in islice(_TEXT.finditer(line.partition("\n")[0]), _MOST):
        start, end = match.span()
        altered = tuple(line[:start] + other + line[end:] for other in _others(match[0]))
        words = re.split(r"[\[\](),;'\"|]", line[last:start])[-1].strip(" :=$-")
        if match.lastgroup != "word":
            last = end
        found.append(Piece(words if words and match.lastgroup != "word" else match[0], match[0], None, altered))
    return found


def of_row(row: Mapping[str, str | None]) -> list[Piece[dict[str, str | None]]]:
    """Return the cells of a row of a table."""
    return [
        Piece(name, cell, {**row, name: None}, tuple({**row, name: other} for other in _others(cell)))
        for name, cell in row.items()
        if cell is not None
    ]


def _others(value: Any) -> list[Any]:
    """Return other values of the same kind as *value*, some of which the record could have held instead."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + (10**9 if abs(value) > _NANOSECONDS else 1)]
    return _other_texts(value) if isinstance(value, str) else []


def _other_texts(text: str) -> list[str]:
    if text.lower() in ("true", "false"):
        return ["false" if text.lower() == "true" else "true"]
    if text[:1] in "{[" and (objects := of_json(text)):
        return [other for piece in objects for other in piece.altered]
    # A digit of seconds, the first and the last digit, the last letter.
    places = [m.start() for m in re.finditer(r"(?<=:\d\d:)\d", text)]
    places += [m.start() for m in re.finditer(r"\d(?=\D*$)|(?<!\d)[1-8](?=\d)", text)][-2:]
    places += [m.start() for m in re.finditer(r"[a-zA-Z](?=[^a-zA-Z]*$)", text)]
    return [text[:at] + _next(text[at]) + text[at + 1 :] for at in dict.fromkeys(places)]


def _next(character: str) -> str:
    if character.isdigit():
        return str((int(character) + 1) % 6 if character != "9" else 8)
    return "y" if character == "x" else "x"


def _leaves(value: Any, above: tuple[_Key, ...] = ()) -> Iterator[tuple[tuple[_Key, ...], Any]]:
    if isinstance(value, dict):
        for key, below in value.items():
            if key != "key" or not _names_value(value):
                yield from _leaves(below, (*above, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for i, below in enumerate(value):
            yield from _leaves(below, (*above, i))
    elif above:
        yield above, value


def _names_value(value: Any) -> bool:
    """Tell whether *value* is an attribute of OpenTelemetry's: `{"key": …, "value": {"stringValue": …}}`."""
    return isinstance(value, dict) and set(value) == {"key", "value"} and isinstance(value["key"], str)


_NOTHING = object()


def _with(value: Any, path: tuple[_Key, ...], other: Any = _NOTHING) -> Any:
    """Return *value* with *other* at *path*, or with nothing there."""
    key, *rest = path
    if isinstance(value, Mapping):
        if not rest and other is _NOTHING:
            return {k: v for k, v in value.items() if k != key}
        return {k: (_with(v, tuple(rest), other) if rest else other) if k == key else v for k, v in value.items()}
    items = [v if i != key else _with(v, tuple(rest), other) if rest else None for i, v in enumerate(value)]
    return [item for item in items if item is not None]


def _json(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _written(path: tuple[_Key, ...], record: Any) -> str:
    """Return *path* as a mapping file writes it; an index in brackets, an attribute by its key."""
    text, value, named = "", record, False
    for key in path:
        value = value[key]
        if named and (key == "value" or (isinstance(key, str) and key.endswith("Value"))):
            continue
        named = _names_value(value)
        name = value["key"] if named else key
        if isinstance(name, int):
            text += f"[{name}]"
        else:
            text += ("." if text else "") + (f'"{name}"' if "." in name or not name else name)
    return text
