"""Nothing that somebody else wrote, a report or a table's log, reaches beyond the snapshot; no question is endless."""

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from warehouses import build, call

import queries
from ingest.cli import cli
from ingest.errors import WarehouseError
from ingest.maintenance.compact import compact
from ingest.maintenance.verify import verify
from ingest.warehouse.warehouse import Warehouse
from queries.answers import reports
from queries.connection.connect import lock, within

OPENS = [
    "read_csv('{secret}')",
    "read_csv(['{secret}'])",
    "read_csv_auto('{secret}')",
    "sniff_csv('{secret}')",
    "read_text('{secret}')",
    "read_text('{folder}/*')",
    "read_blob('{secret}')",
    "read_json('{secret}')",
    "read_json_auto('{secret}')",
    "read_json_objects('{secret}')",
    "read_json_objects_auto('{secret}')",
    "read_ndjson('{secret}')",
    "read_ndjson_auto('{secret}')",
    "read_ndjson_objects('{secret}')",
    "read_parquet('{other}')",
    "read_parquet('{folder}/*.parquet')",
    "parquet_scan('{other}')",
    "parquet_metadata('{other}')",
    "parquet_schema('{other}')",
    "parquet_file_metadata('{other}')",
    "parquet_kv_metadata('{other}')",
    "parquet_bloom_probe('{other}', 'model', 'x')",
    "parquet_full_metadata('{other}')",
    "glob('{folder}/*')",
    "glob('/*')",
    "'{secret}'",
    "'{other}'",
    "'{folder}/*.parquet'",
    "'file://{secret}'",
    "'http://127.0.0.1:1/x.csv'",
    "'https://127.0.0.1:1/x.parquet'",
    "'s3://bucket/x.parquet'",
    "'hf://datasets/x/y.csv'",
    "read_csv('http://127.0.0.1:1/x.csv')",
    "delta_scan('{folder}')",
    "iceberg_scan('{folder}')",
    "sqlite_scan('{secret}', 'x')",
    "postgres_scan('host=127.0.0.1', 'public', 'x')",
    "mysql_query('x', 'select 1')",
    "read_xlsx('{secret}')",
    "st_read('{secret}')",
    "arrow_scan(1, 2, 3)",
    "pandas_scan(1)",
    "python_map_function(1)",
    "query('copy llm_calls to ''{made}''')",
    "query('from read_text(''{secret}'')')",
    "query_table('{secret}')",
    "enable_logging(storage = 'file', storage_config = {{'path': '{made}'}})",
    "enable_profiling()",
    "load_aws_credentials()",
    "which_secret('s3://x', 's3')",
    "json_execute_serialized_sql(json_serialize_sql('from read_text(''{secret}'')'))",
    "seq_scan('{secret}')",
    "duckdb_scan('{secret}')",
]
"""What may stand after `from`, and must not open."""

SAYS = [
    "getenv('HOME')",
    "getvariable(getenv('HOME'))",
    "current_setting(getenv('HOME'))",
    "write_log('x', level := getenv('HOME'))",
    "(select content from read_text('{secret}'))",
    "(select count(*) from '{other}')",
    "(from query('select getenv(''HOME'')'))",
]
"""Expressions that must not tell."""

STATEMENTS = [
    "copy llm_calls to '{made}'",
    "copy llm_calls to '{made}' (format parquet)",
    "copy (select 1) to '{made}'",
    "copy llm_calls from '{other}'",
    "copy from database memory to evil",
    "export database '{made}'",
    "import database '{folder}'",
    "attach '{made}' as evil",
    "attach ':memory:' as evil",
    "attach if not exists '{made}'",
    "detach memory",
    "use memory",
    "install httpfs",
    "force install httpfs from community",
    "load httpfs",
    "load '{secret}'",
    "update extensions",
    "set threads = 1",
    "set enable_external_access = true",
    "set allowed_paths = ['{secret}']",
    "set allowed_directories = ['{folder}']",
    "set lock_configuration = false",
    "set autoinstall_known_extensions = true",
    "set autoload_known_extensions = true",
    "set memory_limit = '1TB'",
    "set temp_directory = '{folder}'",
    "set home_directory = '{folder}'",
    "set log_query_path = '{made}'",
    "set profiling_output = '{made}'",
    "set secret_directory = '{folder}'",
    "set variable filters = null",
    "reset enable_external_access",
    "reset threads",
    "pragma database_list",
    "pragma enable_profiling",
    "pragma import_database('{folder}')",
    "call enable_logging()",
    "call pragma_version()",
    "create table evil as select 1",
    "create temp table evil as select 1",
    "create view evil as select 1",
    "create or replace view llm_calls as select 1",
    "create macro evil() as table select 1",
    "create or replace macro tpm_peaks() as table select 1",
    "create secret evil (type s3, key_id 'a', secret 'b')",
    "create persistent secret evil (type s3, key_id 'a', secret 'b')",
    "create schema evil",
    "create type evil as integer",
    "create sequence evil",
    "drop view llm_calls",
    "drop table stored_rejects",
    "alter table counting_rules add column x integer",
    "insert into counting_rules select * from counting_rules",
    "update counting_rules set provider = 'x'",
    "delete from counting_rules",
    "truncate counting_rules",
    "comment on view llm_calls is 'x'",
    "begin",
    "commit",
    "checkpoint",
    "force checkpoint",
    "vacuum",
    "analyze",
    "prepare evil as select 1",
    "execute evil",
    "deallocate evil",
    "explain analyze copy llm_calls to '{made}'",
    "explain (analyze, format json) copy llm_calls to '{made}'",
    "select 1; copy llm_calls to '{made}'",
    "select 1; select 2",
    "-- only a comment",
    "",
]
"""Statements that are no reading."""


