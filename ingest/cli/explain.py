"""`ingest explain`: show how a line is read, field by field, before it is ingested."""

import json
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingest.cli.options import formats_of
from ingest.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parsers.explain import Explanation

_READ = 4 << 20
_SHOWN = 60


@click.command()
@click.argument("file_or_line")
@click.option("--format", "format_name", metavar="NAME", help="Read only this format, instead of any known one.")
@click.option("--mapping", type=click.Path(exists=True, dir_okay=False), help="TOML file that describes a log.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of tables.")
def explain(*, file_or_line: str, format_name: str | None, mapping: str | None, as_json: bool) -> None:
    """Show how a line is read: format, fields, columns, or why it is rejected.

    FILE_OR_LINE is a file, of which the first record of each kind is shown, `-` for standard input, or a line itself.
    """
    from parsers.explain import explain as explain_line
    from parsers.explain import samples

    formats = formats_of(format_name, mapping)
    block = _block(file_or_line)
    if block is None:
        found = [explain_line(file_or_line, formats)]
    else:
        found = samples(block, formats)
        if not found:
            raise IngestError(_nothing(file_or_line, block.data, mapping))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2, default=str))
        return
    for one in found:
        click.echo("\n".join(_told(one)) + "\n")


def _block(name: str) -> Any:  # Any: Block, imported only when it is needed
    """Return the beginning of the file *name*, up to a whole line; None when *name* is a line."""
    from parsers import Block, encoding_of

    if name == "-":
        data = sys.stdin.buffer.read(_READ)
    else:
        try:
            if not Path(name).is_file():
                return None
        except (OSError, ValueError):
            return None
        data = _head(Path(name))
    if len(data) >= _READ:
        data = data[: data.rfind(b"\n") + 1] or data
    return Block(data, sealed=True, encoding=encoding_of(data))


def _head(path: Path) -> bytes:
    from ingest.streams import open_stream

    try:
        with closing(open_stream(path)) as stream:
            return stream.read(0, _READ)
    except OSError as error:
        raise IngestError(f"cannot read {path}: {error}; check that it exists and may be read") from error


def _nothing(name: str, data: bytes, mapping: str | None) -> str:
    line = data.split(b"\n", 1)[0].decode("utf-8", "replace")
    if mapping:
        from ingest.mappings import unmatched

        return unmatched(mapping, line)
    return f"{name}: no format knows a line of it; describe it in a mapping file (--mapping). The first: {_safe(line)}"


def _told(one: "Explanation") -> list[str]:
    lines = [f"{one.format or 'no format'} at byte {one.offset}: {_safe(one.line)}"]
    if one.reason is not None:
        lines.append(f"  {'rejected' if one.format else 'ignored'}: {_safe(one.reason)}")
    used = [f for f in one.fields if f.columns or f.required]
    lines += _table([(f.path, _safe(f.value), ", ".join(f.columns) or "(no call without it)") for f in used], "field")
    for kind, rows in (("call", one.rows), ("event", one.events)):
        for i, row in enumerate(rows, start=1):
            lines.append(f"  {kind}" + (f" {i} of {len(rows)}" if len(rows) > 1 else ""))
            lines += _table([(name, _safe(value)) for name, value in row.items()], "column")
    if one.ignored and (one.rows or one.events):
        lines.append("  not used: " + ", ".join(_safe(f.path) for f in one.ignored))
    return lines


def _table(rows: "Sequence[tuple[str, ...]]", first: str) -> list[str]:
    if not rows:
        return []
    heads = {"field": ("field", "value", "column"), "column": ("column", "value")}[first]
    cells = [heads, *(tuple(_safe(cell) for cell in row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    return ["    " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]


def _safe(value: object) -> str:
    """Return *value* as text for a terminal: bounded, and control characters spelled out."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
