"""Which columns fit a terminal, how wide each may be, and how a text that is too long for its column is cut.

A wider terminal never shows less: what must be seen is there at every width, the others come one after the other until
one doesn't fit, and what is left then goes to texts that are cut.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len

GAP = 3
_TEXT = 18
"""As wide as a column of longer texts is made before there is room to spare."""

_DATE = re.compile(r"(?<=.)[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest)\b.*$")
_REVISION = re.compile(r"-v\d+(?::\d+)?$")
_MAKER = re.compile(r"^(?:.*/|(?:[a-z]{2,6}\.)?(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|qwen)\.)(?=.)")


class Column(NamedTuple):
    """A column of a table: its name, its texts, and whether they are numbers, which are never cut."""

    name: str
    texts: Sequence[str]
    is_number: bool

    @property
    def widest(self) -> int:
        """How wide the name and all texts are."""
        return max(map(cell_len, (self.name, *self.texts)))

    @property
    def usual(self) -> int:
        """How wide it is made at first."""
        return self.widest if self.is_number else min(self.widest, max(_TEXT, cell_len(self.name)))

    @property
    def least(self) -> int:
        """How wide it must be: a number whole, a text as its name."""
        return self.widest if self.is_number else cell_len(self.name)


def fitting(columns: Sequence[Column], width: int, first: Sequence[str]) -> dict[str, int]:
    """Return the columns to show in *width*, those called *first* before all others, and how wide each is."""
    known = {column.name: column for column in columns}
    must = [known[name] for name in first]
    widths = {column.name: column.usual for column in must}
    for column in (column for column in columns if column.name not in widths):
        if _total(widths) + GAP + column.usual > width:
            break
        widths[column.name] = column.usual
    shown = [known[name] for name in widths]
    _shrink(shown, widths, width)
    for column in shown:  # from left to right
        widths[column.name] += max(min(column.widest - widths[column.name], width - _total(widths)), 0)
    return widths


def fit(columns: Sequence[Column], width: int) -> bool:
    """Whether all *columns* fit *width*, when their texts are cut."""
    return _total({column.name: column.least for column in columns}) <= width


def cut(name: str, text: str, width: int, *, dots: str = "…") -> str:
    """Return *text* of the column *name* in no more than *width*: paths lose their middle, other texts their end."""
    if cell_len(text) <= width:
        return text
    room = max(width - len(dots), 0)
    if not name.endswith(("path", "file")):
        return _begin(text, room) + dots
    # The name of the file says more than the folders before it.
    begin = room // 3
    return _begin(text, begin) + dots + _begin(text[::-1], room - begin)[::-1]


def short_models(names: Sequence[str]) -> Mapping[str, str]:
    """Return a shorter name of each of *names*, without date, maker and revision, where no two become the same."""
    short = {name: _DATE.sub("", _REVISION.sub("", _MAKER.sub("", name))) or name for name in set(names)}
    twice = {value for value in short.values() if [*short.values()].count(value) > 1}
    return {name: name if value in twice else value for name, value in short.items()}


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + GAP * (len(widths) - 1)


def _shrink(shown: Sequence[Column], widths: dict[str, int], width: int) -> None:
    """Take from the widest texts what *width* lacks."""
    while _total(widths) > width:
        roomy = [column.name for column in shown if widths[column.name] > column.least]
        if not roomy:
            return
        widths[max(roomy, key=widths.__getitem__)] -= 1


def _begin(text: str, room: int) -> str:
    while cell_len(text) > room:
        text = text[: max(room, 0)] if len(text) > room else text[:-1]
    return text
