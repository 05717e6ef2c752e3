"""Sessions of coding agents count each call once, whatever copied it and whatever sums it up."""

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner
from databases import sqlite

import queries
from ingest.cli import cli

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture
def world(tmp_path):
    """Return a function that reads files into a warehouse and returns its calls."""

    def read(*paths):
        done = CliRunner().invoke(cli, ["backfill", *map(str, paths), "-w", str(tmp_path / "w")])
        assert done.exit_code == 0, done.output
        with queries.connect(tmp_path / "w", tz="UTC", serving="llm_calls") as connection:
            return connection.sql("from llm_calls order by created_at, request_tokens").pl().to_dicts()

    return read


def write(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def meta(at, session, **more):
    payload = {"id": session, "cwd": "/srv/alpha", "model_provider": "openai", **more}
    return {"timestamp": at, "type": "session_meta", "payload": payload}


def count(at, total, last):
    usage = {"total_token_usage": {"input_tokens": total}, "last_token_usage": {"input_tokens": last}}
    return {"timestamp": at, "type": "event_msg", "payload": {"type": "token_count", "info": usage}}


def own(number):
    return count(f"2026-05-12T0{number}:10:00.000Z", 1_000 + number, 100 + number)


def fork(number, copied, **parent):
    at = f"2026-05-12T0{number}:00:00.000Z"
    restamped = [{**record, "timestamp": f"2026-05-12T0{number}:00:00.010Z"} for record in copied]
    return [meta(at, f"th-{number}", **parent), *restamped, own(number)]


ROOT = [meta("2026-05-12T01:00:00.000Z", "th-1"), own(1)]
SPAWNED = {"source": {"subagent": {"thread_spawn": {"parent_thread_id": "th-1"}}}}


@pytest.mark.parametrize("order", [(1, 2, 3, 4), (4, 3, 2, 1), (2, 3, 4)])
def test_what_codex_copied_counts_where_no_session_holds_it_as_its_own_and_then_once(tmp_path, world, order):
    sessions = {
        1: ROOT,
        2: fork(2, [own(1)], forked_from_id="th-1"),
        3: fork(3, [own(1), own(2)], forked_from_id="th-2"),
        4: fork(4, [own(1)], **SPAWNED),
    }
    for place, number in enumerate(order):
        calls = world(write(tmp_path / f"rollout-{place}.jsonl", *sessions[number]))

    assert sorted(call["request_tokens"] for call in calls) == [101, 102, 103, 104]


def test_two_sub_agents_that_begin_alike_and_copy_nothing_are_two_calls(tmp_path, world):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.jsonl", meta("2026-05-12T01:00:00.000Z", name, **SPAWNED), own(1))

    assert len(world(tmp_path / "a.jsonl", tmp_path / "b.jsonl")) == 2


def test_a_thread_that_is_resumed_in_another_file_counts_what_it_used(tmp_path, world):
    started = {"type": "thread.started", "thread_id": "th-1"}
    for name, used in (("first", 100), ("second", 250)):
        turn = {"type": "turn.completed", "usage": {"input_tokens": used, "output_tokens": used // 10}}
        write(tmp_path / f"{name}.jsonl", started, turn)

    assert [call["request_tokens"] for call in world(tmp_path / "second.jsonl", tmp_path / "first.jsonl")] == [250]


def test_a_sum_does_not_count_beside_the_calls_of_its_session(tmp_path, world):
    result = json.loads((FIXTURES / "claude-headless" / "run.json").read_text())
    alone = world(write(tmp_path / "run.jsonl", result))
    usage = {"input_tokens": 7, "output_tokens": 1}
    message = {"id": "msg_1", "model": "claude-sonnet-4-6", "usage": usage}
    both = world(
        write(tmp_path / "s.jsonl", {"type": "assistant", "sessionId": "ses-h", "uuid": "u", "message": message})
    )

    assert {call["format"] for call in alone} == {"claude-code/sum"}
    assert [call["request_tokens"] for call in both] == [7]


def test_a_replay_that_counts_more_is_what_its_original_says(tmp_path, world):
    def line(read, **more):
        usage = {"input_tokens": 0, "output_tokens": 10, "cache_read_input_tokens": read}
        message = {"id": "msg_1", "model": "claude-sonnet-4-6", "usage": usage}
        at = "2026-03-29T07:00:00.000Z"
        return {"type": "assistant", "timestamp": at, "sessionId": "s", "uuid": str(read), "message": message, **more}

    write(tmp_path / "agent.jsonl", line(50_000, isSidechain=True, costUSD=0.06))
    (call,) = world(tmp_path / "agent.jsonl", write(tmp_path / "session.jsonl", line(20)))

    assert (call["request_tokens"], call["total_tokens"]) == (20, 30)
    assert (float(call["cost_usd"]), call["cost_source"]) == (0.06, "reported")


def test_messages_that_forks_copied_count_once(tmp_path, world):
    sqlite(tmp_path / "opencode.db", "opencode/opencode-2.sqlite.sql").close()
    calls = world(tmp_path / "opencode.db")

    assert sorted(call["request_tokens"] for call in calls) == [130, 130, 230, 230, 330, 330]
    assert {call["project"] for call in calls} == {"/srv/alpha", "/srv/beta"}


def test_an_openclaw_session_in_a_file_and_in_the_database_counts_once(tmp_path, world):
    sqlite(tmp_path / "openclaw-agent.sqlite", "pi/transcript.sqlite.sql").close()
    moved = world(FIXTURES / "pi" / "header.jsonl", tmp_path / "openclaw-agent.sqlite")

    assert [(call["model"], call["response_tokens"]) for call in moved] == [
        ("gpt-5.2", 50),
        ("claude-sonnet-4-6", 51),
        ("gpt-5.4", 52),
    ]


def test_a_sum_that_grows_is_its_largest_counts(tmp_path, world):
    sqlite(tmp_path / "sessions.db", "goose/sessions.sqlite.sql").close()
    world(tmp_path / "sessions.db")
    with sqlite3.connect(tmp_path / "sessions.db") as writer:
        writer.execute("update sessions set accumulated_input_tokens = 900, updated_at = '2026-05-04 00:00:00'")
    grown = {call["session_id"]: call for call in world(tmp_path / "sessions.db")}

    assert (grown["ses-g"]["request_tokens"], grown["ses-g"]["requests"]) == (900, None)


def test_many_files_beside_sessions_are_told_in_one_line_and_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for number in range(6):
        write(tmp_path / "logs" / f"agent-{number}.meta.json", {"agentType": "Explore"})
    command = ["backfill", str(tmp_path / "logs"), "-w", str(tmp_path / "w")]
    done, again = CliRunner().invoke(cli, command), CliRunner().invoke(cli, command)
    write(tmp_path / "logs" / "agent-0.meta.json", {"agentType": "Plan"})
    changed = CliRunner().invoke(cli, command)

    assert (done.output.count("Warning"), again.output.count("Warning")) == (1, 0)
    assert changed.output.count("agent-0.meta.json: no record that ingest knows") == 1
    assert "6 files hold no record that ingest knows" in done.output
    assert "agent-5" not in done.output
