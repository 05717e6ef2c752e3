"""Tables of SQLite files are read once, row by row, while their application writes them."""

import json
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter

import polars as pl
import pytest
from click.testing import CliRunner
from databases import FIXTURES, read, sqlite, stored
from logs import intake, tiles

from ingest.cli import cli
from ingest.polling import Tables
from ingest.verify import verify

CALL = (
    "insert into llm_calls (provider, model, role, input_tokens, output_tokens, duration_ms, created_at) "
    "values ('openai', 'gpt-5.2', 'x', ?, 1, 5, '2026-05-01 12:00:00')"
)
STEP = (
    "insert into steps (id, run_id, step_id, type, status, started_at, finished_at, attempts, token_usage_json) "
    "values (?, 'r', 's', 'agent', ?, '2026-05-02T10:00:00+00:00', ?, 1, ?)"
)


@pytest.fixture
def into(tmp_path):
    with intake(tmp_path / "w") as intake_:
        yield intake_


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def trading(path):
    writer = sqlite(path, "trading/llm_calls.sqlite.sql")
    writer.execute("delete from llm_calls")
    return writer


def numbers(folder):
    return Counter(n for (n,) in stored(folder, "request_tokens"))


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
    tables = Tables([str(path)], into, clock=lambda: 0.0)
    while thread.is_alive():
        tables.look()
    thread.join()
    tables.look()
    tables.close()

    assert numbers(tmp_path / "w") == Counter(range(total))


def test_reading_never_holds_up_the_writer(tmp_path, into):
    writer = trading(tmp_path / "app.db")
    writer.execute(CALL, (1,))
    tables = Tables([str(tmp_path / "app.db")], into, clock=lambda: 0.0)
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
    tables = Tables([str(tmp_path / "runtime.db")], into, clock=lambda: 0.0)
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
    tables = Tables([str(tmp_path / "runtime.db")], into, clock=lambda: 0.0)
    tables.look()
    writer.execute(STEP.replace("?, 1, ?)", "strftime('%Y-%m-%dT%H:%M:%SZ', 'now'), 1, null)"), ("b", "SUCCEEDED"))
    tables.look()
    tables.look()
    tables.close()

    assert sorted(stored(tmp_path / "w", "request_id")) == [("a",), ("b",)]


def test_a_turn_that_grows_is_stored_again_and_counted_once_at_its_largest(tmp_path, into):
    import queries.database

    writer = sqlite(tmp_path / "s1" / "events.db", "compozy-sessions/events.sqlite.sql")
    sessions = sqlite(tmp_path / "compozy.db")
    sessions.execute("create table sessions (id text primary key, agent_name text, provider text, model text)")
    sessions.execute("insert into sessions values ('s1', 'coder', 'claude', 'claude-sonnet-4-5')")
    read(into, tmp_path / "s1" / "events.db")
    writer.execute(
        "update token_usage set input_tokens = 1900, timestamp = '2026-08-20T10:02:00Z' where turn_id = 'turn_01JB'"
    )
    assert read(into, tmp_path / "s1" / "events.db") == 1

    with queries.database.connect(tmp_path / "w") as connection:
        counted = connection.sql("select step_id, model, request_tokens from llm_calls order by step_id").fetchall()
    assert counted == [("turn_01JA", "claude-sonnet-4-5", 128400), ("turn_01JB", "claude-sonnet-4-5", 1900)]


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
    tables = Tables([str(tmp_path / "app.db")], into, clock=lambda: 0.0)
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
    tables = Tables([str(tmp_path / "app.db")], into, clock=lambda: now[0])
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


def test_a_file_that_is_not_there_is_one_line_and_failure(tmp_path):
    result = run("backfill", tmp_path / "gone.db", "-w", tmp_path / "w", code=1)
    assert f"Error: no such database: {tmp_path / 'gone.db'}" in result.stderr


@pytest.mark.parametrize("damage", ["header", "pages"])
def test_a_damaged_file_is_one_line_and_nothing_is_written(tmp_path, damage):
    path = tmp_path / "app.db"
    writer = trading(path)
    writer.executemany(CALL, [(n,) for n in range(2_000)])
    writer.execute("pragma wal_checkpoint(truncate)")
    writer.close()
    data = bytearray(path.read_bytes())
    data[0 if damage == "header" else 8192 : 20 if damage == "header" else 12000] = b"\xff" * (
        20 if damage == "header" else 3808
    )
    path.write_bytes(data)

    result = run("backfill", path, "-w", tmp_path / "w", code=1)
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert str(path) in errors[0]
    assert stored(tmp_path / "w").is_empty()


def test_a_table_without_the_columns_names_them(tmp_path):
    sqlite(tmp_path / "app.db").execute(
        "create table steps (id text, run_id text, step_id text, type text, status text)"
    )
    result = run("backfill", tmp_path / "app.db", "-w", tmp_path / "w", code=1)
    assert "looks like agentic-runtime/steps, but lacks started_at, finished_at" in result.stderr


