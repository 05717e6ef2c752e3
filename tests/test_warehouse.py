"""Rows and offsets are committed together, once, whoever else writes and wherever a writer dies."""

import shutil
from datetime import UTC, date, datetime

import polars as pl
import pytest
from deltalake import DeltaTable
from logs import catch_up, follower, lines

from ingest.errors import WarehouseError
from ingest.ledger import Batch, Conflict, Position
from ingest.maintenance.compact import compact, expire
from ingest.maintenance.status import sources
from ingest.maintenance.verify import verify
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import CALLS, EVENTS, REJECTS, TABLES, conform

AT = datetime(2026, 2, 3, 16, 13, tzinfo=UTC)


def rows(columns, offsets):
    frame = pl.DataFrame({"source_offset": pl.Series(offsets, dtype=pl.Int64)})
    return conform(frame.with_columns(created_at=pl.lit(AT), format=pl.lit("test"), source_id=pl.lit("s")), columns)


def batch(start, end, *, source_id="s", calls=(), events=(), rejects=(), tail=7):
    return Batch(
        source_id, "a.log", start, end, "d", tail, rows(CALLS, calls), rows(EVENTS, events), rows(REJECTS, rejects)
    )


def offsets(folder, table):
    return sorted(pl.scan_delta(str(folder / table)).select("source_offset").collect().to_series())


def test_a_new_warehouse_has_every_table_empty_and_readable_by_old_readers(tmp_path):
    Warehouse(tmp_path, make=True)

    for name, columns in TABLES.items():
        table = DeltaTable(str(tmp_path / name))
        assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
        assert [f.name for f in table.schema().fields] == [c.name for c in columns] + ["date"]
        assert pl.scan_delta(str(tmp_path / name)).collect().height == 0


def test_rows_of_a_day_are_in_the_folder_of_that_utc_day(tmp_path):
    Warehouse(tmp_path, make=True).commit([batch(None, 100, calls=[0, 50])])

    assert [p.parent.name for p in (tmp_path / "llm_calls").glob("date=*/*.parquet")] == ["date=2026-02-03"]


def test_offset_and_rows_become_visible_together(tmp_path):
    warehouse = Warehouse(tmp_path, make=True)
    warehouse.commit([batch(None, 100, calls=[0, 50], events=[60], rejects=[70])])
    warehouse.commit([batch(100, 180, calls=[120], tail=8)])

    reopened = Warehouse(tmp_path)
    assert reopened.position("s") == Position(180, 8)
    assert reopened.sources() == {"s": Position(180, 8)}
    assert offsets(tmp_path, "llm_calls") == [0, 50, 120]
    assert offsets(tmp_path, "llm_events") == [60]
    assert offsets(tmp_path, "rejects") == [70]


def test_a_batch_without_rows_moves_the_offset(tmp_path):
    warehouse = Warehouse(tmp_path, make=True)
    warehouse.commit([batch(None, 100, calls=[0])])
    warehouse.commit([batch(100, 500)])

    assert Warehouse(tmp_path).position("s").offset == 500


def test_of_two_writers_of_the_same_bytes_one_wins_and_the_other_is_told(tmp_path):
    one, two = Warehouse(tmp_path, make=True), Warehouse(tmp_path)
    one.commit([batch(None, 100, calls=[0, 50], events=[60])])

    with pytest.raises(Conflict):
        two.commit([batch(None, 80, calls=[0, 50], events=[60])])

    assert two.position("s").offset == 100
    assert offsets(tmp_path, "llm_calls") == [0, 50]
    assert offsets(tmp_path, "llm_events") == [60]


def test_a_writer_with_an_old_snapshot_loses_although_its_offsets_look_right_to_it(tmp_path):
    Warehouse(tmp_path, make=True).commit([batch(None, 100, calls=[0])])
    one, two = Warehouse(tmp_path), Warehouse(tmp_path)
    one.commit([batch(100, 200, calls=[100])])

    with pytest.raises(Conflict):
        two.commit([batch(100, 150, calls=[100])])

    assert offsets(tmp_path, "llm_calls") == [0, 100]


def test_writers_of_different_sources_do_not_disturb_each_other(tmp_path):
    one, two = Warehouse(tmp_path, make=True), Warehouse(tmp_path)
    one.commit([batch(None, 100, calls=[0])])
    two.commit([batch(None, 100, source_id="t", calls=[10])])
    one.commit([batch(100, 200, calls=[100])])

    assert set(Warehouse(tmp_path).sources()) == {"s", "t"}
    assert offsets(tmp_path, "llm_calls") == [0, 10, 100]


