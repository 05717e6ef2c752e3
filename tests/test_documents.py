"""Documents, which are written anew as they grow, count each call once; so do the sessions of coding agents in them."""

import json
import shutil

import pytest
from click.testing import CliRunner
from databases import FIXTURES, sqlite, stored
from logs import catch_up, follower, intake

from ingest.cli import cli
from ingest.databases.polling import Polling

SESSION = json.loads((FIXTURES / "gemini-cli" / "session.json").read_text())
PRO, FLASH = ("gemini-2.5-pro", 9_000, 420), ("gemini-2.5-flash", 9_560, 20)


def written(messages, updated="2026-01-01T00:00:00.000Z"):
    """Return the session as the CLI writes it when it has so many *messages*."""
    return json.dumps({**SESSION, "lastUpdated": updated, "messages": SESSION["messages"][:messages]}, indent=2)


@pytest.fixture(params=["follow", "backfill"])
def look(request, tmp_path):
    """Read paths: a follower that runs across each change, or a backfill after each."""
    running = {}

    def read(*paths):
        if request.param == "backfill":
            backfill(tmp_path, *paths)
        else:
            catch_up(running.setdefault("follower", follower(tmp_path / "w", *paths)))

    yield read
    for one in running.values():
        one.close()


def backfill(folder, *paths):
    """Read *paths* into the warehouse in *folder*."""
    result = CliRunner().invoke(cli, ["backfill", *map(str, paths), "-w", str(folder / "w")])
    assert result.exit_code == 0, result.output


def counted(folder, columns="model, request_tokens, response_tokens"):
    """Return *columns* of the calls as the views count them, by time."""
    sql = f"select {columns} from llm_calls order by created_at"  # noqa: S608 # our own columns
    result = CliRunner().invoke(cli, ["sql", sql, "-w", str(folder / "w"), "--tz", "UTC", "--format", "json"])
    assert result.exit_code == 0, result.output
    return [tuple(row.values()) for row in json.loads(result.stdout)["rows"]]


@pytest.mark.parametrize("moved", [False, True], ids=["head the same", "head written anew"])
def test_a_document_that_is_written_anew_and_longer_counts_each_call_once(tmp_path, look, moved):
    path = tmp_path / "session-1.json"
    for messages, expected in ((2, [PRO]), (3, [PRO, FLASH]), (5, [PRO, FLASH])):
        path.write_text(written(messages, str(messages) if moved else "always"))
        look(path)
        assert counted(tmp_path) == expected


@pytest.mark.parametrize("before", ["", written(2)], ids=["new", "written anew"])
@pytest.mark.parametrize("half", [1, 900, 1_900])
def test_a_document_that_was_seen_half_written_is_read_when_it_is_whole(tmp_path, look, before, half):
    path = tmp_path / "session-1.json"
    for text in (before, written(5)[:half], written(5)):
        path.write_text(text)
        look(path)

    assert counted(tmp_path) == [PRO, FLASH]


def test_a_document_that_was_torn_does_not_hide_the_lines_of_a_log(tmp_path, look):
    path = tmp_path / "app.log"
    called = '{"time":"2026-01-01T00:00:00Z","model":"gpt-4o","input_tokens":%d,"output_tokens":4}\n'
    for text in ('{"half of a line\n', called % 1, called % 2):
        with path.open("a") as file:
            file.write(text)
        look(path)

    assert sorted(counted(tmp_path)) == [("gpt-4o", 1, 4), ("gpt-4o", 2, 4)]


def test_a_session_that_goes_on_in_lines_counts_what_it_had_as_a_document_once(tmp_path, look):
    shutil.copy(FIXTURES / "gemini-cli" / "session.json", tmp_path / "session-1.json")
    shutil.copy(FIXTURES / "gemini-cli" / "appended.jsonl", tmp_path / "session-1.jsonl")

    look(tmp_path / "session-1.json", tmp_path / "session-1.jsonl")

    assert counted(tmp_path) == [PRO, FLASH]
    assert set(counted(tmp_path, "session_id")) == {(SESSION["sessionId"],)}


def test_lines_that_are_appended_to_a_session_belong_to_it(tmp_path, look):
    path = tmp_path / "session-1.jsonl"
    header, *lines = (FIXTURES / "gemini-cli" / "appended.jsonl").read_bytes().splitlines(keepends=True)
    for line in (header + lines[3], lines[7]):
        with path.open("ab") as file:
            file.write(line)
        look(path)

    assert counted(tmp_path, "model, session_id") == [(m[0], SESSION["sessionId"]) for m in (PRO, FLASH)]


def test_a_message_counts_once_when_it_is_completed(tmp_path, look):
    path = tmp_path / "msg_1.json"
    message = json.loads((FIXTURES / "opencode" / "message.json").read_text())
    begun = {**message, "time": {"created": message["time"]["created"]}, "tokens": {"input": 0, "output": 0}}
    for state in (begun, message, {**message, "finish": "stop, and saved again"}):
        path.write_text(json.dumps(state, indent=2))
        look(path)

    assert counted(tmp_path) == [("claude-sonnet-4-5", 925, 52)]


def test_a_message_in_a_file_and_in_the_table_it_moved_to_counts_once(tmp_path):
    message = json.loads((FIXTURES / "opencode" / "message.json").read_text())
    path = tmp_path / "msg_2.json"
    path.write_text(json.dumps({**message, "id": "msg_2", "sessionID": "ses_1"}, indent=2))
    sqlite(tmp_path / "opencode.db", "opencode/opencode.sqlite.sql").close()

    backfill(tmp_path, path, tmp_path / "opencode.db")

    assert counted(tmp_path) == [("claude-sonnet-4-5", 925, 52), ("gpt-5", None, None)]


def test_a_message_of_the_table_is_read_when_it_ended_and_then_no_more(tmp_path):
    writer = sqlite(tmp_path / "opencode.db", "opencode/opencode.sqlite.sql")
    end = "update message set data = json_set(data, '$.time.completed', 1770983441000), time_updated = 1770983441002"
    with intake(tmp_path / "w") as into:
        tables = Polling([str(tmp_path / "opencode.db")], into.publisher, clock=lambda: 0.0)
        for change in (end + " where id = 'msg_4'", "update session set title = 'x'"):
            tables.look()
            writer.execute(change)
        tables.look()
        tables.close()
    writer.close()

    assert [key for (key,) in stored(tmp_path / "w", "request_id")] == ["msg_2", "msg_3", "msg_4"]


def test_an_update_that_comes_again_is_one_call_with_its_largest_counts(tmp_path, look):
    look(FIXTURES / "kimi" / "wire.jsonl")

    assert counted(tmp_path, "request_tokens, response_tokens, role") == [
        (10_562, 2_463, None),
        (730, 50, "coder"),
        (10, 25, None),
        (12, 3, None),
    ]


def test_a_document_that_is_written_anew_and_shorter_with_another_call_loses_neither(tmp_path, look):
    path = tmp_path / "session-1.json"
    asked, answered = SESSION["messages"][:2]
    other = {**answered, "id": "other", "timestamp": "2026-03-01T10:00:00.000Z", "tokens": {"input": 7, "output": 3}}
    for text in (written(5), json.dumps({**SESSION, "messages": [asked, other]}, indent=2)):
        path.write_text(text)
        look(path)

    assert sorted(counted(tmp_path)) == sorted([PRO, FLASH, (PRO[0], 7, 3)])
