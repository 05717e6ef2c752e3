"""Columns by name: a header says whose rows a table holds, in whatever file it is.

A format declares which names make a header its own (`Header`); CSV files and tables of columns are read by it as the
JSON lines, or the rows of a database, that they would be: names mean the same everywhere. Columns may be in any order,
and any subset that still makes a call will do. A name that nobody knows as it is written is tried as `snake_case`
(`Prompt Tokens`, `PROMPT_TOKENS`), and without the name of an object that was flattened (`usage.prompt_tokens`).

CSV: the first line is the header, and the whole file is then in this format. Separators are `,`, `;` or tab. Quoted
fields may hold separators and line ends. Exports that were appended to each other repeat the header; where it changes,
the rows after it are read by the new one, or rejected when nobody knows that. Rows with too few or too many fields are
rejected. Empty fields are NULL, and so are the words that databases and data frames write for it.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import polars as pl

from parsers.blocks.csv_rows import CLOSED, SEPARATORS, cells, columns, starts
from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import RECORDS, REJECTED, reject
from parsers.jsonl.table_cells import CELLS, as_lines
from parsers.jsonl.unknown_fields import LEFTOVERS
from parsers.rows.typed_tables import parsed
from parsers.values.privacy import Rule, rule_of
from parsers.values.typed import known, metadata

_FEWEST = 3
"""Fewer known names than this may stand in any row."""

_NAME = re.compile(r"[\w .:/@$€%°#&+*?'()\[\]-]{0,64}")
_A_NUMBER = re.compile(r"[\d.:/ -]+")
_FLATTENED = re.compile(r"^(?:(?:response|usage|llm|extra|fields)\.)+", re.IGNORECASE)
_DECIMAL = r"^-?(?:0,\d+|\d+,(?:\d\d?|\d{4,}))$"
_LINE = pl.col("line")


@dataclass(frozen=True, eq=False)
class Header:
    """What makes a table rows of one format.

    Attributes:
        name: of the format, as `Format.name`.
        needs: of each of these groups of names one must be there.
        read: rows with the cells as columns of text, and `RECORDS` → calls.
        reads: the names that the format knows, besides.
        unless: names of which none may be there.
        whole: whether `read` takes any column; else it gets those that it `reads`, the others as `LEFTOVERS`.
        rank: when it is asked: headers that name their system come first, the one that guesses last.
    """

    name: str
    needs: tuple[tuple[str, ...], ...]
    read: Callable[[pl.DataFrame], Parsed]
    reads: Collection[str] = ()
    unless: tuple[str, ...] = ()
    whole: bool = False
    rank: int = 0

    @cached_property
    def names(self) -> frozenset[str]:
        """Every name that it knows."""
        return frozenset(name for group in self.needs for name in group) | frozenset(self.reads)

    def fits(self, names: Collection[str]) -> bool:
        """Tell whether columns of these *names* are rows of the format."""
        have = set(names)
        return all(have & set(group) for group in self.needs) and not have & set(self.unless)


def json_header(
    format_: Format, needs: tuple[tuple[str, ...], ...], *, reads: Collection[str] = (), of_lines: bool = False
) -> Header:
    """Return the header of rows that mean what JSON lines of *format_* with such fields mean.

    A format *of lines* knows no records whose fields are `CELLS`: these are written as the lines that they would be.
    """
    return Header(format_.name, needs, partial(_by_lines if of_lines else _by_cells, format_), reads, whole=True)


def header_of(names: Sequence[str], headers: Sequence[Header]) -> tuple[Header, list[str]] | None:
    """Return whose rows have columns of these *names*, and the names as their format writes them."""
    for header in headers:
        mine = _renamed(tuple(names), header.names)
        if header.fits(mine):
            return header, mine
    return None


def read_columns(rows: pl.DataFrame, names: Sequence[str], header: Header) -> Parsed:
    """Return the calls in *rows*: the columns called *names* are cells of text, besides them there is `RECORDS`."""
    cell = {name: pl.col(name) for name in names if name and not _is_left_out(name, header)}
    if header.whole:
        return header.read(rows.select(*RECORDS, **cell))
    known_ = header.names
    more = {name: _flat(value) for name, value in cell.items() if name not in known_}
    mine = {name: value for name, value in cell.items() if name in known_}
    return header.read(rows.select(*RECORDS, **mine, **{LEFTOVERS: metadata(more)}))


def csv_format(headers: Sequence[Header]) -> Format:
    """Return the format of CSV files with any of *headers*."""
    by_rank = tuple(sorted(headers, key=lambda h: h.rank))
    text = pl.when(~_LINE.str.starts_with("{")).then(_LINE)  # of thousands of files most are of JSON
    heads = text.map_elements(lambda line: _found(line, by_rank) is not None, return_dtype=pl.Boolean)
    return Format(
        name="csv",
        title="CSV files whose header has columns that any other format knows",
        json=False,
        claims=_LINE.is_not_null(),
        sets_context=_may_be_header(by_rank),
        parse=partial(_parse, by_rank),
        starts=starts,
        closed=CLOSED,
        heads=heads,
        rank=2,
    )


def _parse(headers: tuple[Header, ...], records: pl.DataFrame, context: Context) -> Parsed:
    """Return the calls of each stretch of rows below one header."""
    header = context.get("header", "")
    parts = []
    for head, rows in _stretches(records, header, headers):
        header = head
        if not rows.is_empty():
            parts.append(_below(head, rows, headers))
    if not parts:
        return parsed(context={"header": header})
    return Parsed(
        calls=pl.concat([part.calls for part in parts], how="diagonal"),
        events=pl.concat([part.events for part in parts], how="diagonal"),
        rejects=pl.concat([part.rejects for part in parts]),
        context={"header": header},
    )


def _stretches(records: pl.DataFrame, header: str, headers: tuple[Header, ...]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each header and the rows below it; the first is what stood above *records*, or their first line."""
    header = header or records["line"][0]
    rows = records.filter((_LINE.ne(header)) & (_LINE.str.strip_chars() != ""))
    at = 0
    for i in _changes(rows["line"], headers):
        yield header, rows.slice(at, i - at)
        header, at = rows["line"][i], i + 1
    last = rows.slice(at)
    yield header, last.filter(_LINE.ne(header))


