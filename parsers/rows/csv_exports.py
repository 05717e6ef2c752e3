"""CSV exports of the tables that formats of their own read from databases and JSON lines.

The first line names the columns, in any order, and tells the table; the whole file is then in this format. Separators
are `,`, `;` or tab. Quoted fields may hold separators and line ends. Rows with too few or too many fields are rejected.
Exports that were appended to each other repeat the header. Empty fields are NULL.
"""

from collections.abc import Callable

import polars as pl

from parsers.blocks.csv_rows import CLOSED, SEPARATORS, cells, starts
from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import REJECTED, reject
from parsers.jsonl.unknown_fields import LEFTOVERS
from parsers.rows.typed_tables import Columns, parsed
from parsers.values.typed import known, metadata

_LINE = pl.col("line")


def csv_format(
    name: str, title: str, marks: tuple[str, ...], columns: Columns, calls: Callable[[pl.DataFrame], Parsed]
) -> Format:
    """Return the format of CSV files whose header has the columns *marks*."""

    def parse(records: pl.DataFrame, context: Context) -> Parsed:
        header = context.get("header") or records["line"][0]
        rows, bad = _rows(records.filter(_LINE.ne_missing(header) & (_LINE.str.strip_chars() != "")), header, columns)
        if rows.is_empty():
            return parsed(None, [bad], context={"header": header})
        result = calls(rows)
        return parsed(result.calls, [bad, result.rejects], context={"header": header})

    heads = pl.all_horizontal(_LINE.str.contains(rf'(?:^|[,;\t])\s*"?{mark}"?\s*(?:[,;\t]|$)') for mark in marks)
    every = _LINE.is_not_null()
    return Format(name, title, json=False, claims=every, parse=parse, starts=starts, closed=CLOSED, heads=heads, rank=2)


def _rows(records: pl.DataFrame, header: str, columns: Columns) -> tuple[pl.DataFrame, pl.DataFrame]:
    separator = max(SEPARATORS, key=header.count)
    names = [
        name.strip() for name in cells(pl.Series([header]), separator, header.count(separator) + 1).to_list()[0] or []
    ]
    split = records.with_columns(fields=cells(records["line"], separator, max(len(names), 1)))
    good = (split["fields"].list.len() == len(names)).fill_null(value=False)
    reason = f"not {len(names)} fields, as the header has" if names else "the quotes of the header don't close"
    bad = reject(split.filter(~good), reason) if not good.all() else _NONE
    at = {name: pl.col("fields").list.get(i, null_on_oob=True) for i, name in reversed(list(enumerate(names)))}
    more = {name: _flat(cell) for name, cell in at.items() if name not in columns}
    mine = {name: cell for name, cell in at.items() if name in columns}
    kept = split.filter(good).select("line", "source_offset", "source_end", **mine, **{LEFTOVERS: metadata(more)})
    return kept, bad


def _flat(cell: pl.Expr) -> pl.Expr:
    """Return a cell for `metadata`, unless it may be an object, whose fields nobody looks at."""
    return pl.when(~cell.str.contains(r"^\s*[\[{]")).then(known(cell))


_NONE = pl.DataFrame(schema=REJECTED)