@pytest.mark.parametrize("reached", ["llm_events", "rejects", "batches"])
@pytest.mark.parametrize("retried_end", [100, 60, 200])
def test_a_writer_that_died_between_two_tables_is_repeated_without_doubling(tmp_path, reached, retried_end):
    torn = Warehouse(tmp_path, make=True)
    whole = batch(None, 100, calls=[0, 80], events=[10, 90], rejects=[20, 95])
    names = ["llm_events", "rejects", "batches"]
    for name in names[: names.index(reached) + 1]:
        from ingest.warehouse.warehouse import _append_new, _Rows

        _append_new(torn.tables[name], [whole], _Rows.of([whole]))

    warehouse = Warehouse(tmp_path)
    assert warehouse.position("s") is None
    below = {"calls": [0, 80, 150], "events": [10, 90, 160], "rejects": [20, 95, 170]}
    first = {k: [o for o in v if o < retried_end] for k, v in below.items()}
    rest = {k: [o for o in v if o >= retried_end] for k, v in below.items()}
    warehouse.commit([batch(None, retried_end, **first)])
    warehouse.commit([batch(retried_end, 200, **rest)]) if retried_end < 200 else None

    assert offsets(tmp_path, "llm_calls") == [0, 80, 150]
    assert offsets(tmp_path, "llm_events") == [10, 90, 160]
    assert offsets(tmp_path, "rejects") == [20, 95, 170]
    tiles = pl.scan_delta(str(tmp_path / "batches")).sort("start_offset").select("start_offset", "end_offset").collect()
    assert tiles["start_offset"].to_list() == [0, *tiles["end_offset"].to_list()[:-1]]
    assert tiles["end_offset"].to_list()[-1] == 200


def test_offsets_survive_checkpoints_and_many_commits(tmp_path):
    warehouse = Warehouse(tmp_path, make=True)
    for i in range(120):
        warehouse.tables["llm_calls"].append(pl.DataFrame(), {f"s{i}": i}, {f"s{i}": None})
        warehouse.tables["llm_calls"].tidy()
    reopened = Warehouse(tmp_path).tables["llm_calls"]

    assert list((tmp_path / "llm_calls" / "_delta_log").glob("*.checkpoint.parquet"))
    assert reopened.offsets == {f"s{i}": i for i in range(120)}
    handle = DeltaTable(str(tmp_path / "llm_calls"))
    assert all(handle.transaction_version(key) == value for key, value in reopened.offsets.items())


def test_a_loser_leaves_no_file_behind(tmp_path):
    Warehouse(tmp_path, make=True).commit([batch(None, 100, calls=[0])])
    one, two = Warehouse(tmp_path), Warehouse(tmp_path)
    one.commit([batch(100, 200, calls=[100])])
    with pytest.raises(Conflict):
        two.commit([batch(100, 200, calls=[100])])

    live = {f.path for f in Warehouse(tmp_path).tables["llm_calls"].files()}
    on_disk = {str(p.relative_to(tmp_path / "llm_calls")) for p in (tmp_path / "llm_calls").rglob("*.parquet")}
    assert on_disk == live


def test_a_folder_without_a_warehouse_says_what_to_run(tmp_path):
    with pytest.raises(WarehouseError, match="run `ingest follow` or `ingest backfill`"):
        Warehouse(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["my logs", "größe – ✅", "a#b", "50%", "what?is=1"])
def test_a_warehouse_may_have_any_name(tmp_path, name):
    folder, log = tmp_path / name / "w", tmp_path / "maestro.log"
    log.write_bytes(lines(1, 2))
    each = follower(folder, tmp_path / "*.log")
    catch_up(each)
    shutil.copy(log, tmp_path / "copy.log")
    with log.open("ab") as file:
        file.write(lines(3, 4))
    catch_up(each)
    catch_up(each)
    each.close()

    assert calls_in(folder) == [1, 2, 3, 4]
    assert verify(folder).problems == []
    assert sources(Warehouse(folder))["records"].to_list() == [4]
    assert Warehouse(folder).taken("none", AT).is_empty()
    assert [each.rows for each in compact(folder) if each.table == "llm_calls"] == [4]
    assert expire(folder, date(2026, 3, 1))["llm_calls"] == 4
    assert verify(folder).problems == []


def calls_in(folder):
    return sorted(Warehouse(folder).tables["llm_calls"].scan().collect()["request_tokens"])


def test_a_name_that_deltalake_would_decode_is_refused_in_one_line(tmp_path):
    with pytest.raises(WarehouseError, match="%xx in its name: choose another"):
        Warehouse(tmp_path / "my%20logs", make=True)


def test_a_writer_whose_warehouse_is_deleted_and_made_again_begins_anew_in_it(tmp_path):
    folder, log = tmp_path / "w", tmp_path / "maestro.log"
    log.write_bytes(lines(1, 2))
    each = follower(folder, log)
    catch_up(each)
    shutil.rmtree(folder)
    with log.open("ab") as file:
        file.write(lines(3))
    with pytest.raises(WarehouseError, match="no warehouse at"):
        each.tick(final=True)
    (tmp_path / "other.log").write_bytes(lines(8, 9))
    another = follower(folder, tmp_path / "other.log")
    catch_up(another)
    another.close()
    for _ in range(2):
        catch_up(each)
    each.close()

    assert calls_in(folder) == [1, 2, 3, 8, 9]
    assert verify(folder).problems == []
