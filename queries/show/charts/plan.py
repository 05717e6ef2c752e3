"""The `Chart:` line in the comment of a report → a plan: the kind of chart, and the columns that it draws.

`-- Chart: KIND channel=column …`, for example `-- Chart: bar y=model x=peak_tpm,avg_tpm`. The kinds:

- `bar`: a ranking. `y` is what is ranked, `x` a measure, or several side by side; `color` divides a bar.
- `series`: `y` over times `x`, a line for each `color`, zero where there is no row, and the peak of each marked.
- `line`: the same as it is: nothing is filled in or marked.
- `column`: a measure `y` per period `x`.
- `point`: `y` over times `x`, with `color`, `size` and `shape`.
- `span`: what `y` lasted, from the first time of `x` to the second, as `x=started_at,ended_at`.

`facet=column` makes one picture for each value; `limit=column` draws a line at it; `about=column` writes what the
first row has of it under the title; `by=column` says which are drawn where there are too many: those with the most of
it. `each=day` (or `minute`, `hour`, `week`, `month`) says what a time stands for, `each=$grain,day` that a parameter
says it, or else so; any other word is only how to call it. `none='no story'` names an unknown value, and
`unit='requests a minute'` says what the name of a measure doesn't.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parsers.values.messages import nearest
from queries.answers.answer_rows import is_moment, is_number, is_whole
from queries.answers.reports import Answer
from queries.errors import QueryError

KINDS = ("bar", "series", "line", "column", "point", "span")
_CHANNELS = ("x", "y", "color", "size", "shape", "facet", "limit", "about", "by")
_WORDS = ("none", "unit", "each")


@dataclass(frozen=True)
class Plan:
    """What a `Chart:` line says: the kind, the columns of each channel, and words that the columns don't say."""

    kind: str
    columns: Mapping[str, list[str]]
    none: str = "unknown"
    unit: str = ""
    each: str = ""
    whole: Sequence[str] = ()
    """Columns of whole numbers."""


def read(answer: Answer) -> Plan:
    """Read the `Chart:` line of *answer*, and check that it names what there is."""
    where = f"the Chart line of {answer.name}"
    if not answer.chart:
        raise QueryError(
            f"{answer.name} has no picture; a comment line such as `-- Chart: bar y=model x=calls` gives one"
        )
    try:
        kind, *pairs = shlex.split(answer.chart)
    except ValueError as error:
        raise QueryError(f"{where}: {error}") from error
    given = dict(pair.partition("=")[::2] for pair in pairs)
    if kind not in KINDS:
        raise QueryError(f"{where} begins with {kind!r}{nearest(kind, KINDS)}")
    for name in given:
        if name not in {*_CHANNELS, *_WORDS}:
            raise QueryError(f"{where} says {name!r}{nearest(name, (*_CHANNELS, *_WORDS))}")
    kinds = answer.rows.kinds
    columns = {name: value.split(",") for name, value in given.items() if name in _CHANNELS}
    for name in (name for names in columns.values() for name in names):
        if name not in kinds:
            raise QueryError(f"{where} names no column {name!r}{nearest(name, kinds)}")
    if not {"x", "y"} <= set(columns) or (kind == "span" and len(columns["x"]) != 2):  # noqa: PLR2004 - from and to
        raise QueryError(f"{where} needs x=… and y=…" + (", and two columns for x" if kind == "span" else ""))
    _check_types(where, kind, columns, kinds)
    whole = [name for name, each in kinds.items() if is_whole(each)]
    words = {name: value for name, value in given.items() if name in _WORDS}
    return Plan(kind, columns, whole=whole, **words | {"each": _each(words.get("each", ""), answer)})


def _each(said: str, answer: Answer) -> str:
    """Return what a time stands for: the value of a parameter, where it is called so, else what is said behind it."""
    if not said.startswith("$"):
        return said
    name, _, usual = said.removeprefix("$").partition(",")
    return str(answer.parameters.get(name) or usual)


def _check_types(where: str, kind: str, columns: Mapping[str, list[str]], kinds: Mapping[str, str]) -> None:
    """Refuse words where a chart has numbers or times."""
    numbers = [
        *columns.get("size", []),
        *columns.get("limit", []),
        *columns.get("by", []),
        *columns["x" if kind == "bar" else "y"],
    ]
    for name in numbers if kind != "span" else []:
        if not is_number(kinds[name]):
            raise QueryError(f"{where} draws {name}, which is not a number")
    for name in columns["x"] if kind != "bar" else []:
        if not (is_moment(kinds[name]) or kinds[name] == "DATE"):
            raise QueryError(f"{where} draws {name} as times, which it is not")