def _changes(lines: pl.Series, headers: tuple[Header, ...]) -> list[int]:
    """Return which of *lines* are another header: few hold a name at all, and of those most hold it in some JSON."""
    plain = (~lines.str.contains("{", literal=True)).arg_true()
    named = lines.gather(plain) if len(plain) < len(lines) else lines
    at = plain.filter(named.str.contains(_any_mark(headers))).to_list()
    found = [i for i in at if _is_header(lines[i], headers)]
    return [i for n, i in enumerate(found) if n == 0 or lines[i] != lines[found[n - 1]]]


def _may_be_header(headers: tuple[Header, ...]) -> pl.Expr:
    return _LINE.str.contains(_any_mark(headers)) & ~_LINE.str.contains("{", literal=True)


@lru_cache(maxsize=8)
def _any_mark(headers: tuple[Header, ...]) -> str:
    """Return a regex for names of which every header has one, long ones: `ok` is in many cells.

    What has another name in it is left out: up to some fifty literals are searched for at once by SIMD.
    """
    groups = (max(header.needs, key=lambda group: min(map(len, group))) for header in headers)
    names = {name for group in groups for name in group}
    least = (name for name in names if not any(other in name for other in names - {name}))
    return "|".join(sorted(map(pl.escape_regex, least)))


@lru_cache(maxsize=256)
def _is_header(line: str, headers: tuple[Header, ...]) -> bool:
    """Tell whether *line* names columns, whether or not they make calls."""
    _, names = _split(line)
    every = frozenset[str]().union(*(header.names for header in headers))
    return _are_names(names) and sum(name in every for name in names) >= min(_FEWEST, len(names))


@lru_cache(maxsize=64)
def _found(line: str, headers: tuple[Header, ...]) -> tuple[Header, list[str], str] | None:
    """Return whose rows stand below *line*, the names of the columns, and their separator."""
    separator, names = _split(line)
    if not _are_names(names):
        return None
    found = header_of(names, headers)
    return (*found, separator) if found else None


