"""`ingest explain`: show how a line is read, field by field, before it is ingested."""

import json
import re
import stat
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ingest.choices import formats_of, mappings_in
from ingest.cli.completion import files
from ingest.cli.options import mapping_option
from ingest.errors import IngestError
from parsers.values.messages import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parsers import Block, Format
    from parsers.explain.explain import Explanation, Field

_READ = 4 << 20
_SHOWN = 60
_LONGER = 160
_ROWS = 50
_A_PATH = re.compile(r"[^\s{}\[\]\"'=]*(?:[./\\][^\s{}\[\]\"'=]*)+")
"""What nobody takes for a line: one word with a dot or a slash in it."""


@click.command()
@click.argument("file_or_line", shell_complete=files)
@click.option("--format", "format_name", metavar="NAME", help="Read only this format, instead of any known one.")
@mapping_option
@click.option(
    "--at",
    type=click.IntRange(min=0),
    metavar="OFFSET",
    help="Show the record that begins at this byte of FILE, as `ingest report rejects` names it.",
)
@click.option(
    "--suggest-mapping", is_flag=True, help="Write the TOML of a mapping for lines of FILE that no format reads."
)
@click.option("-j", "--json", "as_json", is_flag=True, help="One JSON array instead of tables.")
def explain(  # noqa: PLR0913 # one parameter an option
    *,
    file_or_line: str,
    format_name: str | None,
    mappings: tuple[str, ...],
    at: int | None,
    suggest_mapping: bool,
    as_json: bool,
) -> None:
    """Show how a line is read: format, fields, columns, or why it is rejected.

    FILE_OR_LINE is a file, of which the first record of each kind is shown, `-` for standard input, a database (SQLite
    file, PostgreSQL URL), or a line itself. A field marked "needed" is one without which there would be no call.

    The text of a rejected record is not in the warehouse: --at shows it from the log, as a whole.
    """
    from parsers.explain.explain import explain as explain_line
    from parsers.explain.explain import samples

    formats = formats_of(format_name, mappings_in(mappings))
    block = _block(file_or_line) if at is None else None
    if suggest_mapping:
        click.echo(_suggested(file_or_line, block), nl=False)
        return
    if at is not None:
        found = [_record(file_or_line, at, formats)]
    elif block is None and _is_database(file_or_line):
        found = _tables(file_or_line)
    elif block is None:
        found = [explain_line(file_or_line, formats)]
    else:
        found = samples(block, formats)
        if not found:
            raise IngestError(_nothing(file_or_line, block.data, mappings))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2, default=str))
        return
    for one in found:
        click.echo("\n".join(_told(one, whole=at is not None)) + "\n")


def _block(name: str) -> "Block | None":
    """Return the beginning of the file *name*, up to a whole line; None when *name* is a line, or a database."""
    from parsers import Block, encoding_of

    if name == "-":
        data = sys.stdin.buffer.read(_READ)
    elif "\n" in name.rstrip("\n"):
        data = name.encode("utf-8", "replace")
    elif _is_database(name) or not _is_file(name):
        return None
    else:
        data = _head(Path(name))
    if len(data) >= _READ:
        data = data[: data.rfind(b"\n") + 1] or data
    return Block(data, sealed=True, encoding=encoding_of(data))


def _suggested(name: str, block: "Block | None") -> str:
    """Return the TOML of a mapping for the lines of *block*, the beginning of the file *name*.

    Raises:
        IngestError: It is no file of lines, or none of its lines holds both counts of tokens and a model.
    """
    from parsers import FORMATS, Block
    from parsers.explain.suggest import suggest

    if block is None and _is_database(name):
        raise IngestError(f"{name} is a database: a mapping describes lines")
    if block is None:
        block, name = Block(name.encode("utf-8", "replace") + b"\n", sealed=True), "a line"
    if (toml := suggest(block, FORMATS, "standard input" if name == "-" else name)) is not None:
        return toml
    if known := _formats_in(block):
        raise IngestError(f"{name} needs no mapping: it is read as {' and '.join(known)}")
    raise IngestError(
        f"{name}: no line holds both counts of tokens and a model; `ingest mapping` shows how to write one"
    )


def _formats_in(block: "Block") -> list[str]:
    """Return the names of the formats that read records of *block*."""
    from parsers import FORMATS
    from parsers.explain.explain import samples

    return sorted({one.format.partition("/")[0] for one in samples(block, FORMATS) if one.format})


def _record(name: str, at: int, formats: "Sequence[Format]") -> "Explanation":
    """Explain the record that begins at the byte *at* of the file *name*.

    Raises:
        IngestError: There is no such file, or nothing at that byte of it.
    """
    from parsers import Block, encoding_of
    from parsers.explain.explain import explain_at

    if not _is_file(name):
        raise IngestError(f"--at takes the place of a record in a file, and {name} is none")
    head = _head(Path(name))
    data = _head(Path(name), at) if at else head
    if not data:
        raise IngestError(f"{name} ends before byte {at}; is it the file that was read?")
    return explain_at(head, Block(data, at, sealed=True, encoding=encoding_of(head)), formats)


