"""Every report on a small warehouse that has every case; the answers are in `golden/`."""

import json
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from warehouses import build, call, event

import queries
from ingest.prices.elsewhere import Alternatives
from ingest.prices.price import load_prices
from queries.connection.connect import zone
from queries.show import terminal_table, texts

GOLDEN = Path(__file__).parent / "golden"
EXPORT = """date,model,requests,input_tokens,output_tokens,cost_usd
2026-10-24,gpt-5.2-2025-12-11,6,4590,510,0.0051
2026-10-24,,,,,1.5
"""
PARAMETERS = {
    "budget": {"limit": "4000", "by": "agent"},
    "limits": {"limit": "3000"},
    "anomalies": {"factor": "3"},
    "bursts": {"threshold": "1200"},
    "execution": {"run": "run-1"},
    "headroom": {"at": "2026-10-24T14:01:00Z"},
    "what-if": {"tier": "batch"},
}
PRICING = Alternatives(load_prices())


def rows():
    """Days around the ends of summer time.

    2026-10-25 01:00 UTC is 02:00 for the second time in Berlin, 2026-11-01 06:00 UTC is 01:00 for the second time in
    New York.
    """
    opus, local = {"model": "claude-opus-4-5", "provider": "anthropic"}, {"model": "tiny-local", "provider": "ollama"}
    haiku = {"model": "claude-haiku-4-5", "provider": "anthropic", "agent_id": "nightly", "user_id": "cron"}
    haiku |= {"cache_read_tokens": 50, "cache_write_tokens": 10}
    story = {"story_id": "st-1", "session_id": "s-1", "state": "CODING", "user_id": "ada"}
    calls = [
        # one huge call, then a few large ones, then many, then a sustained burst
        call("2026-10-24T10:00:10", 5_000, **opus, **story),
        call("2026-10-24T10:00:20", 100, **opus, **story),
        *(call(f"2026-10-24T11:00:{s:02}", 1_000, **opus, user_id="ada") for s in (5, 15, 25)),
        *(call(f"2026-10-24T12:00:{s:02}", 300, **opus, agent_id="coder-002") for s in range(0, 60, 5)),
        *(call(f"2026-10-24T13:0{m}:{s:02}", 400, **opus) for m in range(4) for s in range(0, 60, 6)),
        # a peak that straddles two minutes
        *(call(f"2026-10-24T14:00:{s}", 700, user_id="bob") for s in (40, 50, 58)),
        *(call(f"2026-10-24T14:01:{s:02}", 800, user_id="bob") for s in (1, 10, 39)),
        # the two hours that a clock in Berlin shows twice
        call("2026-10-25T00:30:00", 10, **story),
        call("2026-10-25T01:30:00", 20, **story),
        # failures: one that is made again, one that isn't, one with retry lines, one with an attempt field
        call("2026-10-25T08:00:00", None, **story, error="429 too many requests", error_type="rate_limit"),
        call("2026-10-25T08:00:30", 60, **story),
        call(
            "2026-10-25T09:00:00",
            None,
            error="context too long\x1b[31m",
            error_type="invalid_request",
            agent_id="=cmd()",
        ),
        call("2026-10-25T10:00:11", 70, **story, latency_s=10),
        call("2026-10-25T11:00:00", 80, attempt=2, agent_id="tutor", run_id="run-1", step_id="a"),
        call("2026-10-25T11:01:00", 90, agent_id="tutor", run_id="run-1", step_id="b", latency_s=None),
        # unpriced, estimated, no model, no measurement, prices that drift
        call(
            "2026-10-25T12:00:00",
            30,
            **local,
            cost_usd=None,
            cost_reported_usd=None,
            known_model=False,
            token_source="estimated",  # noqa: S106 - not a secret
        ),
        call("2026-10-25T12:01:00", None, success=True, model=None, provider=None, agent_id=None, latency_s=None),
        call(
            "2026-10-25T12:02:00",
            1_000,
            cost_reported_usd=Decimal("0.02"),
            cost_computed_usd=Decimal("0.01"),
            cost_usd=Decimal("0.02"),
            pricing_version="p1",
        ),
        # logged twice
        call("2026-10-25T13:00:00", 40, dedupe_key="k", format="claude-code", **opus),
        call("2026-10-25T13:00:01", 50, dedupe_key="k", format="claude-code", **opus),
        # an agent of steady habits, through the two hours that a clock in New York shows twice, and its one odd hour
        *(call(f"2026-10-31T{h}:30:00", 100, **haiku) for h in range(18, 24)),
        *(call(f"2026-11-01T{h:02}:30:00", 5_000 if h == 5 else 100 + h, **haiku) for h in range(9)),
    ]
    for number, row in enumerate(calls):
        row["source_offset"] = number * 100
    events = [
        event("2026-10-24T10:00:15", "story_requeue_requested", story_id="st-1", reason="tests failed"),
        event("2026-10-24T10:00:15.001", "story_attempt_failed", story_id="st-1", reason="tests failed"),
        event("2026-10-25T08:00:10", "story_requeue_requested", story_id="st-1", reason="agent reached ERROR state"),
        event("2026-10-25T08:00:10.500", "story_abandoned", story_id="st-1", reason="agent reached ERROR state"),
        event(
            "2026-10-25T10:00:03",
            "api_retry",
            agent_id="coder-001",
            attempt=2,
            max_attempts=3,
            wait_ms=1_100,
            reason="rate limit",
        ),
        event(
            "2026-10-25T10:00:06",
            "api_retry",
            agent_id="coder-001",
            attempt=3,
            max_attempts=3,
            wait_ms=2_300,
            reason="server error",
        ),
    ]
    rejects = [
        event(
            "2026-10-25T09:30:00",
            "",
            reason="latency is not a number",
            line="[x] LLM call\x1b[2J",
            source_offset=7,
            source_path="logs/maestro.log",
        ),
    ]
    return {
        "llm_calls": calls,
        "llm_events": events,
        "rejects": [{k: v for k, v in r.items() if k != "kind"} for r in rejects],
    }


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return build(tmp_path_factory.mktemp("w"), **rows())


