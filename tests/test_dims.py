"""Snapshots of an application's sessions, stories and failures name what calls belong to."""

import json
import os

import polars as pl
import pytest
from click.testing import CliRunner
from databases import sqlite
from logs import catch_up, follower, line
from warehouses import build, call

import queries.connection.connect
from ingest.cli import cli
from ingest.warehouse.warehouse import Warehouse


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def asked(folder, sql):
    with queries.connection.connect.connect(folder) as connection:
        return connection.sql(sql).fetchall()


def test_calls_are_joined_to_titles_and_failures(tmp_path):
    log = tmp_path / "maestro.log"
    log.write_text(line(5).replace("story: ,", "story: 9ae50aa4,"))
    reader = follower(tmp_path / "w", log)
    catch_up(reader)
    reader.close()
    sqlite(tmp_path / "maestro.db", "maestro-db/maestro.sqlite.sql").close()

    said = run("dims", tmp_path / "maestro.db", "-w", tmp_path / "w")
    assert said.stderr == "sessions: 1 rows\nstories: 1 rows\nfailures: 1 rows\n"
    joined = (
        "select title, stories.status, explanation, request_tokens from llm_calls "
        "join stories on stories.id = story_id join failures using (story_id)"
    )
    assert asked(tmp_path / "w", joined) == [("Add login", "done", "the container is gone", 5)]


def test_prompts_plans_and_configurations_are_left_out(tmp_path):
    sqlite(tmp_path / "maestro.db", "maestro-db/maestro.sqlite.sql").close()
    run("dims", tmp_path / "maestro.db", "-w", tmp_path / "w")

    for name in ("sessions", "stories", "failures"):
        frame = pl.read_parquet(tmp_path / "w" / "dims" / name / "snapshot.parquet")
        assert "a secret" not in frame.write_csv()
        assert not {"content", "approved_plan", "config_json", "evidence"} & set(frame.columns)


def test_a_trading_system_s_accounts_runs_and_steps_come_without_its_secrets(tmp_path):
    sqlite(tmp_path / "app.db", "trading/llm_calls.sqlite.sql").close()
    said = run("dims", tmp_path / "app.db", "-w", tmp_path / "w")
    assert said.stderr == "accounts: 1 rows\npipeline_runs: 1 rows\npipeline_steps: 1 rows\n"

    kept = ""
    for name in ("accounts", "pipeline_runs", "pipeline_steps"):
        kept += pl.read_parquet(tmp_path / "w" / "dims" / name / "snapshot.parquet").write_csv()
    assert "EURUSD" in kept
    assert "Demo seven" in kept
    assert "execution_decision" in kept
    assert not [secret for secret in ("40414243", "pensesame", "rumour", "the news") if secret in kept]


def test_the_views_are_there_before_any_snapshot(tmp_path):
    Warehouse(tmp_path / "w", make=True)
    for name in ("sessions", "stories", "failures"):
        assert asked(tmp_path / "w", f"from {name}") == []


def test_a_later_snapshot_replaces_the_earlier_one(tmp_path):
    writer = sqlite(tmp_path / "maestro.db", "maestro-db/maestro.sqlite.sql")
    run("dims", tmp_path / "maestro.db", "-w", tmp_path / "w")
    writer.execute("update stories set status = 'failed'")
    run("dims", tmp_path / "maestro.db", "-w", tmp_path / "w")

    assert asked(tmp_path / "w", "select status from stories") == [("failed",)]
    assert [p.name for p in (tmp_path / "w" / "dims" / "stories").iterdir()] == ["snapshot.parquet"]


def test_a_snapshot_that_fails_leaves_the_earlier_ones(tmp_path):
    writer = sqlite(tmp_path / "maestro.db", "maestro-db/maestro.sqlite.sql")
    run("dims", tmp_path / "maestro.db", "-w", tmp_path / "w")
    writer.execute("update stories set status = 'failed'")
    said = run("dims", tmp_path / "maestro.db", "-w", tmp_path / "w", "--table", "stories", "--table", "nope", code=1)

    assert "no table nope; there are failures, sessions, stories" in said.stderr
    assert asked(tmp_path / "w", "select status from stories") == [("done",)]


