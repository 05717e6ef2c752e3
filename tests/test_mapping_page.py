"""The page on mappings explains every key, fits a terminal, and its examples do what it says."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli import cli
from ingest.cli.mapping import page
from parsers.blocks.lines import Block
from parsers.claims.parse import parse
from parsers.mapping.mapping import format_of
from parsers.mapping.toml import KEYS, mapping_of

PAGE = page()
FENCED = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = list(zip(FENCED[::3], FENCED[1::3], FENCED[2::3], strict=True))
WIDTH = 80


def objects(text):
    decoder, found = json.JSONDecoder(), []
    while text.strip():
        value, end = decoder.raw_decode(text.lstrip())
        found.append(value)
        text = text.lstrip()[end:]
    return found


@pytest.mark.parametrize("example", EXAMPLES, ids=[re.sub(r"\W+", " ", toml[1])[:50] for toml, _, _ in EXAMPLES])
def test_each_example_gives_the_rows_that_it_shows(example):
    (toml, mapping), (kind, log), (shown, rows) = example
    assert (toml, kind in ("log", "csv"), shown) == ("toml", True, "json")

    found = parse(Block(log.encode(), sealed=True), [format_of(mapping_of(mapping, "example.toml"))])

    made = [row for frame in (found.calls, found.events) for row in json.loads(frame.write_json())]
    assert found.rejects.is_empty()
    assert [{name: row.get(name) for name in want} for row, want in zip(made, objects(rows), strict=True)] == objects(
        rows
    )


@pytest.mark.parametrize("key", sorted({key for keys in KEYS.values() for key in keys}))
def test_every_key_is_explained(key):
    assert re.search(rf"`{key}`|`?\[{key}\]", PAGE)


def test_every_key_but_those_of_columns_stands_in_an_example():
    used = {
        line for (_, mapping), *_ in EXAMPLES for line in re.findall(r"^(?:\[(\w+)\]|(\w+) =)", mapping, re.MULTILINE)
    }
    names = {name for pair in used for name in pair if name}

    assert {key for table, keys in KEYS.items() if table not in ("columns", "constants") for key in keys} <= names


def test_text_of_the_page_fits_a_terminal():
    prose = re.sub(r"^```log\n.*?^```$|^pattern = .*$", "", PAGE, flags=re.MULTILINE | re.DOTALL)

    assert [line for line in prose.splitlines() if len(line) > WIDTH] == []


@pytest.mark.parametrize("arguments", [["mapping"], ["mapping", "--help"]])
def test_the_command_prints_the_page(arguments):
    assert CliRunner().invoke(cli, arguments).stdout == PAGE


def test_the_documentation_has_the_same_page():
    assert PAGE in (Path(__file__).parent.parent / "docs" / "mapping.md").read_text("utf-8")
