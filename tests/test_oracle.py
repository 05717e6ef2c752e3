"""The reports against plain Python over the same calls: golden answers aren't just what SQL happened to say once."""

import itertools
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars import selectors
from test_reports import rows
from warehouses import build, call, event

import queries

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
KEYS = {
    "cost-by-model": ["model"],
    "cost-by-agent": ["agent_id"],
    "cost-by-agent-model": ["agent_id", "model"],
    "cost-by-story": ["story_id"],
    "cost-by-session": ["session_id"],
    "cost-by-user": ["user_id"],
    "cost-by-run": ["run_id"],
    "cost-by-project": ["project"],
    "cost-by-host": ["host"],
}


def more():
    """Return what sums and failures add: of five requests, of who knows how many, beside their calls, failed ones."""
    goose = {"agent_id": "goose", "latency_s": None, "source_id": "s2"}
    beside = {"session_id": "s-goose", "format": "goose/sum+docker-json", "requests": 3}
    return [
        call("2026-10-26T10:00:00", 90_000, **goose, requests=5, format="goose/sum", source_offset=1),
        call(
            "2026-10-26T10:00:01", 70_000, **goose, requests=None, task="session", format="goose/sum", source_offset=2
        ),
        call("2026-10-26T10:00:02", 50_000, **goose, **beside, source_offset=3),
        call("2026-10-26T10:00:03", 600, **goose, session_id="s-goose", format="goose/call", source_offset=4),
        call("2026-10-26T10:00:04", 800, **goose, success=False, error="cut off", source_offset=5),
        call("2026-10-26T10:00:05", 40, **goose, request_tokens=None, token_source="partial", source_offset=6),  # noqa: S106
    ]


def hits():
    """Return answers from a proxy's cache, beside calls and where there are none: no report counts them."""
    where = {"model": "gpt-5.2", "agent_id": "coder-001", "format": "litellm/payload", "source_id": "s3"}
    times = ("2026-10-25T00:30:30", "2026-10-26T10:00:02", "2026-10-26T11:00:00")
    return [event(when, "cache_hit", **where, source_offset=n) for n, when in enumerate(times)]


def stored():
    """Return the rows of the warehouse: those of the reports' tests, and more."""
    found = rows()
    return found | {"llm_calls": found["llm_calls"] + more(), "llm_events": found["llm_events"] + hits()}


def everything():
    """Return what counts: each call once, and sums whose calls aren't there as well."""
    return [*(row for row in more() if row.get("requests") != 3), *of_reports()]


def counted_once():
    """Return the calls that count, without sums: what is known of a minute, of a try, of a latency."""
    return [row for row in everything() if row.get("requests", 1) == 1]


def of_reports():
    """Return the calls of the reports' tests; of those that were logged twice, the fuller record."""
    calls = [row for row in rows()["llm_calls"] if "dedupe_key" not in row]
    twice = [row for row in rows()["llm_calls"] if "dedupe_key" in row]
    return [*calls, max(twice, key=lambda row: row["total_tokens"])]


def total(calls, column):
    known = [row[column] for row in calls if row.get(column) is not None]
    return sum(map(float, known)) if known else None


def grouped(calls, key):
    groups = defaultdict(list)
    for row in calls:
        groups[key(row)].append(row)
    return groups


def cost(calls):
    tokens = ("request_tokens", "cache_read_tokens", "response_tokens", "total_tokens", "cost_usd")
    return {
        "calls": sum(row.get("requests", 1) or 0 for row in calls if row["success"] is not False),
        "failed_calls": sum(row["success"] is False for row in calls),
        **{column: total(calls, column) for column in tokens},
        "unpriced_calls": sum(row["cost_usd"] is None and row["success"] is not False for row in calls),
    }


def in_utc(frame):
    # Python says of no time in an hour that a clock shows twice that it equals one in another zone.
    return frame.with_columns(selectors.datetime().dt.convert_time_zone("UTC"))


def minute(row):
    return row["created_at"].replace(second=0, microsecond=0)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return build(tmp_path_factory.mktemp("w"), **stored())


