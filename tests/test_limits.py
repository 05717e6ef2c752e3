"""The printed limits are exact: at them no call too many waits, at one less one does."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouses import build, call, event

import queries
from ingest.cli import cli
from queries.answers import rate_limits, token_buckets
from queries.connection import own_limits

MINUTE = 60_000_000
CALLS = st.lists(st.tuples(st.integers(0, 400_000_000), st.integers(0, 5_000)), min_size=1, max_size=60)
CHUNKS = st.sampled_from([1, 2, 5, 1 << 13])


def in_order(calls):
    calls = sorted(calls, key=lambda call: call[0])
    return tuple(np.array(column, np.int64) for column in zip(*calls, strict=True))


def waits_one_by_one(at, asked, limit):
    """Replay a bucket call by call, in Python's own integers: the oracle. What each call lacks when it comes."""
    level, now, lacking = limit * MINUTE, int(at[0]), []
    for instant, amount in zip(at.tolist(), asked.tolist(), strict=True):
        level = min(limit * MINUTE, level + (instant - now) * limit) - amount * MINUTE
        now = instant
        lacking.append(max(-level, 0))
    return lacking


def how_many_wait(at, asked, limit):
    return sum(lack > 0 for lack in waits_one_by_one(at, asked, limit))


@given(CALLS, st.integers(1, 6_000), CHUNKS)
@settings(deadline=None)
def test_a_replay_is_what_a_bucket_does(calls, limit, chunk):
    at, asked = in_order(calls)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_buckets, "_CHUNK", chunk)
        found = token_buckets.waiting(at, asked, limit)
    lacking = waits_one_by_one(at, asked, limit)

    assert found.calls.tolist() == [number for number, lack in enumerate(lacking) if lack]
    assert found.seconds(limit).tolist() == pytest.approx([lack / limit / 1e6 for lack in lacking if lack])


