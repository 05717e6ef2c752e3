"""A document that is written anew as it grows leaves one row a call in the table itself, whoever reads it, and how."""

import json
import random
from collections import Counter

import polars as pl
import pytest
from databases import FIXTURES
from logs import catch_up, follower, intake
from test_crash import FOLLOW, finish, kill_after, start

from ingest.files.paths import find
from ingest.files.streams import open_stream
from ingest.history.backfill import backfill
from ingest.maintenance.verify import verify

SESSION = json.loads((FIXTURES / "gemini-cli" / "session.json").read_text())
ASKED, ANSWERED = SESSION["messages"][:2]


def written(path, turns, *, replaced=False, last=None):
    """Write the session of so many *turns* to *path*, in place or as another file; *last* changes its last answer."""
    messages = []
    for n in range(turns):
        at = f"2026-03-01T10:{n // 60:02}:{n % 60:02}.000Z"
        messages += [ASKED | {"id": f"asked {n}"}, ANSWERED | {"id": f"{n}", "timestamp": at, "tokens": {"input": n}}]
    messages[-1] |= last or {}
    text = json.dumps(SESSION | {"lastUpdated": f"turn {turns}", "messages": messages}, indent=2)
    if replaced:
        path.with_suffix(".part").write_text(text)
        path.with_suffix(".part").rename(path)
    else:
        path.write_text(text)


def rows(warehouse):
    """Return how often each count of input tokens is in the table itself."""
    table = pl.scan_delta(str(warehouse / "llm_calls")).select("request_tokens").collect().to_series()
    return Counter(table.to_list())


def look_once(warehouse, path):
    """Read *path* as a backfill does."""
    with intake(warehouse) as into:
        backfill(find([str(path)]), into)
    return into.totals.calls


@pytest.mark.parametrize("replaced", [False, True], ids=["in place", "replaced"])
@pytest.mark.parametrize("how", ["followed", "backfilled"])
def test_a_session_that_is_written_anew_at_each_turn_is_a_row_a_call(tmp_path, how, replaced):
    path, warehouse, most = tmp_path / "session-1.json", tmp_path / "w", 12 if replaced else 80
    each = follower(warehouse, path) if how == "followed" else None
    for turns in range(1, most + 1):
        written(path, turns, replaced=replaced)
        if each:
            catch_up(each, final=turns == most)
        elif turns % 4 == 0:
            look_once(warehouse, path)
    if each:
        each.close()

    assert rows(warehouse) == Counter(range(most))
    assert verify(warehouse).problems == []


def test_a_session_whose_readers_are_killed_is_a_row_a_call(tmp_path):
    path, warehouse, chance = tmp_path / "session-1.json", tmp_path / "w", random.Random(7)
    for turns in range(1, 81, 8):
        process = start(warehouse, *FOLLOW, str(path))
        process.stderr.readline()  # it is at work then
        for n in range(turns, turns + 8):
            written(path, n)
        kill_after(process, chance.uniform(0, 0.8))
    finish(warehouse, "backfill", str(path))

    assert rows(warehouse) == Counter(range(80))
    assert verify(warehouse).problems == []


def test_of_two_readers_of_two_states_the_later_adds_only_what_the_other_lacks(tmp_path):
    path, warehouse = tmp_path / "session-1.json", tmp_path / "w"
    written(path, 1)
    look_once(warehouse, path)
    with intake(warehouse) as one, intake(warehouse) as other:
        written(path, 3, replaced=True)
        three = one.bind(path, open_stream(path))
        one.read(three)
        written(path, 4, replaced=True)
        four = other.bind(path, open_stream(path))
        other.read(four)
        other.flush([four])
        assert one.flush([three]) == [three]  # it has compared with less than there is

    assert rows(warehouse) == Counter(range(4))
    assert look_once(warehouse, path) == 0


def test_a_message_that_says_something_else_is_another_row(tmp_path):
    path, warehouse = tmp_path / "session-1.json", tmp_path / "w"
    for last in ({}, {"tokens": {"input": 1, "output": 9}}, {"tokens": {"input": 1, "output": 9}, "content": "same"}):
        written(path, 2, last=last)
        look_once(warehouse, path)

    assert rows(warehouse) == {0: 1, 1: 2}


def test_equal_records_without_times_are_as_many_as_the_document_holds(tmp_path):
    path, warehouse = tmp_path / "calls.json", tmp_path / "w"
    record = {"model": "gpt-5.2", "input_tokens": 7, "output_tokens": 1}
    for count in (2, 3, 5):
        path.write_text(json.dumps([record] * count, indent=1))
        look_once(warehouse, path)
        assert rows(warehouse) == {7: count}


def test_lines_behind_what_was_a_document_are_all_read(tmp_path):
    path, warehouse = tmp_path / "calls.json", tmp_path / "w"
    record = {"model": "gpt-5.2", "input_tokens": 7, "output_tokens": 1}
    path.write_text(json.dumps([record]) + "\n")
    look_once(warehouse, path)
    with path.open("a") as file:
        file.write((json.dumps(record) + "\n") * 2)
    look_once(warehouse, path)

    assert rows(warehouse) == {7: 3}
