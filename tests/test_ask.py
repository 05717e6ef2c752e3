"""A user's own SQL only reads, and reaches nothing but the snapshot."""

import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from warehouses import build, call

import queries
from ingest.cli import cli


@pytest.fixture
def warehouse(tmp_path):
    return build(
        tmp_path / "w", llm_calls=[call("2026-02-03T10:00:00"), call("2026-02-03T10:01:00", agent_id="coder-002")]
    )


@pytest.mark.parametrize(
    "sql",
    [
        "copy llm_calls to '/tmp/evil.parquet'",
        "copy (select 1) to '{file}'",
        "explain analyze copy llm_calls to '{file}'",
        "explain analyze explain analyze copy llm_calls to '{file}'",
        "/* a */ explain /* b */ analyze copy llm_calls to '{file}'",
        "explain (analyze, format json) copy llm_calls to '{file}'",
        "from read_csv('/etc/passwd')",
        "from read_text('/etc/passwd')",
        "from read_blob('/etc/passwd')",
        "from read_parquet('/tmp/*.parquet')",
        "from sniff_csv('/etc/passwd')",
        "from '/etc/passwd'",
        "from glob('/*')",
        "from query('copy llm_calls to ''/tmp/evil.parquet''')",
        "attach '/tmp/evil.duckdb'",
        "detach memory",
        "install httpfs",
        "load httpfs",
        "set threads = 1",
        "reset threads",
        "set variable filters = null",
        "pragma version",
        "pragma database_list",
        "create table evil as select 1",
        "create view evil as select 1",
        "drop view llm_calls",
        "insert into stored_rejects select * from stored_rejects",
        "delete from stored_rejects",
        "call enable_logging()",
        "from enable_logging(storage = 'file', storage_config = {{'path': '/tmp/evil'}})",
        "select getenv('HOME')",
        "export database '/tmp/evil'",
        "from duckdb_secrets()",
        "select 1; select 2",
        "select 1; copy llm_calls to '/tmp/evil.csv'",
        "begin",
        "checkpoint",
        "vacuum",
        "use memory",
        "",
    ],
)
def test_whatever_is_not_reading_the_snapshot_is_refused(warehouse, sql):
    (file,) = (warehouse / "llm_calls").rglob("*.parquet")
    before = file.read_bytes()

    with queries.connect(warehouse, serving=sql) as connection, pytest.raises(queries.QueryError):
        queries.ask(connection, sql.format(file=file), {})

    assert file.read_bytes() == before
    assert not list(Path("/tmp").glob("evil*"))


@pytest.mark.parametrize(
    "sql",
    [
        "select count(*) as calls from llm_calls",
        "from llm_calls",
        "with a as (from llm_calls) select agent_id from a",
        "values (1)",
        "describe llm_calls",
        "show tables",
        "summarize llm_calls",
        "explain select 1",
        "explain analyze select count(*) from llm_calls",
        "from tpm_peaks",
        "from bursts(null)",
    ],
)
def test_reading_is_allowed(warehouse, sql):
    with queries.connect(warehouse) as connection:
        assert queries.ask(connection, sql, {}).frame.height > 0


def test_parameters_are_bound(warehouse):
    with queries.connect(warehouse) as connection:
        sql = "select count(*) as calls from llm_calls where agent_id = $agent"
        assert queries.ask(connection, sql, {"agent": "coder-002"}).frame.item() == 1


def test_a_parameter_without_a_value_says_how_to_give_it(warehouse):
    with queries.connect(warehouse) as connection, pytest.raises(queries.QueryError, match=r"-p agent="):
        queries.ask(connection, "select $agent", {})


def test_an_error_of_duckdb_is_shown_with_its_own_hint(warehouse):
    with queries.connect(warehouse) as connection, pytest.raises(queries.QueryError, match='"model"') as raised:
        queries.ask(connection, "select modl from llm_calls", {}, origin="mine.sql")
    assert str(raised.value).startswith("mine.sql: ")


def asked(warehouse, *arguments, code=0):
    result = CliRunner().invoke(cli, ["sql", *map(str, arguments), "-w", str(warehouse)])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)["rows"] if code == 0 else result.stderr


TEAMS = "select team, count(*) as calls from llm_calls join teams using (agent_id) group by team order by team"


def test_files_that_are_named_are_tables(warehouse, tmp_path):
    frame = pl.DataFrame({"agent_id": ["coder-001", "coder-002"], "team": ["a", "b"]})
    frame.write_csv(tmp_path / "teams.csv")
    frame.write_parquet(tmp_path / "teams.parquet")
    frame.write_ndjson(tmp_path / "teams.jsonl")

    for name in ("teams.csv", "teams.parquet", "teams.jsonl"):
        rows = asked(warehouse, TEAMS, "--attach", f"teams={tmp_path / name}")
        assert rows == [{"team": "a", "calls": 1}, {"team": "b", "calls": 1}]


def test_no_other_file_can_be_read_beside_one_that_is_named(warehouse, tmp_path):
    (tmp_path / "teams.csv").write_text("agent_id,team\ncoder-001,a\n")
    (tmp_path / "secret.csv").write_text("key\nsk-1\n")

    for name in ("secret.csv", "teams.csv"):  # also not by its path: it is a table
        sql = f"from read_csv('{tmp_path / name}')"
        told = asked(warehouse, sql, "--attach", f"teams={tmp_path / 'teams.csv'}", code=1)
        assert "disabled" in told
        assert "--attach NAME=FILE" in told


@pytest.mark.parametrize(
    ("attached", "code", "said"),
    [
        ("teams", 2, "is not NAME=VALUE"),
        ("te ams={}/teams.csv", 2, "--attach takes NAME=FILE"),
        ("llm_calls={}/teams.csv", 2, "there is a table llm_calls already"),
        ("LLM_CALLS={}/teams.csv", 2, "there is a table LLM_CALLS already"),
        ("teams={}/teams.xlsx", 2, "attach CSV, TSV, Parquet or JSON lines"),
        ("teams={}/gone.csv", 1, "gone.csv is no file"),
        ("teams={}/bad.parquet", 1, "bad.parquet can't be read"),
        ("teams={}/*.csv", 1, "is no file"),
    ],
)
def test_what_cannot_be_attached_is_one_line(warehouse, tmp_path, attached, code, said):
    (tmp_path / "teams.csv").write_text("agent_id,team\ncoder-001,a\n")
    (tmp_path / "bad.parquet").write_text("no Parquet")
    told = asked(warehouse, TEAMS, "--attach", attached.format(tmp_path), code=code)

    assert said in told.splitlines()[-1]