_KINDS = {stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
_FROM_PIPE = "write what comes out of it to a file, and name that"


def _is_file(name: str) -> bool:
    """Tell whether *name* is a file and no line.

    Raises:
        IngestError: It looks like a path, but no file is there.
    """
    try:
        path = Path(name)
        if path.is_file():
            return True
        if path.is_dir():
            raise IngestError(f"{name} is a folder; name one of its files")
        if path.exists():
            raise IngestError(f"{name} is a {_KINDS[stat.S_IFMT(path.stat().st_mode)]}, not a file: {_FROM_PIPE}")
    except (OSError, ValueError):
        return False
    if _A_PATH.fullmatch(name):
        raise IngestError(f"{name}: no such file; a line to explain goes in quotes, a whole file by its path")
    return False


def _is_database(name: str) -> bool:
    from ingest.databases.detect import is_sqlite
    from ingest.databases.postgres_address import is_address

    try:
        return is_address(name) or is_sqlite(Path(name))
    except ValueError:
        return False


def _tables(name: str) -> "list[Explanation]":
    """Explain a row of each known table in the database *name*, a path or URL."""
    import polars as pl

    from ingest.databases.polling import known_tables, open_database
    from ingest.databases.table_source import related
    from parsers.explain.explain import explain_row

    database = open_database(name)
    explained = []
    with closing(database):
        columns = database.tables()
        for source in known_tables(database, ()):
            known, table = source.known, source.label.rpartition("#")[2]
            reads = [column for column in known.reads if column in columns[table]]
            rows = database.rows(table, reads, where=known.finished, most=_ROWS)
            if known.folder:
                rows = rows.with_columns(pl.lit(source.folder).alias(known.folder))
            if one := explain_row(rows, known, related(source, rows)):
                explained.append(one)
    if not explained:
        raise IngestError(f"{name}: the tables that ingest knows in it have no rows yet")
    return explained


def _head(path: Path, at: int = 0) -> bytes:
    """Return the bytes of the file *path* from *at* on, as many as are looked at."""
    from ingest.files.streams import archive_of, open_stream

    try:
        with closing(open_stream(path)) as stream:
            head = stream.read(at, _READ)
    except OSError as error:
        raise IngestError(f"cannot read {path}: {error}; check that it exists and may be read") from error
    if not at and (archive := archive_of(head)):
        raise IngestError(f"{path} is a {archive}: unpack it, and name one of the files that it holds")
    return head


def _nothing(name: str, data: bytes, mappings: tuple[str, ...]) -> str:
    if not data.strip(b"\0 \t\r\n"):
        return f"{name} is empty: there is no line to explain"
    line = data.split(b"\n", 1)[0].decode("utf-8", "replace")
    if mappings:
        from parsers.mapping.mapping import unmatched

        return unmatched(mappings_in(mappings), line)
    remedy = "describe it in a mapping file, which --suggest-mapping drafts"
    return f"{name}: no format knows a line of it; {remedy}. The first: {_safe(line)}"


def _told(one: "Explanation", *, whole: bool = False) -> list[str]:
    line = _safe(one.line, len(one.line) if whole else _SHOWN)
    lines = [f"{one.format or 'no format'} at byte {one.offset}: {line}"]
    if one.reason is not None:
        what = "a part of it is rejected" if one.rows or one.events else "rejected" if one.format else "ignored"
        lines.append(f"  {what}: {_safe(one.reason, _LONGER)}")
    used = [f for f in one.fields if f.columns or f.required]
    if used:
        lines += _table([(_end(f.path), _safe(f.value), _fed(f)) for f in used], "field")
    for kind, rows in (("call", one.rows), ("event", one.events)):
        for i, row in enumerate(rows, start=1):
            lines.append(f"  {kind}" + (f" {i} of {len(rows)}" if len(rows) > 1 else ""))
            lines += _table([(name, _safe(value)) for name, value in row.items()], "column")
    if one.ignored and (one.rows or one.events):
        lines.append("  not used: " + ", ".join(_end(f.path) for f in one.ignored))
    return lines


def _fed(field: "Field") -> str:
    needed = " (needed)" if field.required and field.columns else "needed" if field.required else ""
    return ", ".join(field.columns) + needed


def _table(rows: "Sequence[tuple[str, ...]]", first: str) -> list[str]:
    if not rows:
        return []
    heads = {"field": ("field", "value", "column"), "column": ("column", "value")}[first]
    cells = [heads, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    return ["    " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]


def _end(path: str) -> str:
    """Return a path for a terminal: where it is too long, its end, which tells most."""
    return _safe(path) if len(path) <= _SHOWN else "…" + _safe(path[1 - _SHOWN :])


def _safe(value: object, most: int = _SHOWN) -> str:
    """Return *value* as text for a terminal: bounded, and control characters spelled out."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= most else text[: most - 1] + "…"
    return visible(text)
