"""Calls of one moment and one size: a report answers alike, in whatever order they were stored and are read."""

import random
from datetime import timedelta

import pytest
from warehouses import at, build, call, event

import ingest
import queries

CHOICE = random.Random(7)
GIVEN = {"budget": {"by": "agent", "limit": 500}, "what-if": {"model": "gpt-5.2"}}


def _calls():
    """Yield calls of which many share minute, tokens, agent and story, and nothing else."""
    for number in range(400):
        moment = at("2026-02-03T10:00:00") + timedelta(hours=number % 20, minutes=CHOICE.choice((0, 0, 3, 4)))
        failed = number % 5 == 0
        yield call(
            moment,
            None if failed else CHOICE.choice((100, 100, 250)),
            agent_id=f"coder-{number % 3}",
            story_id=f"story-{number % 2}",
            session_id="one" if number % 4 else None,
            run_id=f"run-{number % 3}",
            model=CHOICE.choice(("gpt-5.2", "gpt-5.2-2026-01-01", "claude-opus-4-5")),
            provider=CHOICE.choice(("openai", "azure", "anthropic")),
            error_type=CHOICE.choice(("rate_limit", "timeout")) if failed else None,
            error=f"no. {number}" if failed else None,
            source_id=f"s{number % 7}",
            source_path=f"logs/{number % 7}.log",
            source_offset=number // 7 * 100,
            **({"cache_read_tokens": 40, "cost_computed_usd": 0.1 * (number % 3)} if number % 2 else {}),
            **({"cost_usd": None, "cost_reported_usd": None} if number % 9 == 0 else {}),
        )


def _rejects():
    for number in range(20):
        where = {"source_id": f"s{number % 7}", "source_path": f"logs/{number % 7}.log", "source_offset": number // 7}
        yield {
            "reason": ("not JSON", "no time")[number % 2],
            "line": f"no. {number}",
            "seen_at": at("2026-02-03"),
        } | where


def _events():
    for number in range(60):
        moment = f"2026-02-03T{10 + number % 10}:00:00"
        kind = ("api_retry", "step_retry", "rate_limited", "story_attempt_failed")[number % 4]
        yield event(
            moment,
            kind,
            agent_id=f"coder-{number % 3}",
            story_id=f"story-{number % 2}",
            session_id="one",
            run_id="run-1",
            step_id="step-1",
            attempt=number % 2,
            model="claude-opus-4-5",
            reason=f"no. {number}",
            source_id=f"s{number % 7}",
            source_path=f"logs/{number % 7}.log",
            source_offset=number // 7 * 100 + 50,
        )


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory):
    rows = {"llm_calls": list(_calls()), "llm_events": list(_events()), "rejects": list(_rejects())}
    forward, back = tmp_path_factory.mktemp("forward"), tmp_path_factory.mktemp("back")
    build(forward, **rows)
    for part in range(3):
        build(back, **{name: some[::-1][part::3] for name, some in rows.items()})
    return forward, back


@pytest.mark.parametrize("name", [name for name in queries.names() if name != "reconcile"])
def test_a_report_answers_alike_in_whatever_order_calls_were_stored(warehouses, name):
    answers = []
    for warehouse in warehouses:
        with queries.connect(warehouse, tz="UTC") as connection:
            answers.append(
                queries.run(
                    connection, name, pricing=ingest.alternatives(warehouse), **GIVEN.get(name, {})
                ).frame.to_dicts()
            )

    assert answers[0]
    assert answers[0] == answers[1]
