"""The sample log, whose answers are known."""

import json
from decimal import Decimal

import pytest
from warehouses import FIXTURES, at, sample

import queries

TRUTH = json.loads((FIXTURES / "rc3" / "truth.json").read_text())


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    with queries.connect(sample(tmp_path_factory.mktemp("rc3")), tz="UTC") as connection:
        yield connection


def rows(connection, report, **parameters):
    return queries.run(connection, report, **parameters).frame.to_dicts()


def test_tpm_prints_the_published_table(connection):
    found = {row["model"]: row for row in rows(connection, "tpm")}

    assert list(found) == ["gpt-5.2", "claude-sonnet-4-5", "claude-opus-4-5"]
    for model, truth in TRUTH["by_model"].items():
        row = found[model]
        assert row["calls"] == truth["calls"]
        assert row["failed_calls"] == truth["failed"]
        assert row["total_tokens"] == truth["total_tokens"]
        assert row["active_minutes"] == truth["active_minutes"]
        assert row["avg_tpm"] == truth["avg_tpm_active"]
        assert row["peak_tpm"] == truth["peak_tpm"]
        assert row["peak_minute"] == at(truth["peak_minute"].removesuffix("Z"))
        assert row["peak_rolling_60s"] == truth["rolling_60s_peak"]


@pytest.mark.parametrize(
    ("report", "column", "truth"),
    [
        ("cost-by-model", "model", "by_model"),
        ("cost-by-agent", "agent_id", "by_agent"),
        ("cost-by-story", "story_id", "by_story"),
    ],
)
def test_cost_is_exact_to_the_last_digit_of_the_log(connection, report, column, truth):
    found = {row[column] or "": row for row in rows(connection, report)}

    assert {key: row["cost_usd"] for key, row in found.items()} == {
        key: Decimal(value["cost_usd"]) for key, value in TRUTH[truth].items()
    }
    assert all(found[key]["total_tokens"] == value["total_tokens"] for key, value in TRUTH[truth].items())
    assert all(found[key]["failed_calls"] == value["failed"] for key, value in TRUTH[truth].items())
    assert sum(row["cost_share"] for row in found.values()) == pytest.approx(1)


def test_a_burst_without_parameters_is_the_highest_peak_of_all(connection):
    found = rows(connection, "burst")

    assert len(found) == 9
    assert {row["model"] for row in found} == {"gpt-5.2"}
    assert sum(row["total_tokens"] for row in found) == 727_096
    assert sum(row["share"] for row in found) == pytest.approx(1)
    assert found[-1]["cumulative_share"] == pytest.approx(1)
    assert [row["total_tokens"] for row in found] == sorted((row["total_tokens"] for row in found), reverse=True)


def test_the_largest_burst_is_the_minute_of_the_highest_peak(connection):
    largest = rows(connection, "bursts")[0]

    assert (largest["model"], largest["minutes"], largest["calls"], largest["total_tokens"]) == (
        "gpt-5.2",
        1,
        9,
        727_096,
    )


def test_attempts_at_stories_are_attributed_by_when_a_call_started(connection):
    found = rows(connection, "story-attempts")

    assert {
        story: {
            str(row["attempt"]): {
                "calls": row["calls"] + row["failed_calls"],
                "total_tokens": row["total_tokens"],
            }
            for row in found
            if row["story_id"] == story
        }
        for story in TRUTH["attempts"]
    } == TRUTH["attempts"]
    failed = [row["story_id"] for row in found if row["outcome"] == "failed"]
    assert {story: failed.count(story) for story in failed} == TRUTH["story_failures"]


def test_what_failed_attempts_cost_is_set_against_all_calls(connection):
    total, *stories = rows(connection, "wasted")

    assert total["calls"] == 766 - 7  # of which seven failed
    assert total["wasted_tokens"] == 127_342 + 185_631 + 266_055
    assert sum(row["wasted_cost_usd"] for row in stories) == total["wasted_cost_usd"]


def test_the_minutes_of_the_series_sum_to_the_whole(connection):
    series = rows(connection, "tpm-series")

    assert sum(row["total_tokens"] or 0 for row in series) == sum(m["total_tokens"] for m in TRUTH["by_model"].values())
    assert sum(row["calls"] for row in series) == TRUTH["calls_ok"]


def test_coverage_counts_every_row_of_the_source(connection):
    found = rows(connection, "coverage")

    assert sum(row["rows"] for row in found) == 766
    assert all((row["rejects"], row["duplicates_dropped"]) == (0, 0) for row in found)


def test_views_answer_as_frames(connection):
    assert connection.sql("from tpm_peaks").pl().height == 3