def _split(line: str) -> tuple[str, list[str]]:
    """Return the separator of a header and its names, those too of one whose quotes don't close."""
    separator = max(SEPARATORS, key=line.count)
    row = cells(line, separator)
    return separator, [name.strip() for name in row or line.replace('"', "").split(separator)]


def header_names(line: str) -> list[str]:
    """Return the names in *line*, the header of a CSV file."""
    return _split(line)[1]


def _are_names(names: Sequence[str]) -> bool:
    given = [name for name in names if name]
    return len(given) > 1 and all(_NAME.fullmatch(n) and not _A_NUMBER.fullmatch(n) for n in given)


@lru_cache(maxsize=256)
def _renamed(names: tuple[str, ...], known_: frozenset[str]) -> list[str]:
    """Return *names* as those who know them write them; of two columns of one name the first counts."""
    taken: set[str] = set(names) & known_
    renamed, seen = [], set[str]()
    for name in names:
        here = name if name in known_ else next((n for n in _spellings(name) if n in known_ and n not in taken), name)
        taken.add(here)
        renamed.append("" if here in seen else here)
        seen.add(here)
    return renamed


def _spellings(name: str) -> Iterator[str]:
    for text in (name, _FLATTENED.sub("", name)):
        yield text
        yield re.sub(r"\W+", "_", text.lower()).strip("_")


def _below(head: str, rows: pl.DataFrame, headers: tuple[Header, ...]) -> Parsed:
    """Return the calls of *rows*, which stand below the line *head*."""
    found = _found(head, headers)
    if found is None:
        return parsed(None, [reject(rows, "the columns of the header don't make a call")])
    header, names, separator = found
    if not cells(head, separator):
        return parsed(None, [reject(rows, "the quotes of the header don't close")])
    table, good = columns(rows["line"], separator, len(names))
    bad = _NONE if good.all() else reject(rows.filter(~good), f"not {len(names)} fields, as the header has")
    if table.is_empty():
        return parsed(None, [bad])
    if separator == ";":
        table = _with_points(table)
    kept = (rows if good.all() else rows.filter(good)).select(*RECORDS)
    named = {i: name for i, name in enumerate(names) if name and not _is_left_out(name, header)}
    kept = kept.hstack([table.to_series(i).alias(name) for i, name in named.items()])
    result = read_columns(kept, list(named.values()), header)
    return Parsed(result.calls, result.events, pl.concat([bad, result.rejects]))


def _with_points(table: pl.DataFrame) -> pl.DataFrame:
    """Return the cells as they are, but `0,06` as `0.06`: where a comma separates none of them, it is a point."""
    commas = table.select(pl.all().str.contains(",", literal=True).any())
    having = pl.col(name for name in table.columns if commas[name].item())
    point = having.str.replace(",", ".", literal=True)
    return table.with_columns(pl.when(having.str.contains(_DECIMAL)).then(point).otherwise(having))


def _is_left_out(name: str, header: Header) -> bool:
    """Tell whether a column may hold prompts or responses, and its format doesn't ask for it."""
    return name in RECORDS or (name not in header.names and rule_of(name) is Rule.NEVER)


def _flat(cell: pl.Expr) -> pl.Expr:
    """Return a cell for `metadata`, unless it may be an object, whose fields nobody looks at."""
    return pl.when(~cell.str.contains(r"^\s*[\[{]")).then(known(cell))


def _by_cells(format_: Format, rows: pl.DataFrame) -> Parsed:
    """Return what *format_* makes of *rows*, whose cells are the fields of its records."""
    return format_.parse(rows.select(*RECORDS, pl.struct(pl.exclude(*RECORDS)).alias(CELLS)), {})


def _by_lines(format_: Format, rows: pl.DataFrame) -> Parsed:
    """Return what *format_* makes of *rows* written as JSON lines; what it rejects is shown as it was."""
    lines = rows.select(as_lines(rows.drop(*RECORDS)), "source_offset", "source_end")
    result = format_.parse(lines, {})
    if result.rejects.is_empty():
        return result
    written = result.rejects.drop("line").join(rows.select("source_offset", "line"), on="source_offset", how="left")
    return Parsed(result.calls, result.events, written.select(*REJECTED))


_NONE = pl.DataFrame(schema=REJECTED)
