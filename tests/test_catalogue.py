"""Formats are found by name, in any process."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from parsers.blocks.lines import Block
from parsers.catalogue import FORMATS, named
from parsers.claims.parse import parse

LINES = Path(__file__).parent.parent / "fixtures" / "app-json" / "loggers.jsonl"


def test_every_format_is_found_by_its_name_and_no_two_share_one():
    assert named(f.name for f in FORMATS) == FORMATS
    assert [named([f.name]) for f in FORMATS] == [(f,) for f in FORMATS]
    assert len({f.name for f in FORMATS}) == len(FORMATS)
    with pytest.raises(KeyError, match="nobody's"):
        named(["nobody's"])


def in_a_worker(names, data):
    return parse(Block(data, sealed=True), named(names)).calls


def test_a_worker_that_gets_names_reads_what_its_parent_reads():
    names, data = [f.name for f in FORMATS], LINES.read_bytes()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        calls = pool.submit(in_a_worker, names, data).result(timeout=120)
    assert not calls.is_empty()
    assert calls.equals(parse(Block(data, sealed=True), FORMATS).calls)
