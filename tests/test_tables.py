"""Rows of applications' own tables, as a database gives them."""

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from parsers.formats import agentic_runtime_steps, learnpro, trading
from parsers.formats.compozy import llm_usage
from parsers.formats.compozy import sessions as compozy_sessions
from parsers.schema import CALLS, conform


def known(parsed):
    rows = conform(parsed.calls, CALLS).drop("source_offset").to_dicts()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


STEP = {
    "id": "5d1f",
    "run_id": "0b0f",
    "step_id": "draft",
    "type": "agent",
    "status": "SUCCEEDED",
    "execution_index": 0,
    "started_at": "2026-05-12T10:11:12.123456+00:00",
    "finished_at": "2026-05-12T10:11:20+00:00",
    "duration_ms": 7877,
    "attempts": 2,
    "last_error": "RuntimeError: HTTP 429",
    "input_json": '{"prompt": "never kept"}',
}
USED = {"token_usage_json": '{"input_tokens": 1200, "output_tokens": 340}'}
GENERATIONS = [{}, USED, {**USED, "model_name": "claude-sonnet-4-5"}]


@pytest.mark.parametrize("more", [*GENERATIONS, {**GENERATIONS[-1], "cost_usd": 0.0087}])
def test_steps_of_every_generation_are_read(more):
    (call,) = known(agentic_runtime_steps.calls_from_rows(pl.DataFrame([{**STEP, **more}])))
    assert call["latency_ms"] == 7877
    assert call["attempt"] == 2
    assert call["success"] is True
    assert '"grain":"step"' in call["metadata"]
    assert call["started_at"] == datetime(2026, 5, 12, 10, 11, 12, 123456, UTC)
    assert call.get("total_tokens") == (1540 if more else None)
    assert call.get("provider") == ("anthropic" if "model_name" in more else None)
    assert call.get("cost_reported_usd") == (Decimal("0.0087") if "cost_usd" in more else None)


def test_a_failed_step_has_an_error_and_no_tokens():
    row = {**STEP, "status": "FAILED", "error": "RuntimeError: LLM cost budget exceeded", "token_usage_json": None}
    (call,) = known(agentic_runtime_steps.calls_from_rows(pl.DataFrame([row])))
    assert (call["success"], call["error_type"]) == (False, "RuntimeError")
    assert "total_tokens" not in call


@pytest.mark.parametrize("change", [{"type": "tool"}, {"type": "function"}, {"status": "RUNNING"}])
def test_steps_that_called_no_model_or_have_not_ended_are_no_calls(change):
    assert known(agentic_runtime_steps.calls_from_rows(pl.DataFrame([{**STEP, **change}]))) == []


def test_a_rejected_row_shows_only_columns_that_are_read():
    parsed = agentic_runtime_steps.calls_from_rows(pl.DataFrame([{**STEP, "token_usage_json": "{broken"}]))
    assert parsed.calls.is_empty()
    assert "not valid JSON" in parsed.rejects["reason"][0]
    assert "5d1f" in parsed.rejects["line"][0]
    assert "never kept" not in parsed.rejects["line"][0]


def test_a_database_gives_typed_values():
    row = {"id": 1041, "model": "gpt-5", "provider": "openai", "input_tokens": 10, "output_tokens": 2}
    row |= {"created_at": datetime(2026, 5, 1, 12, tzinfo=UTC), "duration_ms": 0, "cost_usd": float("nan")}
    (call,) = known(trading.calls_from_rows(pl.DataFrame([row])))
    assert call["created_at"] == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert call["request_id"] == "1041"
    assert "latency_ms" not in call
    assert "cost_reported_usd" not in call


