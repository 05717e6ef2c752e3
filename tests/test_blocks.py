"""Blocks of five hours: where they begin, and what the active one will come to."""

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from warehouses import build, call

import queries
from ingest.cli import cli

# The first block begins at 08:00 and ends at 13:00; the call of 13:00 begins the next, that of 22:10 a third.
TIMES = ("08:20", "10:00", "12:59", "13:00", "17:59", "22:10", "22:40")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    rows = [call(f"2026-02-03T{at}:00", 1_000, source_offset=n) for n, at in enumerate(TIMES)]
    rows.append(call("2026-02-03T22:20:00", None, error="boom", source_offset=99))
    return build(tmp_path_factory.mktemp("w"), llm_calls=rows)


def blocks(warehouse, now, **parameters):
    moment = datetime.fromisoformat(f"2026-02-03T{now}").replace(tzinfo=UTC)
    with queries.connect(warehouse, tz="UTC", now=moment) as connection:
        return queries.run(connection, "blocks", **parameters)


def test_a_block_begins_at_the_hour_of_its_first_call_and_the_next_after_its_end(warehouse):
    found = blocks(warehouse, "23:59:59").frame
    spans = [(f"{row['started_at']:%H:%M}", f"{row['ended_at']:%d %H:%M}", row["calls"]) for row in found.to_dicts()]

    assert spans == [("22:00", "04 03:00", 2), ("13:00", "03 18:00", 2), ("08:00", "03 13:00", 3)]


def test_the_active_block_goes_on_at_its_rate_and_those_that_ended_have_no_forecast(warehouse):
    active, *ended = blocks(warehouse, "23:00").frame.to_dicts()

    # 2,000 tokens in 30 minutes; four hours are left.
    assert active["is_active"]
    assert (active["failed_calls"], active["minutes_left"]) == (1, 240)
    assert active["tokens_per_minute"] == pytest.approx(2_000 / 30)
    assert active["forecast_tokens"] == 2_000 + 240 * 2_000 // 30
    assert float(active["forecast_cost_usd"]) == pytest.approx(active["forecast_tokens"] / 1_000_000)
    assert [(row["is_active"], row["forecast_tokens"]) for row in ended] == [(False, None), (False, None)]


def test_a_block_of_one_call_has_no_rate(warehouse):
    with queries.connect(warehouse, tz="UTC", until="2026-02-03T08:30") as connection:
        (row,) = queries.run(connection, "blocks").frame.to_dicts()

    assert (row["calls"], row["tokens_per_minute"], row["forecast_tokens"]) == (1, None, None)


def test_a_limit_of_a_block_is_told_when_it_is_crossed_and_before_it_will_be(warehouse):
    assert blocks(warehouse, "23:00", limit="10k").frame["status"].to_list() == ["warn", "ok", "ok"]
    assert blocks(warehouse, "23:00", limit="3k").frame["status"].to_list() == ["warn", "ok", "exceeded"]
    asked = ["report", "blocks", "-w", str(warehouse), "-p", "limit=3000"]
    assert CliRunner().invoke(cli, asked).exit_code == 3


def test_blocks_may_be_of_other_lengths(warehouse):
    assert blocks(warehouse, "23:59", hours="24").frame["calls"].to_list() == [7]
    assert CliRunner().invoke(cli, ["report", "blocks", "-w", str(warehouse), "-p", "hours=0"]).exit_code == 2


def test_a_warehouse_without_calls_has_no_blocks(tmp_path):
    with queries.connect(build(tmp_path)) as connection:
        assert queries.run(connection, "blocks").frame.is_empty()


def test_blocks_are_in_an_exported_database_as_well(warehouse, tmp_path):
    assert CliRunner().invoke(cli, ["export", str(tmp_path / "all.duckdb"), "-w", str(warehouse)]).exit_code == 0
    asked = ["report", "blocks", "-w", str(warehouse)]
    assert len(json.loads(CliRunner().invoke(cli, asked).stdout)["rows"]) == 3


@pytest.fixture(scope="module")
def two_models(tmp_path_factory):
    def spent(n, agent, model, tokens):
        return call(f"2026-02-03T10:{n:02}:00", tokens, agent_id=agent, model=model, source_offset=n)

    calls = [("a", "big", 100), ("a", "big", 200), ("a", "small", 50), ("b", "small", 900), ("a", None, 10)]
    rows = [spent(n, *one) for n, one in enumerate(calls)]
    return build(tmp_path_factory.mktemp("two"), llm_calls=rows)


def asked(warehouse, *arguments, code=0):
    result = CliRunner().invoke(cli, ["report", *arguments, "-w", str(warehouse), "--tz", "UTC"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)["rows"] if code == 0 else result.stderr


def test_a_breakdown_divides_each_row_by_model_and_loses_nothing(two_models):
    whole, parts = asked(two_models, "cost-by-agent"), asked(two_models, "cost-by-agent", "--breakdown")

    assert [(row["agent_id"], row["model"], row["total_tokens"]) for row in parts] == [
        ("b", "small", 900),
        ("a", "big", 300),
        ("a", "small", 50),
        ("a", None, 10),
    ]
    assert list(parts[0]) == ["agent_id", "model", *list(whole[0])[1:]]
    assert sum(row["calls"] for row in parts) == sum(row["calls"] for row in whole)
    assert sum(row["cost_share"] for row in parts) == pytest.approx(1)


def test_days_and_sessions_are_divided_as_well_and_blocks_and_peaks_are_not(two_models):
    assert [row["model"] for row in asked(two_models, "cost-by-day", "--breakdown")] == ["small", "big", None]
    assert len(asked(two_models, "sessions", "--breakdown")) == 3
    for name in ("tpm", "blocks", "cost-by-model"):
        assert "can't be divided by model" in asked(two_models, name, "--breakdown", code=2)