@pytest.fixture(scope="module", params=ZONES)
def ask(request, warehouse):
    connection = queries.connect(warehouse, tz=request.param)
    yield lambda name, **parameters: in_utc(queries.run(connection, name, **parameters).frame).to_dicts()
    connection.close()


def same(found, expected):
    """Whether each expected value is in the row found, money and shares up to rounding."""
    return {name: found[name] for name in expected} == {
        name: pytest.approx(value) if isinstance(value, float) else value for name, value in expected.items()
    }


@pytest.mark.parametrize("name", KEYS)
def test_cost_reports_equal_the_sums_over_the_calls_of_each_key(ask, name):
    expected = grouped(everything(), lambda row: tuple(row.get(column) for column in KEYS[name]))
    whole = total(everything(), "cost_usd")
    found = {tuple(row[column] for column in KEYS[name]): row for row in ask(name)}

    assert set(found) == set(expected)
    for key, calls in expected.items():
        own = cost(calls)
        assert same(found[key] | {"cost_usd": _float(found[key]["cost_usd"])}, own)
        assert found[key]["cost_share"] == (None if own["cost_usd"] is None else pytest.approx(own["cost_usd"] / whole))


def _float(value):
    return None if value is None else float(value)


def test_how_near_each_model_came_to_its_limit(ask):
    found = {row["model"]: row for row in ask("tpm")}
    by_model = grouped(counted_once(), lambda row: row["model"])
    assert set(found) == set(by_model)
    for model, calls in by_model.items():
        minutes = {when: total(own, "total_tokens") for when, own in grouped(calls, minute).items()}
        active = sorted(tokens for tokens in minutes.values() if tokens)
        spent = [(row["created_at"], row["total_tokens"]) for row in calls if row["total_tokens"]]
        rolling = [sum(n for at, n in spent if end - timedelta(minutes=1) < at <= end) for end, _ in spent]
        expected = {
            "calls": sum(row["success"] is not False for row in calls),
            "failed_calls": sum(row["success"] is False for row in calls),
            "active_minutes": len(active),
            "peak_rpm": max(map(len, grouped(calls, minute).values())),
        }
        if active:
            expected |= {
                "total_tokens": sum(active),
                "avg_tpm": round(sum(active) / len(active)),
                "peak_tpm": max(active),
                "peak_minute": min(when for when, tokens in minutes.items() if tokens == max(active)),
                "peak_rolling_60s": max(rolling),
                "peak_rolling_end": min(at for (at, _), n in zip(spent, rolling, strict=True) if n == max(rolling)),
                **{f"p{p}_tpm": active[ceil(p / 100 * len(active)) - 1] for p in (50, 95, 99)},
            }
        assert same(found[model], expected), model


def test_tpm_series_equals_the_sums_over_the_calls_of_each_minute_and_model(ask):
    expected = grouped(counted_once(), lambda row: (minute(row), row["model"]))
    found = {(row["minute"], row["model"]): row for row in ask("tpm-series")}
    assert set(found) == set(expected)
    for key, calls in expected.items():
        tokens = {column: total(calls, column) for column in ("request_tokens", "response_tokens", "total_tokens")}
        assert same(found[key], tokens)
        assert found[key]["calls"] + found[key]["failed_calls"] == len(calls)


def verdict(calls, minutes):
    largest = sorted((row["total_tokens"] for row in calls), reverse=True)
    if largest[0] >= sum(largest) / 2:
        return "one huge call"
    if sum(largest[:3]) >= 0.8 * sum(largest):
        return "a few large calls"
    return "sustained" if minutes >= 3 else "many calls"


def test_runs_of_full_minutes_and_what_made_them(ask):
    expected = []
    for model, calls in grouped(counted_once(), lambda row: row["model"]).items():
        minutes = {when: total(own, "total_tokens") or 0 for when, own in grouped(calls, minute).items()}
        high = sorted(when for when, tokens in minutes.items() if tokens >= 1_200)
        for _, run in itertools.groupby(enumerate(high), lambda pair: pair[1] - pair[0] * timedelta(minutes=1)):
            whens = [when for _, when in run]
            own = [row for row in calls if minute(row) in whens]
            succeeded = sum(row["success"] is not False for row in own)
            expected.append(
                (model, whens[0], len(whens), succeeded, total(own, "total_tokens"), verdict(own, len(whens)))
            )
    columns = ("model", "started_at", "minutes", "calls", "total_tokens", "verdict")
    found = [tuple(row[column] for column in columns) for row in ask("bursts", threshold="1200")]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert {row[-1] for row in found} == {"one huge call", "a few large calls", "many calls", "sustained"}


