"""Whatever a line holds, no format raises, and what it claims is a row or a reject."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from parsers.blocks.lines import Block, split
from parsers.catalogue import FORMATS
from parsers.claims.documents import parse_document
from parsers.claims.parse import parse

FIXTURES = Path(__file__).parent.parent / "fixtures"
SAMPLES = [
    line
    for path in sorted(FIXTURES.glob("*/*.jsonl"))
    for line in path.read_text(errors="replace").splitlines()
    if line.startswith("{") and len(line) < 4000
]
HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([{}, [], {"x": {}}, [[]], "NaN", "\ud800", "\0", "2026-13-45T99:99:99Z", "9" * 400, 10**400, -0.0]),
)
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def spoiled(value, draw):
    """Return *value* with some of what it holds replaced by something hostile."""
    if isinstance(value, dict):
        return {
            key: draw(HOSTILE) if draw(st.integers(0, 5)) == 0 else spoiled(item, draw) for key, item in value.items()
        }
    return value


@st.composite
def lines(draw):
    sample = draw(st.sampled_from(SAMPLES))
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return sample[: draw(st.integers(0, len(sample)))]
    if kind == 1:
        at = draw(st.integers(0, len(sample)))
        return sample[:at] + draw(st.text(max_size=3)) + sample[at + draw(st.integers(0, 3)) :]
    try:
        return json.dumps(spoiled(json.loads(sample), draw), ensure_ascii=draw(st.booleans()))
    except ValueError:
        return sample


@few
@given(st.lists(lines(), min_size=1, max_size=6))
def test_hostile_lines_never_raise(found):
    data = "\n".join(found).encode("utf-8", "surrogatepass")
    rows = parse(Block(data, sealed=True), FORMATS)
    assert rows.end == len(data)


@few
@given(st.lists(lines(), min_size=1, max_size=4))
def test_a_line_gives_the_same_row_whatever_its_neighbours_are(found):
    good = (SAMPLES[0] + "\n").encode()
    alone = parse(Block(good, sealed=True), FORMATS)
    rest = "\n".join(line.replace("\n", " ") for line in found).encode("utf-8", "replace")
    together = parse(Block(good + rest, sealed=True), FORMATS)
    assert together.calls.head(alone.calls.height).equals(alone.calls)
    assert together.events.head(alone.events.height).equals(alone.events)


@few
@given(st.recursive(HOSTILE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)))
def test_hostile_documents_never_raise(value):
    parse_document(json.dumps(value).encode(), FORMATS)
    parse_document(json.dumps([value, {"agent_calls": [value]}], indent=1).encode(), FORMATS)


@few
@given(st.binary(max_size=200))
def test_bytes_never_raise(data):
    parse_document(data, FORMATS)
    for header in sorted(FIXTURES.glob("*/*.csv")):
        parse(Block(header.read_bytes().split(b"\n")[0] + b"\n" + data, sealed=True), FORMATS)


@pytest.mark.parametrize("cut", range(0, 840, 40))
def test_a_document_cut_anywhere_is_no_document(cut):
    assert parse_document((FIXTURES / "learnpro/export.json").read_bytes()[:cut], FORMATS) is None


ONE_ROW_A_LINE = ("agentic-runtime", "trading", "learnpro", "learnpro-api", "compozy-llm-usage")


@few
@given(st.lists(lines(), min_size=1, max_size=6))
@example(['\x00{"event": "STEP_START", "payload": {"run_id": "0b0f", "step_id": "draft"}'])  # the hole is a reject too
def test_each_claimed_line_is_one_row_or_one_reject(found):
    data = "\n".join(line.replace("\n", " ") for line in found).encode("utf-8", "replace")
    for format_ in (f for f in FORMATS if f.name in ONE_ROW_A_LINE):
        offered = split(Block(data, sealed=True)).frame().filter(pl.col("line").str.starts_with("{"))
        claimed = offered.filter(format_.claims)["source_offset"].to_list()
        rows = parse(Block(data, sealed=True), [format_])
        refused = rows.rejects.filter(pl.col("format").is_not_null())  # without a format: no line, such as a hole
        made = pl.concat([table["source_offset"] for table in (rows.calls, rows.events, refused)])
        assert sorted(made.to_list()) == claimed
