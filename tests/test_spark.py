"""The views and reports as SQL for Spark: as the tool writes them, and with DuckDB's answers."""

import importlib.util
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import pytest
from warehouses import FIXTURES

import ingest
import queries
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import ALL_TABLES
from queries.show.spark_files import TRANSLATED, schema, tables, untranslated

ROOT = Path(__file__).parent.parent
REPORTS = sorted(file.stem for file in (ROOT / "queries" / "spark" / "reports").glob("*.sql"))
SYSTEMS = ("rc3", "claude-code", "codex")
"""Whose calls are logged once, several times, and copied."""


@pytest.mark.skipif(importlib.util.find_spec("sqlglot") is None, reason="sqlglot is not installed: a tool of the build")
def test_what_is_checked_in_is_what_the_tool_writes(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from tools.spark_sql import written

    there = {str(file.relative_to(ROOT / "queries" / "spark")) for file in (ROOT / "queries" / "spark").rglob("*.*")}
    made = written()

    assert there == set(made)
    for name, text in made.items():
        assert (ROOT / "queries" / "spark" / name).read_text() == text, f"{name}: run `python -m tools.spark_sql`"


def test_each_report_is_translated_or_named_with_a_reason():
    ours = {file.name.removesuffix(".sql") for file in (files("queries") / "reports").iterdir()}

    assert set(REPORTS) | untranslated().keys() == ours
    assert not set(REPORTS) & untranslated().keys()
    assert all(untranslated().values())


def test_the_command_writes_them_over_the_tables_of_the_warehouse(tmp_path):
    ingest.backfill(FIXTURES / "rc3" / "maestro.log", tmp_path / "w")
    command = [sys.executable, "-m", "ingest", "export", "to", "--views", "spark", "-w", "w"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert f"delta.`{tmp_path}/w/llm_calls`" in (tmp_path / "to" / "tables.sql").read_text()
    assert (tmp_path / "to" / "views.sql").read_text() == (TRANSLATED / "views.sql").read_text()
    assert sorted(file.stem for file in (tmp_path / "to" / "reports").iterdir()) == REPORTS
    assert all(name in done.stderr for name in untranslated())
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_a_bucket_has_the_address_that_spark_calls_it_by():
    assert "delta.`s3a://bucket/calls/rejects`" in tables("s3://bucket/calls")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark") / "w"
    for system in SYSTEMS:
        ingest.backfill(FIXTURES / system, folder)
    return folder


@pytest.fixture(scope="module")
def session(warehouse):
    """A session of Spark in which the views are, over the data files that the tables list."""
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.codegen.wholeStage": "false",  # compiling takes longer than so few rows
        "spark.sql.warehouse.dir": str(warehouse.parent / "spark"),
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    for statement in _statements(tables(str(warehouse))):
        if "delta.`" not in statement:  # whose reader Spark would fetch
            spark.sql(statement)
    stored = Warehouse(str(warehouse)).tables
    for name, table in stored.items():
        paths = [str(warehouse / name / file.path) for file in table.files()]
        columns = schema(ALL_TABLES[name])
        rows = spark.read.schema(columns).parquet(*paths) if paths else spark.createDataFrame([], columns)
        rows.createOrReplaceTempView(f"stored_{name}")
    for statement in _statements((ROOT / "queries" / "spark" / "views.sql").read_text()):
        spark.sql(statement)
        if " llm_calls as" in statement:  # counted once for all reports: planning it takes longer than these rows
            spark.table("llm_calls").localCheckpoint().createOrReplaceTempView("llm_calls")
    yield spark
    spark.stop()


def _statements(text):
    return [statement for statement in text.split(";\n") if statement.strip()]


def _comparable(row):
    return tuple(_value(value) for value in row)


def _value(value):
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return round(float(value), 9) if isinstance(value, float | Decimal) else value


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed")
@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
@pytest.mark.parametrize("name", REPORTS)
def test_spark_answers_as_duckdb_does(session, warehouse, name):
    asked = (ROOT / "queries" / "spark" / "reports" / f"{name}.sql").read_text().strip().removesuffix(";")
    told = [_comparable(row) for row in session.sql(asked).collect()]
    with queries.connect(warehouse, tz="UTC") as connection:
        expected = [_comparable(row) for row in queries.run(connection, name).frame.rows()]

    assert told == expected