@given(CALLS, st.integers(0, 3), CHUNKS)
@settings(deadline=None)
def test_the_smallest_limits_are_enough_and_one_less_is_not(calls, repeated, chunk):
    # Of a hundred calls one may wait, so the same minutes come again and again.
    at, asked = in_order([(t + n * 300_000_000, a) for n in range(1 + 8 * repeated) for t, a in calls])
    if not asked.any():
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_buckets, "_CHUNK", chunk)
        limits = token_buckets.smallest_limits(at, asked)

    for limit, may_wait in zip(limits, (0, len(at) // 100), strict=True):
        assert how_many_wait(at, asked, limit) <= may_wait
        assert limit == 1 or how_many_wait(at, asked, limit - 1) > may_wait


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("steady", [False, True])
def test_the_smallest_limits_of_many_calls_are_exact_whatever_a_part_of_them_suggests(seed, steady):
    chance = np.random.default_rng(seed)
    n = 20 << 13
    at = np.sort(chance.integers(0, n * 500_000, n))
    # Only the first sixteenth is busy where the load isn't steady, and that is what is looked at first.
    asked = np.where(steady | (np.arange(n) < n // 16), chance.lognormal(6, 1, n), 1).astype(np.int64)
    none, few = token_buckets.smallest_limits(at, asked)

    assert how_many_wait(at, asked, none) == 0 < how_many_wait(at, asked, none - 1)
    assert how_many_wait(at, asked, few) <= n // 100 < how_many_wait(at, asked, few - 1)


@given(CALLS)
@settings(deadline=None)
def test_the_peaks_are_the_largest_sums_of_any_minute_of_a_clock_and_of_any_that_ends_at_a_call(calls):
    minutes = {t // MINUTE for t, _ in calls}
    fixed = max(sum(a for t, a in calls if t // MINUTE == minute) for minute in minutes)
    rolling = max(sum(a for t, a in calls if end - MINUTE < t <= end) for end, _ in calls)
    at, asked = in_order(calls)
    assert token_buckets.peaks(at, asked, token_buckets.thirds_of(at)) == (fixed, rolling)


def test_amounts_beyond_64_bits_stay_exact():
    at, asked = in_order([(0, 1 << 50), (MINUTE, 1 << 50)])
    assert token_buckets.smallest_limits(at, asked) == (1 << 50, 1 << 50)


def test_calls_that_are_years_apart_stay_exact():
    year = 365 * 24 * 60 * MINUTE
    calls = [(n * year + t, 1_000_000) for n in range(5) for t in (0, 1_000_000, 2_000_000)]
    at, asked = in_order(calls)
    none, _ = token_buckets.smallest_limits(at, asked)
    assert how_many_wait(at, asked, none) == 0 < how_many_wait(at, asked, none - 1)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1 << 33)), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_calls_of_one_instant_are_in_one_order_whoever_brings_them(rows, chance):
    """Threads hand them over in any order, and who waits depends on it."""
    brought = rows.copy()
    chance.shuffle(brought)
    calls = rate_limits.Calls(rules=1)
    while brought:
        some = [brought.pop() for _ in range(min(len(brought), chance.randint(1, 9)))]
        calls.add([np.array(column) for column in zip(*some, strict=True)], failed=1)
    calls.put_in_order()

    ordered = sorted(rows)
    assert calls.at.tolist() == [at for at, _, _ in ordered]
    assert calls.asked[0].tolist() == [asked for _, _, asked in ordered]
    assert calls.count == len(rows)


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


def waits_in_minutes(at, asked, limit):
    """Replay a count that begins anew each minute, call by call: how long each waits, in microseconds."""
    owed, minute, waits = 0, int(at[0]) // MINUTE, []
    for instant, amount in zip(at.tolist(), asked.tolist(), strict=True):
        owed = max(owed - (instant // MINUTE - minute) * limit, 0) + amount
        minute = instant // MINUTE
        later = -(-owed // limit) - 1
        waits.append(later * MINUTE - instant % MINUTE if later > 0 else 0)
    return waits


@given(CALLS, st.integers(1, 6_000))
@settings(deadline=None)
def test_a_count_that_begins_anew_each_minute_is_a_bucket_that_is_filled_then(calls, limit):
    at, asked = in_order(calls)
    found = token_buckets.waiting(at - at % MINUTE, asked, limit)
    waits = waits_in_minutes(at, asked, limit)

    assert found.calls.tolist() == [number for number, wait in enumerate(waits) if wait]
    assert found.until_next_minute(limit, at).tolist() == pytest.approx([wait / 1e6 for wait in waits if wait])


def test_a_fixed_window_lets_twice_its_limit_pass_where_minutes_meet(tmp_path):
    times = [f"2026-02-03T10:{m:02}:{s}" for m, s in ((0, 50), (0, 55), (1, "05"), (1, 10))]
    rows = [call(when, 500, source_offset=n) for n, when in enumerate(times)]
    with queries.connect(build(tmp_path, llm_calls=rows), tz="UTC") as connection:
        limits = {
            window: queries.run(connection, "limits", window=window).frame.filter(counts="TPM")["limit_for_none"].item()
            for window in ("bucket", "fixed")
        }
        asked = queries.run(connection, "limits", window="fixed", limit="800").frame.filter(counts="TPM")

    assert limits["fixed"] == 1_000 < limits["bucket"]
    # Of the 500 of 10:00:55, 300 fit: they wait 5 s for 10:01, which then has 600 left, too few for 500 and 500.
    assert (asked["throttled_calls"].item(), asked["max_wait_s"].item()) == (2, 50)
    assert asked["limit_window"].item() == "fixed"


LIMITS = """usd_a_day = 20

[[limit]]
model = "claude"
itpm = 400
rpm = 1_000

[[limit]]
model = "claude-opus"
provider = "anthropic"
itpm = 480
window = "fixed"
"""


def test_limits_of_ones_own_are_replayed_each_for_its_dimension(tmp_path):
    rows = [
        call(when, model="claude-opus-4-5", provider="anthropic", request_tokens=n, response_tokens=9, source_offset=n)
        for when, n in (("2026-02-03T10:00:10", 300), ("2026-02-03T10:00:50", 500))
    ]
    warehouse = build(tmp_path / "w", llm_calls=rows)
    (warehouse / "limits.toml").write_text(LIMITS)
    with queries.connect(warehouse, tz="UTC") as connection:
        answer = queries.run(connection, "limits")
        named = queries.run(connection, "limits", limit=5_000)
    found = {row["counts"]: row for row in answer.frame.to_dicts()}

    assert (found["ITPM"]["replayed_limit"], found["ITPM"]["limit_window"]) == (480, "fixed")
    assert (found["ITPM"]["throttled_calls"], found["ITPM"]["status"]) == (1, "throttled")
    assert (found["RPM"]["replayed_limit"], found["RPM"]["status"], found["RPM"]["limit_for_none"]) == (1_000, "ok", 2)
    assert (found["OTPM"]["replayed_limit"], found["OTPM"]["limit_for_none"], found["OTPM"]["status"]) == (
        None,
        11,
        None,
    )
    assert answer.limit_crossed
    assert {"throttled_calls", "limit_for_none"} <= set(answer.first)
    assert set(named.frame["replayed_limit"]) == {5_000}


def test_every_command_takes_the_limits_file_that_the_config_names(tmp_path, monkeypatch):
    warehouse = build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:10", 500, model="gpt-5.2")])
    (tmp_path / "mine.toml").write_text("[[limit]]\ntpm = 1_234\n")
    config = tmp_path / "llm-ingest" / "config.toml"
    config.parent.mkdir()
    config.write_text(f"limits = '{tmp_path / 'mine.toml'}'\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "headroom.csv"
    for command in (
        ["report", "headroom", "--format", "csv", "-o", file],
        ["sql", "from headroom(now())", "--format", "csv", "-o", file],
        ["export", file, "--report", "headroom", "--force"],
        ["page", file],
    ):
        file.unlink(missing_ok=True)
        done = CliRunner().invoke(cli, [*map(str, command), "-w", str(warehouse)])
        assert (done.exit_code, "1234" in file.read_text()) == (0, True), (command, done.output)


def test_another_file_may_hold_the_limits(tmp_path):
    warehouse = build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:10", 500)])
    (tmp_path / "mine.toml").write_text("[[limit]]\ntpm = 100\n")
    with queries.connect(warehouse, limits=tmp_path / "mine.toml") as connection:
        assert queries.run(connection, "limits").frame["replayed_limit"].to_list() == [None, 100]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("usd_a_dy = 1\n", "line 1: no setting is called 'usd_a_dy' - did you mean usd_a_day?"),
        ("\nusd_a_day = -1\n", "line 2: usd_a_day is a number"),
        ("[[limit]]\ntpm = 3\n\n[[limit]]\ntpn = 3\n", "line 5: a limit has no 'tpn' - did you mean tpm"),
        ("[[limit]]\ntpm = 1.5\n", "line 2: tpm is a whole number"),
        ("[[limit]]\ntpm = true\n", "line 2: tpm is a whole number"),
        ("[[limit]]\nmodel = 'x'\n", "line 1: a limit says at least one of"),
        ("[[limit]]\ntpm = 1\nwindow = 'sliding'\n", "line 3: window is bucket or fixed, not 'sliding'"),
        ("[limit]\ntpm = 1\n", "line 1: a limit is a table: write [[limit]]"),
        ("limit = 3\n", "a limit is a table"),
        ("usd_a_day = = 1\n", "is not TOML"),
    ],
)
def test_a_mistake_among_the_limits_is_one_line_that_names_its_line(tmp_path, text, said):
    (tmp_path / "limits.toml").write_text(text)
    with pytest.raises(queries.QueryError) as told:
        own_limits.read(tmp_path / "limits.toml")

    assert str(told.value).startswith(str(tmp_path / "limits.toml"))
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("parameter", "value"), [("limit", "0"), ("charge", "middle"), ("window", "sliding")])
def test_a_parameter_that_makes_no_sense_says_what_it_takes(connection, parameter, value):
    with pytest.raises(queries.QueryError, match=f"parameter {parameter} takes .* not .*{value}"):
        queries.run(connection, "limits", **{parameter: value})


def test_a_limit_is_replayed_from_the_instant_that_counts(connection):
    ends = queries.run(connection, "limits", limit=1).frame.filter(model="claude-opus-4-5", counts="RPM")
    starts = queries.run(connection, "limits", limit=1, charge="start").frame.filter(
        model="claude-opus-4-5", counts="RPM"
    )
    assert ends["throttled_calls"].to_list() == starts["throttled_calls"].to_list() == [1]
    assert ends["max_wait_s"].item() == pytest.approx(20)


def test_the_rules_say_of_which_day_they_are_and_each_counts_known_kinds_of_tokens(connection):
    rules = connection.sql("from counting_rules").pl()
    assert (
        queries.run(connection, "limits").frame["rules_as_of"].unique().to_list() == rules["as_of"].unique().to_list()
    )
    assert rules.filter(rules["uncached_input"] + rules["output"] == 0).is_empty()
    assert rules.group_by("provider").len()["len"].max() <= 2


def stated(at, dimension, limit, model="gpt-5.2", provider="openai"):
    said = json.dumps({"provider": provider, "dimension": dimension, "limit": limit})
    return event(at, "rate_limited", model=model, metadata=said, source_path="app.log")


def test_the_newest_limit_that_a_provider_stated_is_replayed_where_none_is_given(tmp_path):
    calls = [call(f"2026-02-03T10:00:{s:02}", 1_000, source_offset=s) for s in range(0, 60, 10)]
    calls.append(call("2026-02-03T10:00:00", 1_000, model="gemini-2.5-pro", provider="google", source_offset=99))
    events = [
        stated("2026-02-03T09:00:00", "TPM", 90_000),
        stated("2026-02-03T10:00:10", "TPM", 2_000),
        stated("2026-02-03T10:00:10", "RPD", 7),
        stated("2026-02-03T10:00:10", "TPM", None),
        stated("2026-02-03T10:00:10", "TPM", 5, model="gpt-4o"),
        stated("2026-02-03T10:00:10", "ITPM", 3_000, model="gemini-2.5-pro", provider="google"),
    ]
    warehouse = build(tmp_path, llm_calls=calls, llm_events=events)
    with queries.connect(warehouse, tz="UTC", serving=queries.load("limits").reach) as connection:
        told = queries.run(connection, "limits")
        given = queries.run(connection, "limits", limit=2_000)

    rows = {(row["model"], row["counts"]): row for row in told.frame.to_dicts()}
    tokens = rows["gpt-5.2", "TPM"]
    (same,) = (r for r in given.frame.to_dicts() if (r["model"], r["counts"]) == ("gpt-5.2", "TPM"))
    assert (tokens["replayed_limit"], str(tokens["stated_at"])) == (2_000, "2026-02-03 10:00:10+00:00")
    assert tokens["throttled_calls"] == same["throttled_calls"] > 0
    assert (tokens["status"], tokens["limit_for_none"] > 2_000) == (None, True)
    assert rows["gemini-2.5-pro", "TPM"]["replayed_limit"] == 3_000
    assert [rows[model, "RPM"]["replayed_limit"] for model in ("gpt-5.2", "gemini-2.5-pro")] == [None, None]
    assert "Without -p limit=, the TPM of gpt-5.2 is 2,000, as stated on 2026-02-03 10:00 in app.log" in told.notes
    assert (given.limit_crossed, told.limit_crossed) == (True, False)
