"""The printed limits are exact: at them no call too many waits, at one less one does."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouses import build, call

import queries
from queries import buckets

CALLS = st.lists(st.tuples(st.integers(0, 400_000_000), st.integers(0, 5_000)), min_size=1, max_size=60)


def in_order(calls):
    frame = pl.DataFrame(calls, schema={"at": pl.Int64, "amount": pl.Int64}, orient="row")
    return buckets.in_order(frame, pl.col("amount"))


def waiting_one_by_one(calls, limit):
    """Replay a bucket call by call, in exact integers: the oracle."""
    level, now, waiting = limit * 60_000_000, calls["at"][0], 0
    for instant, asked in calls.select("at", "asked").rows():
        level = min(limit * 60_000_000, level + (instant - now) * limit) - asked * 60_000_000
        now = instant
        waiting += level < 0
    return waiting


@given(CALLS, st.integers(1, 6_000))
@settings(deadline=None)
def test_a_replay_is_what_a_bucket_does(calls, limit):
    ordered = in_order(calls)
    assert len(buckets.waits(ordered, limit)) == waiting_one_by_one(ordered, limit)


@given(CALLS, st.integers(0, 3))
@settings(deadline=None)
def test_the_smallest_limit_is_enough_and_one_less_is_not(calls, may_wait):
    ordered = in_order(calls)
    _, peak = buckets.peaks(ordered)
    if peak == 0:
        return
    limit = buckets.smallest_limit(ordered, may_wait=may_wait, at_most=peak)

    assert waiting_one_by_one(ordered, limit) <= may_wait
    assert limit == 1 or waiting_one_by_one(ordered, limit - 1) > may_wait
    if not may_wait:
        surely = max(*(asked for _, asked in calls), -(-peak // 2)) - 1
        assert limit == buckets.smallest_limit(ordered, may_wait=0, at_most=peak, more_than=surely)


@given(CALLS)
@settings(deadline=None)
def test_the_rolling_peak_is_the_largest_sum_of_any_minute_that_ends_at_a_call(calls):
    expected = max(sum(a for t, a in calls if end - 60_000_000 < t <= end) for end, _ in calls)
    assert buckets.peaks(in_order(calls))[1] == expected


def test_amounts_beyond_64_bits_stay_exact():
    calls = in_order([(0, 1 << 50), (60_000_000, 1 << 50)])
    limit = buckets.smallest_limit(calls, may_wait=0, at_most=1 << 51)
    assert limit == 1 << 50


@pytest.fixture
def connection(tmp_path):
    rows = [
        call(
            "2026-02-03T10:00:10",
            model="claude-opus-4-5",
            provider="anthropic",
            request_tokens=1_000,
            cache_read_tokens=700,
            response_tokens=50,
            source_offset=1,
        ),
        call(
            "2026-02-03T10:00:50",
            model="claude-opus-4-5",
            provider="anthropic",
            request_tokens=500,
            cache_write_tokens=100,
            response_tokens=10,
            source_offset=2,
        ),
        call("2026-02-03T10:00:10", request_tokens=1_000, response_tokens=50, max_tokens=4_000, source_offset=3),
        call(
            "2026-02-03T10:00:10", model="local", provider=None, request_tokens=70, response_tokens=5, source_offset=4
        ),
        call(
            "2026-02-03T10:00:10",
            model="gemini-2.5-flash",
            provider="google",
            request_tokens=60,
            response_tokens=5,
            source_offset=5,
        ),
    ]
    with queries.connect(build(tmp_path, llm_calls=rows), tz="UTC") as connection:
        yield connection


def test_each_provider_counts_what_it_says_it_counts(connection):
    found = queries.run(connection, "limits").frame
    peaks = {(row["model"], row["counts"]): row["fixed_peak"] for row in found.to_dicts()}

    assert peaks == {
        ("claude-opus-4-5", "ITPM"): 300 + 500,
        ("claude-opus-4-5", "OTPM"): 60,
        ("claude-opus-4-5", "RPM"): 2,
        ("gpt-5.2", "TPM"): 5_000,
        ("gpt-5.2", "RPM"): 1,
        ("local", "TPM"): 75,
        ("local", "RPM"): 1,
        ("gemini-2.5-flash", "TPM"): 60,
        ("gemini-2.5-flash", "RPM"): 1,
    }


def test_a_replay_at_a_limit_says_who_would_have_waited_and_how_long(connection):
    found = queries.run(connection, "limits", limit=600).frame.filter(model="claude-opus-4-5", counts="ITPM")
    (row,) = found.to_dicts()

    assert (row["throttled_calls"], row["max_wait_s"], row["total_wait_s"]) == (0, 0, 0)

    found = queries.run(connection, "limits", limit=500).frame.filter(model="claude-opus-4-5", counts="ITPM")
    (row,) = found.to_dicts()
    # 300 are taken; 40 s later 300 are back of which the bucket was missing 300; 500 fit exactly.
    assert row["throttled_calls"] == 0

    found = queries.run(connection, "limits", limit=480).frame.filter(model="claude-opus-4-5", counts="ITPM")
    (row,) = found.to_dicts()
    assert row["throttled_calls"] == 1
    assert row["max_wait_s"] == pytest.approx(20 / 480 * 60)