@pytest.mark.parametrize("tz", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("name", queries.names())
def test_the_answer_of_each_report_is_known(warehouse, tmp_path, request, name, tz):
    parameters = dict(PARAMETERS.get(name, {}))
    if name == "reconcile":
        (tmp_path / "export.csv").write_text(EXPORT)
        parameters["file"] = str(tmp_path / "export.csv")
    # With all views, and with those that the report needs.
    serving = None if tz == "Europe/Berlin" else queries.load(name).reach
    with queries.connect(warehouse, tz=tz, serving=serving) as connection:
        answer = queries.run(connection, name, pricing=PRICING, **parameters)
        answer.parameters.pop("file", None)
        shown = terminal_table.as_text(answer, zone=zone(connection)) + "\n" + texts.as_json(answer)

    golden = GOLDEN / f"{name}.{tz.replace('/', '-')}.txt"
    if request.config.getoption("--golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
    json.loads(texts.as_json(answer))


def test_a_connection_that_serves_one_question_has_the_views_of_that_alone(warehouse):
    listed = "select view_name from duckdb_views() where not internal"
    with queries.connect(warehouse) as connection:
        every = {name for (name,) in connection.sql(listed).fetchall()}
    with queries.connect(warehouse, serving="select * from wasted -- not bursts") as connection:
        few = {name for (name,) in connection.sql(listed).fetchall()}

    assert few < every
    assert {"wasted", "story_attempts", "llm_calls"} <= few
    assert not {"tpm_peaks", "retries"} & few


@pytest.mark.parametrize("name", queries.names())
def test_every_report_answers_an_empty_warehouse_with_no_rows(tmp_path, name):
    (tmp_path / "export.csv").write_text(EXPORT)
    parameters = {"reconcile": {"file": str(tmp_path / "export.csv")}, "what-if": {"tier": "batch"}}.get(name, {})
    with queries.connect(build(tmp_path / "nothing")) as connection:
        answer = queries.run(connection, name, pricing=PRICING, **parameters)
    assert name == "reconcile" or answer.frame.is_empty()


@pytest.mark.parametrize("name", queries.names())
def test_every_report_says_what_it_is_and_what_its_parameters_mean(name):
    report = queries.load(name)

    assert report.title[0].isupper()
    assert len(report.sql.splitlines()) - len(report.comment) <= 26
    assert all(report.parameters.values())
    assert "order by" in report.sql
    assert "select *" not in report.sql.rsplit("\nselect", 1)[-1]


def test_reports_on_the_same_snapshot_agree_in_total(warehouse):
    with queries.connect(warehouse, tz="Europe/Berlin") as connection:
        (usage,) = queries.run(connection, "usage").frame.to_dicts()
        for name in (
            "cost-by-model",
            "cost-by-agent",
            "cost-by-day",
            "cost-by-story",
            "cost-by-user",
            "cost-by-run",
            "cost-by-session",
            "cost-by-agent-model",
        ):
            frame = queries.run(connection, name).frame
            for column in ("calls", "failed_calls", "total_tokens", "cost_usd", "unpriced_calls"):
                assert frame[column].sum() == usage[column], (name, column)


def test_days_end_where_the_time_zone_says(warehouse):
    with queries.connect(warehouse, tz="Europe/Berlin") as connection:
        berlin = queries.run(connection, "cost-by-day").frame
        hours = queries.run(connection, "cost-by-day", grain="hour").frame
    with queries.connect(warehouse, tz="America/New_York") as connection:
        new_york = queries.run(connection, "cost-by-day").frame

    assert berlin["calls"].to_list() != new_york["calls"].to_list()
    assert [str(period) for period in berlin["period"]] == [
        "2026-10-24 00:00:00+02:00",
        "2026-10-25 00:00:00+02:00",
        "2026-10-31 00:00:00+01:00",
        "2026-11-01 00:00:00+01:00",
    ]
    # Both 02:00s of the night that summer time ends are hours of their own.
    assert hours.filter(hours["period"].dt.strftime("%F %R") == "2026-10-25 02:00").height == 2


@pytest.mark.parametrize("every", [2, 60, 1_440])
def test_a_thinned_series_keeps_the_fullest_minute_of_each_stretch(tmp_path, every):
    connection = queries.connect(build(tmp_path, llm_calls=rows()["llm_calls"]), tz="UTC")
    minutes = queries.run(connection, "tpm-series").frame
    thinned = queries.run(connection, "tpm-series", every=str(every)).frame

    stretch = pl.col("minute").dt.epoch("s") // 60 // every
    fullest = minutes.group_by("model", stretch).agg(pl.max("total_tokens"))["total_tokens"].sort(nulls_last=True)
    assert thinned["total_tokens"].sort(nulls_last=True).to_list() == fullest.to_list()
    assert thinned.join(minutes, on=minutes.columns, how="anti", nulls_equal=True).is_empty()


@pytest.mark.parametrize("grain", ["hour", "day", "week", "month"])
def test_cost_over_time_adds_up_to_the_cost_of_each_period_and_of_each_key(tmp_path, grain):
    connection = queries.connect(build(tmp_path, llm_calls=rows()["llm_calls"]), tz="Europe/Berlin")
    both = queries.run(connection, "cost-over-time", grain=grain, by="agent").frame
    sums = [pl.sum(name) for name in ("calls", "failed_calls", "total_tokens", "cost_usd", "unpriced_calls")]

    for key, report, parameters in ("period", "cost-by-day", {"grain": grain}), ("key", "cost-by", {"by": "agent"}):
        alone = queries.run(connection, report, **parameters).frame
        added = both.group_by(key).agg(sums).sort(key)
        assert added.fill_null(0).rows() == alone.select(added.columns).sort(key).fill_null(0).rows()