def test_an_unknown_table_says_what_is_there_and_what_is_known(tmp_path):
    sqlite(tmp_path / "app.db").execute("create table songs (id text)")
    result = run("backfill", tmp_path / "app.db", "-w", tmp_path / "w", code=1)
    assert "no table that ingest knows among songs; it knows LiteLLM_SpendLogs, agent_calls" in result.stderr


def test_a_known_table_under_another_name_is_known_by_its_columns(tmp_path, into):
    writer = trading(tmp_path / "app.db")
    writer.execute(CALL, (1,))
    writer.execute('alter table llm_calls rename to "odd ""name"')
    assert read(into, tmp_path / "app.db", tables=['odd "name']) == 1


def test_a_dry_run_counts_and_writes_nothing(tmp_path):
    trading(tmp_path / "app.db").execute(CALL, (1,))
    result = run("backfill", tmp_path / "app.db", "-w", tmp_path / "w", "--dry-run")
    assert "would add 1 calls and 0 events from 0 files, 1 tables" in result.stderr
    assert not (tmp_path / "w").exists()


def test_a_folder_gives_its_logs_and_its_databases_with_known_tables(tmp_path):
    trading(tmp_path / "data" / "app.db").execute(CALL, (1,))
    trading(tmp_path / "data" / "deep" / "other.sqlite3").execute(CALL.replace("05-01", "05-02"), (2,))
    sqlite(tmp_path / "data" / "songs.db").execute("create table songs (id text)")
    (tmp_path / "data" / "notes.db").write_text("no database")
    shutil.copy(FIXTURES / "maestro-log" / "success-v6.log", tmp_path / "data" / "maestro.log")

    result = run("backfill", tmp_path / "data", "-w", tmp_path / "w")

    assert "added 3 calls and 0 events from 1 files, 2 tables" in result.stderr
    assert "1 database without known tables left out" in result.stderr
    assert "added 0 calls" in run("backfill", tmp_path / "data", "-w", tmp_path / "w").stderr


def test_a_folder_with_databases_alone_is_enough(tmp_path):
    trading(tmp_path / "data" / "app.db").execute(CALL, (1,))

    assert "added 1 calls" in run("backfill", tmp_path / "data", "-w", tmp_path / "w").stderr


def test_a_warehouse_inside_a_folder_is_not_read(tmp_path):
    trading(tmp_path / "data" / "app.db").execute(CALL, (1,))
    run("backfill", tmp_path / "data", "-w", tmp_path / "data" / "w")
    trading(tmp_path / "data" / "w" / "llm_calls" / "x.db").execute(CALL, (2,))

    assert "added 0 calls" in run("backfill", tmp_path / "data", "-w", tmp_path / "data" / "w").stderr


def test_follow_takes_files_and_tables_side_by_side(tmp_path):
    trading(tmp_path / "app.db").execute(CALL, (1,))
    from logs import lines

    (tmp_path / "maestro.log").write_bytes(lines(7))
    run("follow", tmp_path / "app.db", tmp_path / "maestro.log", "-w", tmp_path / "w", "--once")
    assert numbers(tmp_path / "w") == Counter([1, 7])


@pytest.mark.slow
def test_followers_that_are_killed_take_each_row_once(tmp_path):
    path, folder = tmp_path / "app.db", tmp_path / "w"
    trading(path).close()
    stop, written = threading.Event(), []

    def write():
        writer = sqlite(path)
        while not stop.wait(0.002):
            writer.execute(CALL, (len(written),))
            written.append(len(written))
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    command = [sys.executable, "-m", "ingest", "follow", str(path), "--interval", "0.01", "-w", str(folder)]
    for seed in range(8):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=random.Random(seed).uniform(1, 4))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    stop.set()
    thread.join()
    run("follow", path, "-w", folder, "--once")

    assert numbers(folder) == Counter(written)


def test_status_shows_tables_without_bytes(tmp_path, into):
    trading(tmp_path / "app.db").execute(CALL, (1,))
    read(into, tmp_path / "app.db")
    shown = json.loads(run("status", "-w", tmp_path / "w", "--format", "json").stdout)["sources"]

    assert [(s["path"], s["ingested_bytes"], s["calls"]) for s in shown] == [(f"{tmp_path}/app.db#llm_calls", None, 1)]


def test_a_warehouse_of_tables_alone_is_verified(tmp_path, into):
    writer = sqlite(tmp_path / "runtime.db", "agentic-runtime/runtime-2.sqlite.sql")
    read(into, tmp_path / "runtime.db")
    for key, year in (("late", 2020), ("early", 2999)):
        writer.execute(STEP, (key, "SUCCEEDED", f"{year}-05-02T10:00:00+00:00", None))
    read(into, tmp_path / "runtime.db")

    assert not verify(tmp_path / "w").problems
