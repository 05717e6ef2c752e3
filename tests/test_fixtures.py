"""Each input in `fixtures/<format>/` gives the rows in the `.expected.json` beside it.

A new file is a new test: `--golden` writes what it gives, to be read before it is committed.
"""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from parsers.blocks.lines import Block, split
from parsers.catalogue import FORMATS
from parsers.claims.documents import parse_document
from parsers.claims.parse import Rows, parse, recover
from parsers.schema import CALLS

FIXTURES = Path(__file__).parent.parent / "fixtures"
FOLDERS = sorted({FIXTURES / format_.name.removesuffix("-csv") for format_ in FORMATS})
INPUTS = [
    path
    for folder in FOLDERS
    for path in sorted(folder.glob("*"))
    if path.suffix in (".jsonl", ".log", ".csv", ".json") and not path.name.endswith((".expected.json", ".rows.json"))
]
NAMES = [str(path.relative_to(FIXTURES)) for path in INPUTS]
LINES = [path for path in INPUTS if path.suffix in (".jsonl", ".log", ".csv")]
SORTABLE = [p for p in LINES if p.suffix == ".jsonl" and "rejects" not in p.stem and p.stem != "malformed"]

ORDINARY = {column.name: column.ordinary for column in CALLS}

with_inputs = pytest.mark.parametrize("path", INPUTS, ids=NAMES)
with_lines = pytest.mark.parametrize("path", LINES, ids=[str(path.relative_to(FIXTURES)) for path in LINES])


def read(data: bytes) -> Rows:
    return parse_document(data, FORMATS) or parse(Block(data, sealed=True), FORMATS)


def known(frame: pl.DataFrame) -> list[dict[str, object]]:
    """Return rows as a file has them: what is as it ordinarily is left out, times and money as text."""
    rows = json.loads(frame.with_columns(pl.col(pl.Decimal, pl.Datetime).cast(pl.String)).write_json())
    return [{name: value for name, value in row.items() if value != ORDINARY.get(name)} for row in rows]


def shown(rows: Rows) -> dict[str, list[dict[str, object]]]:
    refused = rows.rejects.select("source_offset", "format", "reason")
    return {"calls": known(rows.calls), "events": known(rows.events), "rejects": known(refused)}


@with_inputs
def test_rows_are_as_expected(path, request):
    expected = path.with_suffix(".expected.json")
    found = shown(read(path.read_bytes()))
    if request.config.getoption("--golden"):
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert expected.exists(), "write it with --golden, and read it"
    assert found == json.loads(expected.read_text())


_OF_MANY_LINES = ("otlp", "stream-events", "vertex")
"""Formats whose calls are not records of their own: several in a line, several lines in one, or below an envelope."""
_TORN_OR_JOINED = ("maestro-usage/glued.jsonl", "compozy/stream.jsonl")


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in SORTABLE
        if p.parent.name not in _OF_MANY_LINES and str(p.relative_to(FIXTURES)) not in _TORN_OR_JOINED
    ],
    ids=lambda path: str(path.relative_to(FIXTURES)),
)
def test_a_field_that_a_format_does_not_know_is_kept_and_a_prompt_is_not(path):
    added = b',"deploy_ring":"blue","full_prompt":"apricot"}'
    lines = [line.rstrip() for line in path.read_bytes().splitlines()]
    plain = [line.removesuffix(b"}") + added if line.endswith(b"}") else line for line in lines]

    calls = read(b"\n".join(plain) + b"\n").calls

    assert len(calls) == len(read(path.read_bytes()).calls)
    assert calls["metadata"].str.contains('"deploy_ring":"blue"', literal=True).fill_null(value=False).all()
    assert not calls["metadata"].str.contains("apricot", literal=True).any()


@pytest.mark.parametrize("format_", FORMATS, ids=lambda format_: format_.name)
def test_each_format_takes_lines_of_its_own_fixtures(format_):
    texts = [path.read_bytes() for path in INPUTS if path.parent.name == format_.name]
    found = [parse_document(data, [format_]) or parse(Block(data, sealed=True), [format_]) for data in texts]

    assert any(rows.calls.height or rows.events.height for rows in found), "it has none, or its hints drop all"


@pytest.mark.parametrize("format_", [f for f in FORMATS if f.hints], ids=lambda f: f.name)
def test_hints_of_a_format_drop_none_of_its_records(format_):
    for path in (p for p in LINES if p.parent.name == format_.name and p.suffix != ".csv"):
        block = Block(path.read_bytes(), sealed=True)
        hinted, asked_of_all = (parse(block, [f]) for f in (format_, replace(format_, hints=())))
        for table in ("calls", "events", "rejects"):
            assert getattr(hinted, table).equals(getattr(asked_of_all, table)), path.name


@with_lines
def test_rows_are_the_same_however_the_file_was_cut(path):
    data = path.read_bytes()
    whole = read(data)
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for cut in ends[:: len(ends) // 6 + 1]:
        first = parse(Block(data[:cut]), FORMATS)
        for contexts in (first.contexts, recover(Block(data[: first.end]), FORMATS)):
            rest = parse(Block(data[first.end :], first.end, sealed=True), FORMATS, contexts)
            for table in ("calls", "events", "rejects"):
                both = pl.concat([getattr(first, table), getattr(rest, table)])
                assert both.equals(getattr(whole, table)), (cut, table)


@pytest.mark.parametrize("path", SORTABLE, ids=[str(path.relative_to(FIXTURES)) for path in SORTABLE])
def test_rows_are_the_same_whatever_the_order_of_the_keys(path):
    def rows(data):
        found = parse(Block(data, sealed=True), FORMATS)
        return [table.drop("source_offset", "metadata") for table in (found.calls, found.events)]

    data = path.read_bytes()
    for mine, theirs in zip(rows(data), rows(b"\n".join(map(with_sorted_keys, data.splitlines()))), strict=True):
        assert mine.equals(theirs)


def with_sorted_keys(line: bytes) -> bytes:
    """Return *line* as collectors and `jq -S` write it."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    return json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


@with_lines
def test_no_line_is_claimed_by_two_formats(path):
    lines = split(Block(path.read_bytes(), sealed=True)).frame()
    for json_ in (True, False):
        # app-json takes what no other format does: it is asked last.
        formats = [f for f in FORMATS if f.json is json_ and f.heads is None and f.name != "app-json"]
        offered = lines.filter(pl.col("line").str.starts_with("{") == json_)
        if formats and not offered.is_empty():
            claims = offered.select(f.claims.fill_null(value=False).alias(f.name) for f in formats)
            twice = offered.with_columns(claims).filter(claims.select(pl.sum_horizontal(pl.all())).to_series() > 1)
            assert twice.is_empty(), twice.rows(named=True)


@with_lines
def test_no_prompt_or_response_is_kept(path):
    rows = read(path.read_bytes())
    assert "never kept" not in rows.calls.write_csv() + rows.events.write_csv()