@pytest.fixture
def world(tmp_path):
    warehouse = build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:00")])
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("the secret,1\n", "utf-8")
    (part,) = (warehouse / "llm_calls").rglob("*.parquet")
    shutil.copy(part, outside / "other.parquet")
    names = {"secret": outside / "secret.txt", "other": outside / "other.parquet", "folder": outside}
    return warehouse, {**names, "made": tmp_path / "made"}


def _statements(names):
    yield from (" ".join(("select * from", opened.format(**names))) for opened in OPENS)
    yield from ("select " + said.format(**names) for said in SAYS)
    yield from (statement.format(**names) for statement in STATEMENTS)


def test_there_are_many(world):
    assert len(list(_statements(world[1]))) >= 90


@pytest.mark.parametrize("number", range(len(OPENS) + len(SAYS) + len(STATEMENTS)))
def test_neither_sql_nor_a_report_of_the_warehouse_reaches_beyond_the_snapshot(world, number):
    warehouse, names = world
    sql = list(_statements(names))[number]
    own = warehouse / "reports"
    own.mkdir()
    (own / "evil.sql").write_text(f"-- Evil.\n{sql}", "utf-8")

    with queries.connect(warehouse, serving=sql) as connection, pytest.raises(queries.QueryError):
        queries.ask(connection, sql, {})
    report = reports.load("evil", reports.folders(None, warehouse))
    with queries.connect(warehouse, serving=report.reach) as connection, pytest.raises(queries.QueryError):
        reports.run(connection, report)

    assert not names["made"].exists()


@pytest.mark.parametrize(
    "hidden",
    [
        "with hidden as materialized ({0}) select * from hidden",
        "select * from (values (1)) t(x), lateral ({0})",
        "select (select count(*) from ({0}))",
        "select 1 where exists ({0})",
        "from llm_calls union all by name {0}",
        "pivot ({0}) on content using count(*)",
        "summarize {0}",
        "describe {0}",
        "explain analyze {0}",
    ],
)
def test_hiding_it_does_not_help(world, hidden):
    warehouse, names = world
    sql = hidden.format(f"from read_text('{names['secret']}')")

    with queries.connect(warehouse, serving=sql) as connection, pytest.raises(queries.QueryError):
        queries.ask(connection, sql, {})


def test_a_parameter_is_a_value_and_never_a_place(world):
    warehouse, names = world

    with queries.connect(warehouse) as connection, pytest.raises(queries.QueryError):
        queries.ask(connection, "select * from read_text($file)", {"file": str(names["secret"])})
    with queries.connect(warehouse) as connection:
        told = queries.ask(connection, "select $name as name", {"name": "x'; copy llm_calls to '/tmp/y"}).frame
    assert told.item() == "x'; copy llm_calls to '/tmp/y"


def test_a_locked_connection_stays_so(world):
    with queries.connect(world[0]) as connection:
        lock(connection)
        for name in ("enable_external_access", "lock_configuration", "autoload_known_extensions"):
            with pytest.raises(Exception, match="locked"):
                connection.execute(f"set {name} = true")


def test_a_report_of_the_warehouse_takes_no_name_of_ours_unless_its_folder_is_named(world):
    warehouse, _ = world
    own = warehouse / "reports"
    own.mkdir()
    (own / "tpm.sql").write_text("-- Mine.\nselect 1 as mine\n", "utf-8")

    def columns(*words):
        done = CliRunner().invoke(cli, ["report", "tpm", "-w", str(warehouse), "-j", *words])
        return list(json.loads(done.stdout)["rows"][0])

    assert "peak_tpm" in columns()
    assert columns("--reports", str(own)) == ["mine"]
    assert f"{own / 'tpm.sql'} is not used" in CliRunner().invoke(cli, ["report", "-w", str(warehouse)]).stdout


