"""usage.jsonl: what maestro's readers would refuse is refused, and nothing else."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.blocks.lines import Block
from parsers.claims.parse import parse
from parsers.formats.maestro.usage import FORMAT

GOOD = {
    "finished_at": "2026-08-04T00:05:00.123456789Z",
    "input_tokens": 1200,
    "output_tokens": 340,
    "reasoning_tokens": 90,
    "cache_read_tokens": 800,
    "cache_write_tokens": 0,
    "cost_usd": 0.0425,
    "provider": "anthropic",
    "model": "claude-opus-5",
    "story_id": "9ae50aa4",
    "agent_id": "coder-001",
    "latency_ns": 1500000000,
    "success": True,
}
OPTIONAL = {"cost_usd", "story_id", "agent_id"}
FIXTURES = Path(__file__).parent.parent / "fixtures" / "maestro-usage"


def line(**changes):
    return json.dumps({**GOOD, **changes}, separators=(",", ":")).encode() + b"\n"


def without(key):
    return (
        json.dumps({name: value for name, value in GOOD.items() if name != key}, separators=(",", ":")).encode() + b"\n"
    )


def read(data):
    return parse(Block(data, sealed=True), [FORMAT])


@pytest.mark.parametrize("key", GOOD)
def test_a_record_without_a_required_key_is_rejected(key):
    rows = read(b'{"usage_surface_version":2}\n' + without(key) + line())
    refused = key not in OPTIONAL
    assert (rows.calls.height, rows.rejects.height) == (1 + (key in OPTIONAL), int(refused))


def test_a_bad_record_takes_no_other_with_it():
    rows = read(line() * 40 + b'{"finished_at":"2026\n' + line() * 40)
    assert (rows.calls.height, rows.rejects.height) == (80, 1)


@pytest.mark.parametrize("digits", range(10))
def test_times_have_any_number_of_digits(digits):
    fraction = f".{'123456789'[:digits]}" if digits else ""
    (time,) = read(line(finished_at=f"2026-08-04T00:05:00{fraction}Z")).calls["created_at"].to_list()
    assert f"{time:%f}" == "123456789"[:digits].ljust(6, "0")[:6]


@pytest.mark.parametrize("cut", range(1, len(line())))
def test_a_record_glued_to_a_torn_one_is_taken_wherever_the_tear_is(cut):
    torn, whole = line(model="torn")[:cut].rstrip(b"\n"), line()
    rows = read(torn + whole)
    assert rows.calls.filter(model="claude-opus-5").height == 1
    assert rows.calls.height + rows.rejects.height == 2
    assert rows.calls["source_offset"].to_list()[-1] == len(torn)


def test_what_is_whole_in_the_log_and_in_the_accounts_can_be_compared():
    row = read(line()).calls.row(0, named=True)
    assert (row["request_tokens"], row["response_tokens"], row["total_tokens"]) == (1200, 430, 1630)
    assert (row["latency_ms"], row["agent_id"], row["story_id"]) == (1500.0, "coder-001", "9ae50aa4")


def test_the_header_makes_no_row():
    rows = read((FIXTURES / "header-alone.jsonl").read_bytes())
    assert (rows.calls.height, rows.events.height, rows.rejects.height) == (0, 0, 0)


@settings(max_examples=80, deadline=None)
@given(
    key=st.sampled_from(list(GOOD)),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**65), 2**65),
        st.floats(),
        st.text(max_size=5),
        st.just([]),
        st.just({}),
    ),
)
def test_any_value_gives_a_row_or_a_reject(key, value):
    rows = read(line() + line(**{key: value}) + line())
    assert rows.calls.height + rows.rejects.height == 3
    assert rows.calls.select(pl.col("created_at", "model", "success").null_count()).row(0) == (0, 0, 0)