def test_attempts_and_what_the_failed_ones_cost(ask):
    # Read off the markers of the fixture: each request to queue again is followed by its failure or abandonment.
    ends = [datetime(2026, 10, 24, 10, 0, 15, 1000, UTC), datetime(2026, 10, 25, 8, 0, 10, tzinfo=UTC)]
    of_story = [row for row in counted_once() if row.get("story_id") == "st-1"]
    attempts = grouped(of_story, lambda row: 1 + sum((row["started_at"] or row["created_at"]) > end for end in ends))
    found = {row["attempt"]: row for row in ask("story-attempts")}
    assert set(found) == set(attempts)
    for attempt, calls in attempts.items():
        succeeded = sum(row["success"] is not False for row in calls)
        assert (found[attempt]["calls"], found[attempt]["total_tokens"]) == (succeeded, total(calls, "total_tokens"))
    wasted = total(attempts[1] + attempts[2], "total_tokens")
    whole, story = ask("wasted")
    assert (whole["wasted_tokens"], story["wasted_tokens"]) == (wasted, wasted)
    assert whole["wasted_tokens_share"] == pytest.approx(wasted / total(everything(), "total_tokens"))


def test_anomalies_finds_the_one_hour_that_stands_out_with_its_median_and_spread(ask):
    found = {(row["measure"], row["agent_id"]): row for row in ask("anomalies", factor="3")}
    assert set(found) == {("tokens", "nightly"), ("cost_usd", "nightly")}
    row = found["tokens", "nightly"]
    usual = sorted(total([r], "total_tokens") for r in counted_once() if r["agent_id"] == "nightly")
    median = usual[len(usual) // 2]
    spread = 1.4826 * sorted(abs(value - median) for value in usual)[len(usual) // 2]
    assert (row["value"], row["median"], row["mad"]) == (5_000, median, pytest.approx(spread))
    assert row["largest_call_at"] == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def period(at, zone, grain):
    """Return when the period of *at* began, by a clock on the wall; an hour is one of those that passed."""
    local = at.astimezone(zone)
    if grain == "hour":
        return at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    day = local.date()
    begin = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[grain]
    return datetime(begin.year, begin.month, begin.day, tzinfo=zone).astimezone(UTC)


CHANGES = [
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
]
MOMENTS = st.builds(
    lambda change, s: change + timedelta(seconds=s), st.sampled_from(CHANGES), st.integers(-200_000, 200_000)
)


@settings(deadline=None, max_examples=15)
@given(st.lists(MOMENTS, min_size=1, max_size=60), st.sampled_from(ZONES))
def test_periods_are_those_of_the_calendar_around_any_change_of_the_clock(tmp_path_factory, moments, zone):
    calls = [call(at, n, user_id="ada", source_offset=n) for n, at in enumerate(moments, start=1)]
    folder = build(tmp_path_factory.mktemp("w"), llm_calls=calls)
    with queries.connect(folder, tz=zone) as connection:
        for grain in ("hour", "day", "week", "month"):
            expected = grouped(calls, lambda row, grain=grain: period(row["created_at"], ZoneInfo(zone), grain))
            found = in_utc(queries.run(connection, "cost-by-day", grain=grain).frame)
            assert dict(found.select("period", "total_tokens").rows()) == {
                at: total(own, "total_tokens") for at, own in expected.items()
            }, grain
        budget = in_utc(queries.run(connection, "budget", limit=100).frame)
        days = grouped(calls, lambda row: period(row["created_at"], ZoneInfo(zone), "day"))
        assert {row["day"]: row["calls_over"] for row in budget.to_dicts()} == {
            day: sum(over > 100 for over in itertools.accumulate(c["total_tokens"] for c in _in_order(own)))
            for day, own in days.items()
        }


def _in_order(calls):
    return sorted(calls, key=lambda row: (row["created_at"], row["source_offset"]))
