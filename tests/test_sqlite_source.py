"""Tables of SQLite files are read once, row by row, while their application writes them."""

import shutil
import threading
from collections import Counter

import polars as pl
import pytest
from databases import CALL, STEP, numbers, read, sqlite, stored, trading
from logs import intake, tiles

from ingest.databases.polling import Polling


@pytest.fixture
def into(tmp_path):
    with intake(tmp_path / "w") as intake_:
        yield intake_


def test_a_second_run_reads_only_what_is_new(tmp_path, into):
    writer = trading(tmp_path / "app.db")
    writer.executemany(CALL, [(n,) for n in range(5)])
    assert read(into, tmp_path / "app.db") == 5
    writer.executemany(CALL, [(n,) for n in range(5, 7)])
    assert read(into, tmp_path / "app.db") == 2
    assert numbers(tmp_path / "w") == Counter(range(7))


def test_a_large_table_is_committed_in_parts(tmp_path, into):
    writer = trading(tmp_path / "app.db")
    writer.execute("begin")
    writer.executemany(CALL, [(n,) for n in range(45_000)])
    writer.execute("commit")

    assert read(into, tmp_path / "app.db") == 45_000
    assert into.totals.commits == 3


def test_rows_are_taken_once_while_another_thread_writes_them(tmp_path, into):
    path, total = tmp_path / "app.db", 300
    trading(path).close()
    half = threading.Event()

    def write():
        writer = sqlite(path)
        for n in range(total):
            writer.execute(CALL, (n,))
            if n == total // 2:
                half.set()
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    assert half.wait(30)
    tables = Polling([str(path)], into.publisher, clock=lambda: 0.0)
    while thread.is_alive():
        tables.look()
    thread.join()
    tables.look()
    tables.close()

    assert numbers(tmp_path / "w") == Counter(range(total))


def test_reading_never_holds_up_the_writer(tmp_path, into):
    writer = trading(tmp_path / "app.db")
    writer.execute(CALL, (1,))
    tables = Polling([str(tmp_path / "app.db")], into.publisher, clock=lambda: 0.0)
    tables.look()

    writer.execute("pragma busy_timeout = 0")
    writer.execute(CALL, (2,))
    assert writer.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0
    tables.close()


def test_what_is_not_committed_is_not_read(tmp_path, into):
    writer = trading(tmp_path / "app.db")
    writer.execute(CALL, (1,))
    writer.execute("begin immediate")
    writer.execute(CALL, (2,))
    assert read(into, tmp_path / "app.db") == 1
    writer.execute("commit")
    assert read(into, tmp_path / "app.db") == 1


def test_a_copy_under_another_name_adds_nothing(tmp_path, into):
    writer = trading(tmp_path / "app.db")
    writer.executemany(CALL, [(n,) for n in range(3)])
    writer.close()
    read(into, tmp_path / "app.db")
    shutil.copy(tmp_path / "app.db", tmp_path / "backup.db")
    assert read(into, tmp_path / "backup.db") == 0


def test_rows_that_were_deleted_stay_and_nothing_is_read_twice(tmp_path, into):
    writer = trading(tmp_path / "app.db")
    writer.executemany(CALL, [(n,) for n in range(4)])
    read(into, tmp_path / "app.db")
    writer.execute("delete from llm_calls where id < 4")
    writer.execute(CALL, (4,))
    assert read(into, tmp_path / "app.db") == 1
    assert numbers(tmp_path / "w") == Counter(range(5))


def test_a_table_that_was_emptied_and_counts_from_one_again_is_read_from_its_beginning(tmp_path, into):
    writer = trading(tmp_path / "app.db")
    writer.executemany(CALL, [(n,) for n in range(4)])
    read(into, tmp_path / "app.db")
    writer.execute("delete from llm_calls")
    writer.execute(CALL.replace("12:00:00", "13:00:00"), (100,))
    assert read(into, tmp_path / "app.db") == 1


def test_a_step_counts_when_it_has_ended_whatever_its_place(tmp_path, into):
    writer = sqlite(tmp_path / "runtime.db", "agentic-runtime/runtime-2.sqlite.sql")
    writer.execute("delete from steps")
    usage = '{"input_tokens": 10, "output_tokens": 1}'
    writer.execute(STEP, ("a", "RUNNING", None, None))
    writer.execute(STEP, ("b", "SUCCEEDED", "2026-05-02T10:00:09+00:00", usage))
    tables = Polling([str(tmp_path / "runtime.db")], into.publisher, clock=lambda: 0.0)
    tables.look()
    writer.execute(
        "update steps set status = 'SUCCEEDED', finished_at = '2026-05-02T10:00:05+00:00', token_usage_json = ? "
        "where id = 'a'",
        (usage,),
    )
    tables.look()
    tables.look()
    tables.close()

    assert stored(tmp_path / "w", "request_id") == [("a",), ("b",)]


def test_a_step_that_appears_long_after_its_time_comes_with_the_next_start(tmp_path, into):
    writer = sqlite(tmp_path / "runtime.db", "agentic-runtime/runtime-2.sqlite.sql")
    writer.execute("delete from steps")
    writer.execute(STEP, ("a", "SUCCEEDED", "2026-05-02T10:00:00+00:00", None))
    read(into, tmp_path / "runtime.db")
    writer.execute(STEP, ("b", "SUCCEEDED", "2026-04-02T10:00:00+00:00", None))

    assert read(into, tmp_path / "runtime.db") == 1
    assert read(into, tmp_path / "runtime.db") == 0
    assert all(tiles(tmp_path / "w").values())
    batches = pl.scan_delta(str(tmp_path / "w" / "batches")).collect()
    assert batches["calls"].to_list() == [1, 1], "each row lies within the batch that brought it"


