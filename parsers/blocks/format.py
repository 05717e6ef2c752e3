"""What a format is: which lines it claims, where its records begin and end, and how they become rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from parsers.blocks.lines import Lines, Mask

Context = Mapping[str, str]
"""What earlier lines of a source say about later ones, such as the session; a format's own names and values."""


@dataclass(frozen=True)
class Parsed:
    """Rows that a format made of its records.

    Each frame needs `source_offset`; columns of the schema that a format doesn't know may be missing. `rejects` has the
    columns of `records.REJECTED`. `context` is what holds after the last record.
    """

    calls: pl.DataFrame
    events: pl.DataFrame
    rejects: pl.DataFrame
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """One format of lines.

    Attributes:
        name: as in `--format` and at the head of the column `format`.
        title: what it is, for people.
        json: whether its records are JSON objects, one a line; else they are text.
        claims: true on `line` for the lines that begin a record of this format. Formats are asked in order, and a
            claimed line is not offered to the next.
        parse: records (`RECORDS`, in source order) and the context before them → rows. Pure.
        sets_context: true on `line` for the lines that change the context; None when no line needs an earlier one.
        starts: for text whose records may span lines: which lines begin any record, claimed or not.
        closed: for such text: true on `line` where a claimed line is a whole record by itself.
        hints: literals, one of which is in every line that the format claims. When all formats of a kind have some,
            the lines that hold none are dropped by one search (3 GB/s) before anyone is asked; few and rare ones are
            best, and ones that others use too. `claims` of text is only asked of lines that hold one.
        heads: true on the first `line` of a source that is in this format as a whole, such as the header of a CSV
        file. All its lines are then claimed, and offered to nobody else, as long as the format's context isn't empty.
    """

    name: str
    title: str
    json: bool
    claims: pl.Expr
    parse: Callable[[pl.DataFrame, Context], Parsed]
    sets_context: pl.Expr | None = None
    starts: Callable[[Lines], Mask] | None = None
    closed: pl.Expr | None = None
    hints: tuple[str, ...] = ()
    heads: pl.Expr | None = None