def test_money_stays_exact():
    row = {"model": "claude-haiku", "cost_usd": Decimal("0.00010000"), "pricing_version": "v", "ok": True}
    row |= {"input_tokens": 1, "output_tokens": 1, "called_at": datetime(2026, 5, 1, 12)}  # noqa: DTZ001 # as stored
    (call,) = known(learnpro.calls_from_rows(pl.DataFrame([row])))
    assert call["cost_reported_usd"] == Decimal("0.0001")
    assert call["created_at"] == datetime(2026, 5, 1, 12, tzinfo=UTC)


TURN = {"turn_id": "t1", "input_tokens": 128400, "output_tokens": 24900, "total_tokens": 153300, "cost_amount": 0.42}
TURN |= {"cost_currency": "USD", "timestamp": "2026-08-20T10:00:00.000000000Z"}


QUEUE = ("turn_id", "runtime_provider", "runtime_model")
SESSION = ("id", "agent_name", "provider", "model", "parent_session_id")
NO_SESSIONS = pl.DataFrame(schema=dict.fromkeys(SESSION, pl.String))
NOTHING_QUEUED = pl.DataFrame(schema=dict.fromkeys(QUEUE, pl.String))


def test_turns_take_provider_and_model_from_their_session():
    sessions = pl.DataFrame({"id": ["s1", "s2"], "provider": ["anthropic", "openai"], "model": ["opus", "gpt-5"]})
    turns = pl.DataFrame([{**TURN, "session_id": "s2"}, {**TURN, "turn_id": "t2", "session_id": "s3"}])
    related = {"sessions": sessions, "session_input_queue": NOTHING_QUEUED}
    first, second = known(compozy_sessions.calls_from_turns(turns, related))
    assert (first["provider"], first["model"], first["dedupe_key"]) == ("openai", "gpt-5", "compozy/t1")
    assert "model" not in second


@pytest.mark.parametrize(
    ("queued", "asked"),
    [
        (("anthropic", "claude-opus-4-6"), ("anthropic", "claude-opus-4-6")),
        (("", "claude-opus-4-6"), ("anthropic", "claude-opus-4-6")),
        (("", ""), ("openai", "gpt-5.2")),
    ],
)
def test_a_queued_prompt_tells_which_model_it_asked(queued, asked):
    sessions = pl.DataFrame([("s1", "helper", "openai", "gpt-5.2", None)], schema=SESSION, orient="row")
    queue = pl.DataFrame([("t1", *queued)], schema=QUEUE, orient="row")
    turn = pl.DataFrame([{**TURN, "session_id": "s1"}])
    related = {"sessions": sessions, "session_input_queue": queue}
    (call,) = known(compozy_sessions.calls_from_turns(turn, related))
    assert (call["provider"], call["model"]) == asked


def test_the_total_of_a_run_is_not_a_call():
    rows = pl.DataFrame(
        [{**TURN, "turn_id": name, "run_id": "r"} for name in ("session-001", "session-002", "run-total")]
    )
    calls = known(compozy_sessions.calls_from_run(rows.drop("cost_amount", "cost_currency")))
    assert [call["step_id"] for call in calls] == ["session-001", "session-002"]
    assert "cost_reported_usd" not in calls[0]


@pytest.mark.parametrize(
    "calls",
    [
        trading.calls_from_rows,
        learnpro.calls_from_rows,
        llm_usage.calls_from_rows,
        agentic_runtime_steps.calls_from_rows,
        compozy_sessions.calls_from_run,
        lambda rows: compozy_sessions.calls_from_turns(
            rows, {"sessions": NO_SESSIONS, "session_input_queue": NOTHING_QUEUED}
        ),
        lambda rows: trading.calls_from_table(
            rows, {"pipeline_steps": pl.DataFrame(schema=dict.fromkeys(("id", "run_id", "step_name"), pl.String))}
        ),
    ],
)
@pytest.mark.parametrize("rows", [pl.DataFrame(), pl.DataFrame({"model": []}), pl.DataFrame({"x": [1]})])
def test_tables_without_rows_or_columns_give_no_error(calls, rows):
    conform(calls(rows).calls, CALLS)
