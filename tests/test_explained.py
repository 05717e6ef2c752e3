"""`ingest report NAME --explain`: SQL that any DuckDB runs on an export, and that answers what the report answers."""

import shlex

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner
from warehouses import build, call, sample

import queries
from ingest.cli import cli

GIVEN = {"budget": {"by": "agent", "limit": "1400000"}, "cost-by-day": {"grain": "hour"}, "burst": {"model": "gpt-5.2"}}
# DuckDB would rather be asked otherwise, but these are several statements.
pytestmark = pytest.mark.filterwarnings("ignore:Arrow output")
NOT_SQL = {"limits", "reconcile", "cache", "what-if"}


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.stdout


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return sample(tmp_path_factory.mktemp("w"))


@pytest.fixture(scope="module")
def exported(warehouse, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "calls.duckdb"
    run("export", path, "-w", warehouse)
    return path


@pytest.mark.parametrize("name", [name for name in queries.names() if name not in NOT_SQL])
def test_the_sql_of_each_report_answers_the_same_in_another_duckdb(warehouse, exported, name):
    given = GIVEN.get(name, {})
    pairs = [word for key, value in given.items() for word in ("-p", f"{key}={value}")]
    sql = run("report", name, "--explain", "--tz", "Asia/Kolkata", "-w", warehouse, *pairs)

    with duckdb.connect(str(exported), read_only=True) as other, queries.connect(warehouse, tz="Asia/Kolkata") as ours:
        assert (
            pl.from_arrow(other.execute(sql).to_arrow_table()).rows() == queries.run(ours, name, **given).frame.rows()
        )


@pytest.mark.parametrize("name", sorted(NOT_SQL))
def test_a_report_that_is_not_all_sql_says_so(warehouse, name):
    assert "-- It won't run there" in run("report", name, "--explain", "-w", warehouse)


def test_its_first_line_is_the_command_that_exports_the_same_calls(tmp_path):
    calls = [call("2026-02-03T10:00:00", model="it's $(1)"), call("2026-02-03T10:00:00", model="other")]
    build(tmp_path / "my warehouse", llm_calls=calls)
    sql = run("report", "tpm", "--explain", "-w", tmp_path / "my warehouse", "--model", "it's $(1)", "--tz", "UTC")
    first = sql.splitlines()[0].removeprefix("-- In the shell: ")
    command = shlex.split(first.partition(" && ")[0])

    assert command[:3] == ["ingest", "export", "calls.duckdb"]
    run(*command[1:2], tmp_path / command[2], *command[3:])
    with duckdb.connect(str(tmp_path / command[2]), read_only=True) as other:
        assert other.execute(sql).to_arrow_table()["model"].to_pylist() == ["it's $(1)"]


def test_a_value_is_never_part_of_the_statement(warehouse, exported):
    hostile = "x'; drop table llm_calls; --"
    sql = run("report", "burst", "--explain", "-w", warehouse, "-p", f"model={hostile}")

    with duckdb.connect(str(exported), read_only=True) as other:
        assert other.execute(sql).to_arrow_table().num_rows == 0
        assert other.sql("select count(*) from llm_calls").fetchall() == [(766,)]