def test_columns_of_an_older_application_are_filled_up(tmp_path):
    sqlite(tmp_path / "maestro.db").execute("create table stories (id text primary key, title text, own integer)")
    run("dims", tmp_path / "maestro.db", "-w", tmp_path / "w")

    assert asked(tmp_path / "w", "select id, status, own from stories") == []


def test_dims_takes_a_table_that_it_does_not_know_without_its_prompts(tmp_path):
    writer = sqlite(tmp_path / "app.db")
    writer.execute("create table plans (plan_id text, seats integer, since timestamp, prompt text)")
    writer.execute("insert into plans values ('7', 3, '2026-01-01 00:00:00', 'a secret')")
    run("dims", tmp_path / "app.db", "-w", tmp_path / "w", "--table", "plans")

    frame = pl.read_parquet(tmp_path / "w" / "dims" / "plans" / "snapshot.parquet")
    assert frame.schema == {"plan_id": pl.String, "seats": pl.Int64, "since": pl.Datetime("us", "UTC")}


TEAMS = "\ufeffUser;Team;prompt\nada; Team A ;a secret\nbob;;\n;Nobody;\n"


def spent(warehouse, report, **parameters):
    given = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
    rows = json.loads(run("report", report, "-w", warehouse, *given).stdout)["rows"]
    return {row["key"]: row.get("total_tokens", row.get("used_tokens")) for row in rows}


def test_calls_are_added_up_by_names_of_the_users_own(tmp_path):
    rows = [call("2026-02-03T10:00", n, user_id=user) for n, user in ((100, "ada"), (20, "bob"), (3, None), (5, "eve"))]
    build(tmp_path / "w", llm_calls=rows)
    (tmp_path / "teams.csv").write_text(TEAMS)

    assert run("dims", tmp_path / "teams.csv", "-w", tmp_path / "w").stderr == "teams: 2 rows\n"

    assert spent(tmp_path / "w", "cost-by", by="dims.teams.Team") == {"Team A": 100, None: 28}
    assert spent(tmp_path / "w", "budget", by="dims.teams.Team") == {"Team A": 100, None: 28}
    assert asked(tmp_path / "w", "from dims.teams") == [("ada", "Team A"), ("bob", None)]
    refused = run("report", "cost-by", "-p", "by=dims.teams.boss", "-w", tmp_path / "w", code=2)
    assert "takes a column of a file that `ingest dims` has read" in refused.stderr


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("teams.csv", "who,team\nada,a\n", "no column says whose the names are"),
        ("teams.csv", "user,team\nada,a\nada,b\n", "user 'ada' is there twice"),
        ("sessions.csv", "session,team\ns,a\n", "call the file by one word"),
        ("my teams.csv", "user,team\nada,a\n", "call the file by one word"),
        ("absent.csv", None, "No such file"),
    ],
)
def test_a_file_that_names_nothing_is_refused(tmp_path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)

    assert said in run("dims", tmp_path / name, "-w", tmp_path / "w", code=1).stderr


@pytest.mark.parametrize("command", [["backfill"], ["follow", "--once"]])
def test_files_of_another_machine_say_which_but_not_instead_of_their_records(tmp_path, command):
    record = {"time": "2026-08-10T08:00:00Z", "model": "gpt-4o", "prompt_tokens": 100, "completion_tokens": 20}
    records = [record, record | {"time": "2026-08-10T08:00:01Z", "host": "db-7"}]
    (tmp_path / "app.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))

    run(*command, tmp_path / "app.jsonl", "-w", tmp_path / "w", "--host", "web-1")

    assert sorted(asked(tmp_path / "w", "select host from llm_calls")) == [("db-7",), ("web-1",)]


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.db")
    for place in (tmp_path / "pipe.db", tmp_path):
        said = run("dims", place, "-w", tmp_path / "w", code=1)
        assert said.stderr.startswith("Error: ")
        assert "is no file" in said.stderr
