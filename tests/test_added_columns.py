"""Columns that came since a table was made, ours or somebody else's: nobody who reads or writes is disturbed.

`old_warehouse/` holds calls 1 and 2 as version 1.0 wrote them, which had neither `project` nor `requests`.
"""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType
from logs import calls, catch_up, exactly, follower, log_calls, tiles
from processes import Ingest

from ingest.maintenance.compact import compact
from ingest.maintenance.verify import verify
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import CALLS, TABLES
from queries import connect

OLD = Path(__file__).parent / "old_warehouse"

DEAR = '[[price]]\nmodel = "claude-sonnet-4-5"\ninput = 300\noutput = 1500\n'


def add_column(warehouse, name):
    for table in TABLES:
        DeltaTable(str(warehouse / table)).alter.add_columns([Field(name, PrimitiveType("string"), nullable=True)])


@pytest.fixture
def running(tmp_path):
    with Ingest(tmp_path) as one:
        yield one


def test_a_follower_goes_on_while_columns_are_added_and_files_merged(tmp_path, running):
    log = tmp_path / "maestro.log"
    running.start("follow", "--interval", "0.02", log)
    for n in range(1, 31):
        log_calls(log, n)
        if n % 10 == 5:
            running.until(lambda so_far=n - 1: running.calls().total() >= so_far)
            add_column(running.warehouse, f"note_{n}")
        if n % 10 == 0:
            compaction = running.start("-q", "compact")
            log_calls(log, 100 + n)
            assert compaction.wait(timeout=60) == 0
    running.until(lambda: running.calls().total() >= 33)
    running.stop()

    assert running.calls() == exactly(*range(1, 31), 110, 120, 130)
    assert all(tiles(running.warehouse).values())
    assert verify(running.warehouse).problems == []
    assert "note_25" in pl.scan_delta(str(running.warehouse / "llm_calls")).collect_schema()


def test_what_is_in_an_added_column_is_read_and_survives_new_prices(tmp_path, running):
    log = tmp_path / "maestro.log"
    log_calls(log, 1)
    each = follower(running.warehouse, log)
    catch_up(each)
    add_column(running.warehouse, "note")
    DeltaTable(str(running.warehouse / "llm_calls")).update({"note": "'mine'"})
    log_calls(log, 2)
    catch_up(each)
    each.close()

    def asked(sql):
        process = running.start("sql", sql, "-o", tmp_path / "answer.json")
        assert process.wait(timeout=60) == 0, running.said.read_text()
        return [tuple(row.values()) for row in json.loads((tmp_path / "answer.json").read_text())["rows"]]

    notes = "select request_tokens, note from llm_calls order by 1"
    assert asked(notes) == [(1, "mine"), (2, None)]
    (tmp_path / "prices.toml").write_text(DEAR)
    running.finish("reprice", "--prices", tmp_path / "prices.toml")
    assert asked(notes) == [(1, "mine"), (2, None)]
    assert calls(running.warehouse) == exactly(1, 2)
    assert asked("select min(cost_computed_usd) > 0.001 from llm_calls") == [(True,)]
    running.finish("report", "tpm")
    running.finish("export", tmp_path / "all")
    assert verify(running.warehouse).problems == []


@pytest.fixture
def old(tmp_path):
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def stood_for(warehouse):
    """Return what reports see: how many requests each call stands for, and its project."""
    with connect(warehouse) as connection:
        return connection.sql("select request_tokens, requests, project from llm_calls order by 1").fetchall()


def test_a_table_without_the_new_columns_is_read_as_it_is(old):
    before = DeltaTable(str(old / "llm_calls")).version()
    assert stood_for(old) == [(1, 1, None), (2, 1, None)]
    assert verify(old).problems == []
    assert DeltaTable(str(old / "llm_calls")).version() == before


def test_a_writer_adds_the_new_columns_by_one_commit_without_data(old, tmp_path):
    table = DeltaTable(str(old / "llm_calls"))
    before, files = table.version(), table.file_uris()
    for _ in range(2):
        Warehouse(old, make=True)
    after = DeltaTable(str(old / "llm_calls"))
    assert (after.version(), after.file_uris()) == (before + 1, files)
    assert {column.name for column in CALLS} < {field.name for field in after.schema().fields}
    assert after.protocol() == table.protocol()


def test_old_and_new_rows_lie_in_one_table_and_in_one_file(old, tmp_path):
    log = tmp_path / "maestro.log"
    log_calls(log, 1, 2, 3)
    each = follower(old, log)
    catch_up(each)
    each.close()
    assert calls(old) == exactly(1, 2, 3)
    expected = [(1, 1, None), (2, 1, None), (3, 1, None)]
    assert stood_for(old) == expected
    compact(old)
    assert stood_for(old) == expected
    assert verify(old).problems == []
