"""The commands take SQLite files as they take logs, alone and in folders, and say in a line what is wrong with one."""

import json
import random
import shutil
import subprocess
import sys
import threading
from collections import Counter

import pytest
from click.testing import CliRunner
from databases import CALL, FIXTURES, STEP, numbers, read, sqlite, stored, trading
from logs import intake

from ingest.cli import cli
from ingest.maintenance.verify import verify


@pytest.fixture
def into(tmp_path):
    with intake(tmp_path / "w") as intake_:
        yield intake_


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


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
    assert "would add 1 record and 0 events from 0 files, 1 table" in result.stderr
    assert not (tmp_path / "w").exists()


def test_a_folder_gives_its_logs_and_its_databases_with_known_tables(tmp_path):
    trading(tmp_path / "data" / "app.db").execute(CALL, (1,))
    trading(tmp_path / "data" / "deep" / "other.sqlite3").execute(CALL.replace("05-01", "05-02"), (2,))
    sqlite(tmp_path / "data" / "songs.db").execute("create table songs (id text)")
    (tmp_path / "data" / "notes.db").write_text("no database")
    shutil.copy(FIXTURES / "maestro-log" / "success-v6.log", tmp_path / "data" / "maestro.log")

    result = run("backfill", tmp_path / "data", "-w", tmp_path / "w")

    assert "added 3 records and 0 events from 1 file, 2 tables" in result.stderr
    assert "1 database without known tables left out" in result.stderr
    assert "added 0 records" in run("backfill", tmp_path / "data", "-w", tmp_path / "w").stderr


def test_a_folder_with_databases_alone_is_enough(tmp_path):
    trading(tmp_path / "data" / "app.db").execute(CALL, (1,))

    assert "added 1 record and" in run("backfill", tmp_path / "data", "-w", tmp_path / "w").stderr


def test_a_warehouse_inside_a_folder_is_not_read(tmp_path):
    trading(tmp_path / "data" / "app.db").execute(CALL, (1,))
    run("backfill", tmp_path / "data", "-w", tmp_path / "data" / "w")
    trading(tmp_path / "data" / "w" / "llm_calls" / "x.db").execute(CALL, (2,))

    assert "added 0 records" in run("backfill", tmp_path / "data", "-w", tmp_path / "data" / "w").stderr


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

    assert [(s["path"], s["ingested_bytes"], s["records"]) for s in shown] == [
        (f"{tmp_path}/app.db#llm_calls", None, 1)
    ]


def test_a_warehouse_of_tables_alone_is_verified(tmp_path, into):
    writer = sqlite(tmp_path / "runtime.db", "agentic-runtime/runtime-2.sqlite.sql")
    read(into, tmp_path / "runtime.db")
    for key, year in (("late", 2020), ("early", 2999)):
        writer.execute(STEP, (key, "SUCCEEDED", f"{year}-05-02T10:00:00+00:00", None))
    read(into, tmp_path / "runtime.db")

    assert not verify(tmp_path / "w").problems