def test_a_time_in_the_future_hides_nothing(tmp_path, into):
    writer = sqlite(tmp_path / "runtime.db", "agentic-runtime/runtime-2.sqlite.sql")
    writer.execute("delete from steps")
    writer.execute(STEP, ("a", "SUCCEEDED", "2999-01-01T00:00:00+00:00", None))
    tables = Polling([str(tmp_path / "runtime.db")], into.publisher, clock=lambda: 0.0)
    tables.look()
    writer.execute(STEP.replace("?, 1, ?)", "strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 1, null)"), ("b", "SUCCEEDED"))
    tables.look()
    tables.look()
    tables.close()

    assert sorted(stored(tmp_path / "w", "request_id")) == [("a",), ("b",)]


def test_a_turn_that_grows_is_stored_again_and_counted_once_at_its_largest(tmp_path, into):
    import queries.connection.connect

    writer = sqlite(tmp_path / "s1" / "events.db", "compozy-sessions/events.sqlite.sql")
    sessions = sqlite(tmp_path / "compozy.db")
    sessions.execute("create table sessions (id text primary key, agent_name text, provider text, model text)")
    sessions.execute("insert into sessions values ('s1', 'coder', 'claude', 'claude-sonnet-4-5')")
    read(into, tmp_path / "s1" / "events.db")
    writer.execute(
        "update token_usage set input_tokens = 1900, timestamp = '2026-08-20T10:02:00Z' where turn_id = 'turn_01JB'"
    )
    assert read(into, tmp_path / "s1" / "events.db") == 1

    with queries.connection.connect.connect(tmp_path / "w") as connection:
        counted = connection.sql("select step_id, model, request_tokens from llm_calls order by step_id").fetchall()
    assert counted == [("turn_01JA", "claude-sonnet-4-5", 128400), ("turn_01JB", "claude-sonnet-4-5", 1900)]


def test_a_turn_has_the_model_that_its_queued_prompt_asked(tmp_path, into):
    sqlite(tmp_path / "sessions" / "s1" / "events.db", "compozy-sessions/events.sqlite.sql").close()
    home = sqlite(tmp_path / "compozy.db")
    home.execute("create table sessions (id text primary key, agent_name text, provider text, model text)")
    home.execute("insert into sessions values ('s1', 'coder', 'openai', 'gpt-5.2')")
    queue = "id, session_id, turn_id, status, text, runtime_provider, runtime_model"
    home.execute(f"create table session_input_queue ({queue})")
    for number, (turn, status) in enumerate((("turn_01JA", "sent"), ("turn_01JB", "pending"))):
        row = (f"q{number}", "s1", turn, status, "a secret", "anthropic", "claude-opus-4-6")
        home.execute("insert into session_input_queue values (?, ?, ?, ?, ?, ?, ?)", row)
    read(into, tmp_path / "sessions" / "s1" / "events.db")

    rows = stored(tmp_path / "w", "step_id", "provider", "model")
    by_step = {step: (provider, model) for step, provider, model in rows}
    assert by_step == {"turn_01JA": ("anthropic", "claude-opus-4-6"), "turn_01JB": ("openai", "gpt-5.2")}
    assert "a secret" not in stored(tmp_path / "w").write_json()


def test_two_readers_of_one_table_count_each_row_once(tmp_path):
    writer = trading(tmp_path / "app.db")
    with intake(tmp_path / "w") as one, intake(tmp_path / "w") as two:
        for n in range(8):
            writer.execute(CALL, (n,))
            for each in (one, two) if n % 2 else (two, one):
                read(each, tmp_path / "app.db")
    assert numbers(tmp_path / "w") == Counter(range(8))


def test_a_file_that_was_replaced_is_opened_again(tmp_path, into):
    trading(tmp_path / "app.db").execute(CALL, (1,))
    tables = Polling([str(tmp_path / "app.db")], into.publisher, clock=lambda: 0.0)
    tables.look()
    other = trading(tmp_path / "new.db")
    other.execute(CALL.replace("12:00:00", "14:00:00"), (2,))
    other.execute("pragma journal_mode = delete")
    other.close()
    (tmp_path / "app.db-wal").unlink(missing_ok=True)
    (tmp_path / "app.db-shm").unlink(missing_ok=True)
    (tmp_path / "new.db").replace(tmp_path / "app.db")
    tables.look()
    tables.close()

    assert numbers(tmp_path / "w") == Counter([1, 2])


def test_a_follower_waits_for_a_locked_file_and_for_one_that_is_not_there_yet(tmp_path, into, caplog):
    now = [0.0]
    tables = Polling([str(tmp_path / "app.db")], into.publisher, clock=lambda: now[0])
    assert tables.look() == 0
    writer = sqlite(tmp_path / "app.db")
    writer.execute("create table other (id integer primary key)")
    assert tables.look() == 0
    assert "no table that ingest knows among other" in caplog.text
    writer.execute("drop table other")
    writer.close()
    trading(tmp_path / "app.db").execute(CALL, (1,))
    assert tables.look() == 0, "it was tried a moment ago"
    now[0] += 100
    assert tables.look() == 1
    tables.close()