def test_reconcile_reads_files_only_and_no_more_than_it_holds(world, tmp_path):
    pipe, huge = tmp_path / "pipe", tmp_path / "huge.csv"
    os.mkfifo(pipe)
    with huge.open("wb") as file:
        file.truncate(1 << 40)

    for file, why in ((Path("/dev/zero"), "not a file"), (pipe, "not a file"), (huge, "larger than")):
        done = CliRunner().invoke(cli, ["report", "reconcile", "-p", f"file={file}", "-w", str(world[0])])
        assert (done.exit_code, why in done.stderr) == (1, True), done.stderr


ENDLESS = (
    "select count(*) as n from range(100000) a, range(100000) b, range(100000) c where a.range + b.range > c.range"
)


def test_no_question_is_endless(world):
    done = CliRunner().invoke(cli, ["sql", ENDLESS, "-w", str(world[0]), "--timeout", "0.2"])

    assert done.exit_code == 1
    assert "no answer within 0.2 s" in done.stderr


def test_an_error_within_the_time_is_told_as_such(world):
    with (
        queries.connect(world[0]) as connection,
        pytest.raises(queries.QueryError, match="modl"),
        within(connection, 60),
    ):
        queries.ask(connection, "select modl from llm_calls", {})


def _list_instead(warehouse, path):
    """Have the newest entry of `llm_calls` list *path* as its data file."""
    log = warehouse / "llm_calls" / "_delta_log"
    entry = max(file for file in log.glob("*.json") if '"add"' in file.read_text("utf-8"))
    actions = [json.loads(line) for line in entry.read_text("utf-8").splitlines()]
    for action in actions:
        if "add" in action:
            action["add"]["path"] = path
    entry.write_text("".join(json.dumps(action) + "\n" for action in actions), "utf-8")


@pytest.mark.parametrize(
    "path",
    [
        "{other}",
        "../../outside/other.parquet",
        "date=2026-02-03/../../../outside/other.parquet",
        "%2e%2e/%2e%2e/outside/other.parquet",
        "date=2026-02-03/%2E%2E/../x.parquet",
        "file://{other}",
        "s3://bucket/other.parquet",
        "http:other",
    ],
)
def test_a_file_outside_the_table_is_refused_by_all_that_read_or_write(world, path):
    warehouse, names = world
    _list_instead(warehouse, path.format(**names))

    with pytest.raises(queries.QueryError, match="outside its folder"):
        queries.connect(warehouse)
    with pytest.raises(WarehouseError, match="outside its folder"):
        Warehouse(warehouse).tables["llm_calls"].files()
    with pytest.raises(WarehouseError, match="outside its folder"):
        compact(warehouse)
    assert any("outside its folder" in problem for problem in _problems(warehouse))
    for words in (["verify"], ["repair", "--yes"], ["report", "tpm"], ["compact"], ["export", str(names["made"])]):
        done = CliRunner().invoke(cli, [*words, "-w", str(warehouse)])
        assert done.exit_code in {1, 2}, (words, done.output)
        assert not isinstance(done.exception, Exception) or isinstance(done.exception, SystemExit), words
    assert names["other"].exists()


def _problems(warehouse):
    try:
        return verify(warehouse).problems
    except WarehouseError as error:
        return [str(error)]


def test_a_data_file_that_is_gone_is_told_in_one_line(world):
    (part,) = (world[0] / "llm_calls").rglob("*.parquet")
    part.unlink()

    for words in (["report", "tpm"], ["sql", "from llm_calls"], ["export", str(world[1]["made"]) + ".csv"]):
        done = CliRunner().invoke(cli, [*words, "-w", str(world[0])])
        assert done.exit_code == 1
        assert "is missing" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_file_that_was_added_without_statistics_is_counted_by_itself(world):
    log = world[0] / "llm_calls" / "_delta_log"
    entry = max(file for file in log.glob("*.json") if '"add"' in file.read_text("utf-8"))
    actions = [json.loads(line) for line in entry.read_text("utf-8").splitlines()]
    for action in actions:
        action.get("add", {}).pop("stats", None)
    entry.write_text("".join(json.dumps(action) + "\n" for action in actions), "utf-8")

    assert [file.rows for file in Warehouse(world[0]).tables["llm_calls"].files()] == [1]
    assert CliRunner().invoke(cli, ["report", "tpm", "-w", str(world[0])]).exit_code == 0


def test_notes_that_no_view_has_are_told(world, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "noted.sql").write_text("-- Noted.\n-- Notes: nowhere\nselect 1 as one\n", "utf-8")

    done = CliRunner().invoke(cli, ["report", "noted", "--reports", str(folder), "-w", str(world[0])])

    assert done.exit_code == 1
    assert "`-- Notes: nowhere` needs a view" in done.stderr
