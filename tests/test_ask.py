"""A user's own SQL only reads, and reaches nothing but the snapshot."""

from pathlib import Path

import pytest
from warehouses import build, call

import queries


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

    with queries.connect(warehouse) as connection, pytest.raises(queries.QueryError):
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
