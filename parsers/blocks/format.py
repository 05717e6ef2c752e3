"""What a format is: which lines it claims, where its records begin and end, how they become rows; and a known table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from parsers.blocks.lines import Lines, Mask, Positions

_NEVER = r"|\x00\x01\x02^"


def apart(pattern: str) -> str:
    """Return a regex that finds what *pattern* does, at ten times the speed where that are words in quotes.

    All that such words have in common is the quote, so that each quote of a line would be looked at. A word that begins
    otherwise, here one that is nowhere, makes the regex look for words.
    """
    return pattern + _NEVER


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


@dataclass(frozen=True, eq=False)
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
        starts: for text whose records may span lines: which of the lines at some positions begin any record, claimed
            or not.
        closed: for such text: true on `line` where a claimed line is a whole record by itself.
        hints: literals, one of which is in every line that the format claims. When all formats of a kind have some,
            the lines that hold none are dropped by one search (3 GB/s) before anyone is asked; few and rare ones are
            best, and ones that others use too. `claims` of text is only asked of lines that hold one.
        heads: true on the first `line` of a source that is in this format as a whole, such as the header of a CSV
            file. All its lines are then claimed, and offered to nobody else, while the format has a context.
        leaves: true on `line` for the lines that it knows and leaves out on purpose, such as sums of many calls.
        whole: whether a source in this format holds nothing else: any other line among its own is one that is broken.
        rank: when a line is offered to it: formats that know their own lines come first, those that guess last.
        unwrap: what else than the known envelopes may be around its lines: places in JSON, or regexes of text with a
            group, which is the line.
        stands: true on `line` for one that is a record as it is, though it may look like an envelope; None where what
            is in envelopes is always meant.
    """

    name: str
    title: str
    json: bool
    claims: pl.Expr
    parse: Callable[[pl.DataFrame, Context], Parsed]
    sets_context: pl.Expr | None = None
    starts: Callable[[Lines, Positions], Mask] | None = None
    closed: pl.Expr | None = None
    hints: tuple[str, ...] = ()
    heads: pl.Expr | None = None
    leaves: pl.Expr | None = None
    whole: bool = False
    rank: int = 0
    unwrap: tuple[str, ...] = ()
    stands: pl.Expr | None = None


Related = Mapping[str, pl.DataFrame]
"""Rows of other tables, by their names, as text."""

Read = Callable[[pl.DataFrame, Related], Parsed]
"""Rows of the table, with `source_offset`, and the rows beside it that tell more of them (mostly none) → calls."""


@dataclass(frozen=True)
class Beside:
    """Another table whose rows tell more of a table's rows.

    Attributes:
        table: its name.
        key: its column that the table refers to.
        refers: the table's column that holds such a key.
        reads: columns that are fetched, where they are there; the others are NULL.
        where: condition on those of its rows that count, as SQL that all databases understand.
        database: name of the database, in a folder above, that it is in; else it is in the same one.
    """

    table: str
    key: str
    refers: str
    reads: tuple[str, ...]
    where: str = "1 = 1"
    database: str = ""


@dataclass(frozen=True)
class Known:
    """One known table.

    Attributes:
        name: system and table, as in the column `format`.
        tables: what it may be called, best guess first.
        needs: columns without which it is another table.
        reads: columns that are fetched, where they are there.
        key: the column of the primary key.
        times: columns of time, the one that says when the row was done first.
        read: what its rows mean.
        rewritten: whether rows change after they were inserted.
        finished: condition on `column values` that holds for rows that are done, as SQL that all databases understand.
        global_keys: whether keys are unique in the world, as UUIDs are, and not only in their table.
        folder: column that the application leaves to the name of the folder that the database is in.
        beside: other tables that tell more of the rows.
        query: SQL of SQLite that stands for the table, in parentheses, where other rows tell what one means: it has
            `rowid`, the times and all that is read.
        query_key: what the key is there, where copies of a row are to have one; the end of a row's `dedupe_key`.
    """

    name: str
    tables: tuple[str, ...]
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    key: str
    times: tuple[str, ...]
    read: Read
    rewritten: bool = False
    finished: str = "1 = 1"
    global_keys: bool = True
    folder: str = ""
    beside: tuple[Beside, ...] = ()
    query: str = ""
    query_key: str = ""


def nothing_of(beside: Beside) -> pl.DataFrame:
    """Return no rows of another table, with the columns that they would have."""
    return pl.DataFrame(schema=dict.fromkeys(beside.reads, pl.String))


def alone(read: Callable[[pl.DataFrame], Parsed]) -> Read:
    """Return *read*, which needs no other table, as a table is read."""
    return lambda rows, _related: read(rows)
