"""Views against what they promise, on data of every shape."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouses import at, build, call

import queries
from queries.connection.connect import VIEWS

START = at("2026-02-03T10:00:00")
CALLS = st.lists(
    st.tuples(st.integers(0, 300_000_000), st.sampled_from(["a", "b", None]), st.none() | st.integers(0, 1_000)),
    min_size=1,
    max_size=80,
)
SECONDS = st.lists(
    st.tuples(st.integers(0, 299).map(lambda s: s * 1_000_000), st.just("a"), st.integers(1, 9)),
    min_size=1,
    max_size=80,
)


@settings(deadline=None)
@given(CALLS | SECONDS)
def test_the_rolling_peak_is_exact(calls):
    frame = pl.DataFrame(
        {
            "created_at": [START + timedelta(microseconds=t) for t, _, _ in calls],
            "model": pl.Series([model for _, model, _ in calls], dtype=pl.String),
            "total_tokens": pl.Series([tokens for _, _, tokens in calls], dtype=pl.Int64),
            "success": [tokens is not None for _, _, tokens in calls],
        }
    )
    with duckdb.connect() as connection:
        connection.from_arrow(frame).create("single_calls")
        connection.execute("create view models_read as select distinct model from single_calls")
        connection.execute((VIEWS / "20_tpm_peaks.sql").read_text())
        found = connection.sql("select model, peak_rolling_60s, peak_tpm, peak_rolling_end from tpm_peaks").pl()

    for model, rolling, fixed, end in found.rows():
        mine = [(t, tokens) for t, name, tokens in calls if name == model and tokens is not None]
        windows = {last: sum(tokens for t, tokens in mine if last - 60_000_000 < t <= last) for last, _ in mine}
        assert (rolling or 0) == max(windows.values(), default=0)
        if rolling:
            assert fixed <= rolling <= 2 * fixed
            assert windows[(end - START) // timedelta(microseconds=1)] == rolling


def test_a_window_that_straddles_two_minutes_beats_both(tmp_path):
    calls = [call("2026-02-03T10:00:59", 70, source_offset=1), call("2026-02-03T10:01:01", 80, source_offset=2)]
    with queries.connect(build(tmp_path, llm_calls=calls), tz="UTC") as connection:
        (row,) = queries.run(connection, "tpm").frame.to_dicts()

    assert (row["peak_tpm"], row["peak_rolling_60s"]) == (80, 150)
    assert row["peak_rolling_end"] == at("2026-02-03T10:01:01")


def test_sixty_seconds_begin_after_the_call_that_is_sixty_seconds_old(tmp_path):
    calls = [call("2026-02-03T10:00:30", 70, source_offset=1), call("2026-02-03T10:01:30", 80, source_offset=2)]
    with queries.connect(build(tmp_path, llm_calls=calls), tz="UTC") as connection:
        (row,) = queries.run(connection, "tpm").frame.to_dicts()

    assert row["peak_rolling_60s"] == 80


def test_an_unusual_hour_stands_out_with_the_call_that_explains_it(tmp_path):
    usual = [call(START + timedelta(hours=h), 100 + h % 3, source_offset=h) for h in range(24)]
    unusual = call(START + timedelta(hours=30, minutes=5), 50_000, source_offset=99)
    failures = [call(START + timedelta(hours=40, minutes=m), None, source_offset=200 + m) for m in range(4)]
    with queries.connect(build(tmp_path, llm_calls=[*usual, unusual, *failures]), tz="UTC") as connection:
        found = queries.run(connection, "anomalies").frame

    assert found.select("measure", "hour").rows() == [
        ("error_rate", START + timedelta(hours=40)),
        ("cost_usd", START + timedelta(hours=30)),
        ("tokens", START + timedelta(hours=30)),
    ]
    assert found["largest_call_offset"].to_list()[1:] == [99, 99]


@pytest.mark.parametrize(
    "zone",
    [
        "UTC",
        "Europe/Berlin",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "Asia/Pyongyang",
    ],
)
def test_an_hour_begins_when_the_clock_says_so_in_every_zone_and_year(tmp_path, zone):
    hours = range(0, 2_200_000_000, 3_600 * 911)
    switch = int(
        at("2026-04-05T12:00:00").timestamp()
    )  # about when summer time ends in Australia, and begins elsewhere
    with queries.connect(build(tmp_path, llm_calls=[]), tz=zone) as connection:
        instants = [
            start + second
            for start in [*hours, *range(switch - 200_000, switch + 200_000, 1_700)]
            for second in (0, 1_799, 3_599)
        ]
        found = connection.execute(
            "select epoch(local_hour(make_timestamptz(second * 1_000_000))) from (select unnest($at) as second)",
            {"at": instants},
        ).fetchall()

    clocks = [datetime.fromtimestamp(instant, ZoneInfo(zone)) for instant in instants]
    begun = [instant - clock.minute * 60 - clock.second for instant, clock in zip(instants, clocks, strict=True)]
    assert [hour for (hour,) in found] == begun


def test_another_zone_that_is_set_later_has_hours_of_its_own(tmp_path):
    hour = "select epoch(local_hour(timestamptz '2026-02-03 10:40:00+00')) % 3_600"
    with queries.connect(build(tmp_path, llm_calls=[]), tz="UTC") as connection:
        (before,) = connection.execute(hour).fetchone()
        connection.execute("set timezone = 'Asia/Kolkata'")
        (after,) = connection.execute(hour).fetchone()

    assert (before, after) == (0, 1_800)


def test_a_chain_of_failures_is_one_row_with_all_its_tries(tmp_path):
    calls = [
        call("2026-02-03T10:00:00", None, error="1", source_offset=1),
        call("2026-02-03T10:00:10", None, error="2", source_offset=2),
        call("2026-02-03T10:00:20", 10, source_offset=3),
        call("2026-02-03T10:00:30", 10, source_offset=4),
        call("2026-02-03T10:00:40", None, error="3", source_offset=5),
        call("2026-02-03T10:00:50", 10, story_id="other", source_offset=6),
    ]
    with queries.connect(build(tmp_path, llm_calls=calls), tz="UTC") as connection:
        (row,) = queries.run(connection, "retries").frame.to_dicts()

    assert (row["tries"], row["outcome"], row["error"]) == (3, "succeeded", "2")
    assert row["created_at"] == at("2026-02-03T10:00:20")


@pytest.mark.parametrize(
    ("zone", "moments", "calls_over"),
    [
        ("America/Santiago", ["2026-09-06T12:00:00", "2026-09-07T03:30:00"], [0, 0]),
        ("Atlantic/Azores", ["2026-10-25T00:30:00", "2026-10-25T12:00:00"], [1]),
    ],
)
def test_a_day_without_midnight_or_with_two_has_the_budget_of_its_own_calls(tmp_path, zone, moments, calls_over):
    folder = build(tmp_path, llm_calls=[call(when, 90) for when in moments])
    with queries.connect(folder, tz=zone) as connection:
        frame = queries.run(connection, "budget", limit=100).frame
    assert frame["calls_over"].to_list() == calls_over
    assert frame["crossed_warning_at"].null_count() == 0


def test_calls_whose_model_is_unknown_make_bursts_as_others_do(tmp_path):
    calls = [call("2026-02-03T10:00:00", 500, model=None, provider=None), call("2026-02-03T10:05:00", 300)]
    with queries.connect(build(tmp_path, llm_calls=calls), tz="UTC") as connection:
        frame = queries.run(connection, "bursts").frame
    assert frame.select("model", "total_tokens", "verdict").rows() == [
        (None, 500, "one huge call"),
        ("gpt-5.2", 300, "one huge call"),
    ]


def test_a_repeat_that_does_not_say_how_it_ended_has_no_known_outcome(tmp_path):
    calls = [call("2026-02-03T10:00:00", None), call("2026-02-03T10:00:10", 10, success=None)]
    with queries.connect(build(tmp_path, llm_calls=calls), tz="UTC") as connection:
        (row,) = queries.run(connection, "retries").frame.to_dicts()
    assert (row["tries"], row["outcome"]) == (2, "unknown")


def test_every_kind_of_event_that_a_query_asks_for_is_one_that_some_format_makes():
    root = Path(__file__).parent.parent
    made = "".join(path.read_text("utf-8") for path in (root / "parsers").rglob("*.py")).lower()
    asked = {
        kind
        for path in (root / "queries").rglob("*.sql")
        for words in re.findall(r"\bkind (?:=|in) (\([^)]*\)|'[^']*')", path.read_text("utf-8"))
        for kind in re.findall(r"'(\w+)'", words)
    }

    assert len(asked) > 8
    assert {kind for kind in asked if f'"{kind}"' not in made} == set()


def test_opening_a_warehouse_binds_no_view_of_its_calls(tmp_path):
    with queries.connect(build(tmp_path, llm_calls=[call("2026-02-03T10:00:59", 70)]), serving="") as connection:
        bound = connection.execute("select view_name from duckdb_views() where not internal and is_bound").fetchall()

    # Those that say how calls are counted are asked, and below them lie files.
    assert [name for (name,) in bound if not name.startswith("stored_")] == []


@pytest.mark.parametrize("keyed", ["2026-02-03", "2026-02-05"])
def test_a_call_that_was_logged_twice_counts_once_whichever_day_has_keys(tmp_path, keyed):
    days = ["2026-02-03", "2026-02-04", "2026-02-05"]
    calls = [
        call(f"{day}T10:00:0{copy}", 70, source_offset=copy, dedupe_key="claude-code:msg_1" if day == keyed else None)
        for day in days
        for copy in range(2)
    ]
    with queries.connect(build(tmp_path, llm_calls=calls), tz="UTC") as connection:
        counted = connection.execute(
            "select created_at::date::varchar, count(*) from llm_calls group by all"
        ).fetchall()

    assert dict(counted) == {day: 1 if day == keyed else 2 for day in days}
