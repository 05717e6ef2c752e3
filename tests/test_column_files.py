"""Parquet, Arrow and Delta files: rows by the names of their columns, and what `ingest export` wrote, restored."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

import ingest
from ingest.cli import cli

LOG = [
    {"timestamp": "2026-08-10T08:00:05Z", "model": "gpt-4o", "input_tokens": 900, "output_tokens": 40, "user_id": "u7"},
    {"timestamp": "2026-08-10T08:00:06Z", "level": "error", "error": "=boom", "model": "gpt-4o", "input_tokens": 0},
    {"timestamp": "2026-08-10T08:00:07Z", "model": "gpt-4o", "input_tokens": 7, "output_tokens": 1, "user_id": "u8"},
]
OBSERVATIONS = pl.DataFrame(
    {
        "id": ["o1", "o2", "o3"],
        "trace_id": ["t1"] * 3,
        "type": ["GENERATION", "SPAN", "GENERATION"],
        "start_time": [datetime(2026, 8, 10, 8, tzinfo=UTC)] * 3,
        "end_time": [datetime(2026, 8, 10, 8, 0, 2, 200_000, tzinfo=UTC)] * 3,
        "provided_model_name": ["gpt-4o", None, "gpt-4o"],
        "input": ["a question"] * 3,
        "usage_details": [
            [
                {"key": "input", "value": 100},
                {"key": "input_cached_tokens", "value": 800},
                {"key": "output", "value": 40},
            ],
            [],
            [{"key": "input", "value": 5}, {"key": "output", "value": 1}],
        ],
    }
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LOG))


def run(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(cli, list(words))
    assert done.exit_code == status, done.output
    return done.output


def rows(warehouse: str) -> list[dict[str, object]]:
    found = json.loads(
        run("sql", "-w", warehouse, "select * exclude (ingested_at) from llm_calls order by created_at", "-j")
    )
    return found["rows"]


@pytest.mark.parametrize("name", ["calls.parquet", "calls.csv", "calls"])
def test_an_export_is_what_it_was_in_another_warehouse_and_nothing_new_in_its_own(name):
    ingest.backfill("app.jsonl", "first")
    run("export", "-w", "first", name)

    assert ingest.backfill(name, "second").totals.calls == 3
    assert rows("second") == rows("first")
    for warehouse in ("first", "second"):
        assert ingest.backfill(name, warehouse).totals.calls == 0
    run("verify", "-w", "second")


def test_the_log_adds_nothing_to_its_export_but_what_came_since():
    ingest.backfill("app.jsonl", "first")
    run("export", "-w", "first", "calls.parquet")
    ingest.backfill("calls.parquet", "second")
    with Path("app.jsonl").open("a") as log:
        log.write(json.dumps({**LOG[0], "timestamp": "2026-08-10T09:00:00Z"}) + "\n")

    assert ingest.backfill("app.jsonl", "second").totals.calls == 1
    assert len(rows("second")) == 4


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_columns_are_read_by_their_names(kind):
    if kind == "parquet":
        OBSERVATIONS.write_parquet("observations.parquet")
    else:
        OBSERVATIONS.write_ipc("observations.arrow")

    done = ingest.backfill(f"observations.{kind}", "warehouse")

    found = [(row["request_id"], row["request_tokens"], row["cache_read_tokens"]) for row in rows("warehouse")]
    assert sorted(found) == [("o1", 900, 800), ("o3", 5, None)]
    assert done.outcome.files == 1
    assert ingest.backfill(f"observations.{kind}", "warehouse").totals.calls == 0
    assert b"a question" not in b"".join(p.read_bytes() for p in Path("warehouse").rglob("*") if p.is_file())


def test_the_files_of_a_delta_table_are_read():
    frame = OBSERVATIONS.with_columns(usage_details=pl.lit('{"input":100,"output":40}'))
    frame.write_delta("observations")
    frame.with_columns(id=pl.lit("p") + pl.col("id")).write_delta("observations", mode="append")

    assert ingest.backfill("observations", "warehouse").totals.calls == 4


def test_a_delta_table_that_grows_and_is_compacted_between_two_looks_counts_once():
    frame = OBSERVATIONS.with_columns(usage_details=pl.lit('{"input":100,"output":40}'))
    for number in range(4):
        frame.with_columns(id=pl.lit(f"{number}") + pl.col("id")).write_delta("observations", mode="append")
        if number % 2:
            DeltaTable("observations").optimize.compact()
        assert ingest.backfill("observations", "warehouse").totals.calls == 2

    DeltaTable("observations").vacuum(0, dry_run=False, enforce_retention_duration=False)

    assert ingest.backfill("observations", "another").totals.calls == 8


def test_columns_that_make_no_call_are_one_line_that_says_what_to_do():
    pl.DataFrame({"station": ["a"], "degrees": [20.5]}).write_parquet("weather.parquet")

    said = run("backfill", "-w", "warehouse", "weather.parquet", "app.jsonl")

    assert "weather.parquet: its columns (station, degrees) make no call that ingest knows" in said
    assert "added 3 records" in said


def test_a_torn_file_is_one_line_and_stops_no_other():
    OBSERVATIONS.write_parquet("torn.parquet")
    Path("torn.parquet").write_bytes(Path("torn.parquet").read_bytes()[:-9])

    said = run("backfill", "-w", "warehouse", "torn.parquet", "app.jsonl", status=1)

    assert "Error: torn.parquet can't be read as columns" in said
    assert "added 3 records" in said


def test_following_says_of_files_of_columns_what_reads_them(tmp_path, caplog):
    OBSERVATIONS.write_parquet(tmp_path / "a.parquet")
    result = CliRunner().invoke(cli, ["follow", str(tmp_path), "--once", "--warehouse", str(tmp_path / "w")])

    assert result.exit_code == 0
    said = (
        f"{tmp_path / 'a.parquet'}: files of columns and Delta tables can't be followed; `ingest backfill {tmp_path}`"
    )
    assert [line for line in caplog.messages if line.startswith(said)]


def test_what_is_only_a_file_of_columns_is_not_followed_but_what_is_named_beside_it_is(caplog):
    OBSERVATIONS.write_parquet("a.parquet")

    said = run("follow", "--once", "-w", "warehouse", "a.parquet", status=1)

    assert "Error: a.parquet: files of columns and Delta tables can't be followed; `ingest backfill a.parquet`" in said
    assert not Path("warehouse").exists()
    run("follow", "--once", "-w", "warehouse", "a.parquet", "app.jsonl")
    assert "`ingest backfill a.parquet` reads what is new" in caplog.text
    (source,) = json.loads(run("status", "-w", "warehouse"))["sources"]
    assert source["path"].endswith("app.jsonl")


def test_a_delta_table_is_not_waited_for():
    run("backfill", "-w", "warehouse", "app.jsonl")

    said = run("follow", "--once", "-w", "other", "warehouse/llm_calls", status=1)

    assert "Error: warehouse/llm_calls: files of columns and Delta tables can't be followed" in said
