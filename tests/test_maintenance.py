"""Maintenance changes no row and no offset, deletes nothing that anyone may need, and never runs twice at once."""

import math
import os
import time

import polars as pl
import pyarrow.parquet as pq
import pytest
from logs import calls, catch_up, exactly, follower, line, lines, tiles

from ingest.maintenance.compact import compact, crowded, forget_entries, remove_unlisted
from ingest.warehouse.delta_log import Log
from ingest.warehouse.open_table import opened
from ingest.warehouse.storage.locks import BusyError
from ingest.warehouse.storage.store import at
from ingest.warehouse.table import Table
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import TABLES

NOW = math.inf
"""The pace at which nothing is kept for a while."""


@pytest.fixture
def small(tmp_path):
    """A warehouse of many small files."""
    log = tmp_path / "maestro.log"
    each = follower(tmp_path / "w", log)
    for n in range(1, 13):
        with log.open("ab") as file:
            file.write(lines(n))
        catch_up(each)
    each.close()
    return tmp_path / "w"


def test_compaction_leaves_few_files_and_every_row_and_offset(small):
    before = {name: Table(small, name).offsets for name in TABLES}
    done = {c.table: c for c in compact(small)}

    assert done["llm_calls"].files_before == 12
    assert done["llm_calls"].files_after == 1
    assert calls(small) == exactly(*range(1, 13))
    assert all(tiles(small).values())
    assert {name: Table(small, name).offsets for name in TABLES} == before


def test_compacted_files_are_zstd(small):
    compact(small)
    (only,) = Table(small, "llm_calls").files()

    assert pq.read_metadata(small / "llm_calls" / only.path).row_group(0).column(0).compression == "ZSTD"


def test_a_follower_goes_on_while_files_are_merged_and_removed(tmp_path):
    log = tmp_path / "maestro.log"
    each = follower(tmp_path / "w", log)
    for n in range(1, 30):
        with log.open("ab") as file:
            file.write(lines(n))
        catch_up(each)
        if n % 7 == 0:
            compact(tmp_path / "w", pace=NOW)
    each.close()

    assert calls(tmp_path / "w") == exactly(*range(1, 30))
    assert all(tiles(tmp_path / "w").values())


def test_replaced_files_stay_until_no_reader_can_need_them(small):
    reader = pl.scan_delta(str(small / "llm_calls"))
    compact(small)
    assert reader.collect().height == 12

    old = time.time() - 2 * 86400
    for path in (small / "llm_calls").glob("date=*/*.parquet"):
        os.utime(path, (old, old))  # written long ago, but replaced only now
    assert remove_unlisted(Table(small, "llm_calls")) == 0
    assert remove_unlisted(Table(small, "llm_calls"), NOW) == 12
    assert calls(small) == exactly(*range(1, 13))


def aged(folder, *, minutes):
    """Let the files in *folder* have been written *minutes* ago."""
    at = time.time() - 60 * minutes
    for path in folder.iterdir():
        os.utime(path, (at, at))


def test_a_checkpoint_that_is_written_while_the_table_is_opened_is_not_said_to_be_missing(tmp_path):
    table = Warehouse(tmp_path, make=True).tables["llm_calls"]
    table.append(pl.DataFrame(), {"s": 1}, {"s": None})
    table.checkpoint()
    table.append(pl.DataFrame(), {"s": 2}, {"s": 1})
    look = table.log.look()
    table.checkpoint()

    assert not table.log.is_misleading(look)
    assert opened(table.log, look).look is look
    (tmp_path / table.log.checkpoint(2)).unlink()
    assert table.log.is_misleading(look)


def test_a_long_log_is_cut_at_a_checkpoint_that_no_reader_can_be_before(tmp_path):
    table = Warehouse(tmp_path, make=True).tables["llm_calls"]
    for n in range(240):
        table.append(pl.DataFrame(), {f"s{n}": n}, {f"s{n}": None})
        table.tidy()
    assert forget_entries(table.log, keep=100) == 0

    aged(tmp_path / table.log.folder, minutes=11)
    assert forget_entries(table.log) == 0
    (tmp_path / table.log.checkpoint(100)).write_bytes(b"damaged")
    aged(tmp_path / table.log.folder, minutes=11)
    assert forget_entries(table.log, keep=100) == 50
    (tmp_path / table.log.checkpoint(100)).unlink()
    aged(tmp_path / table.log.folder, minutes=3 * 24 * 60)
    assert forget_entries(table.log) == 150 + 2

    look = table.log.look()
    assert min(look.entries) == min(look.checkpoints) == 200
    assert Table(tmp_path, "llm_calls").offsets == {f"s{n}": n for n in range(240)}
    assert table.log.damages() == []


def test_a_writer_that_slept_while_the_log_was_cut_still_commits(tmp_path):
    tables = [Warehouse(tmp_path, make=True).tables["llm_calls"] for _ in range(2)]
    awake, asleep = tables
    asleep.append(pl.DataFrame(), {"asleep": 1}, {"asleep": None})
    for n in range(60):
        awake.append(pl.DataFrame(), {f"s{n}": n}, {f"s{n}": None})
        awake.tidy()
    forget_entries(awake.log, NOW)
    asleep.append(pl.DataFrame(), {"asleep": 2}, {"asleep": 1})

    assert Table(tmp_path, "llm_calls").offsets == {"asleep": 2} | {f"s{n}": n for n in range(60)}


def test_a_file_that_a_writer_has_not_listed_yet_is_kept_for_a_day(small):
    folder = next((small / "llm_calls").glob("date=*"))
    young, orphan = folder / "part-young.parquet", folder / "part-orphan.parquet"
    for path in (young, orphan):
        path.write_bytes(b"being written")
    old = time.time() - 2 * 86400
    os.utime(orphan, (old, old))
    compact(small)

    assert young.exists()
    assert not orphan.exists()


def test_two_maintainers_never_work_at_once(small):
    from ingest.warehouse.storage.locks import MAINTENANCE, alone

    with alone(small, MAINTENANCE, ""), pytest.raises(BusyError, match="another process maintains"):
        compact(small)


def test_a_writer_from_before_a_compaction_still_commits(tmp_path):
    log = tmp_path / "maestro.log"
    log.write_text(line(1))
    early, late = follower(tmp_path / "w", log), follower(tmp_path / "w", log)
    catch_up(early)
    catch_up(late)
    for n in range(2, 6):
        with log.open("a") as file:
            file.write(line(n))
        catch_up(early)
    compact(tmp_path / "w")
    with log.open("a") as file:
        file.write(line(6))
    catch_up(late)
    for each in (early, late):
        each.close()

    assert calls(tmp_path / "w") == exactly(*range(1, 7))
    assert set(Warehouse(tmp_path / "w").sources())


def test_while_others_write_only_crowded_days_are_merged(small):
    assert compact(small, fewest=crowded)[0].files_after == 12


def test_following_starts_maintenance_now_and_then_without_waiting_for_it(small):
    from ingest.maintenance.background import Upkeep

    upkeep = Upkeep(small, every=10)
    upkeep.look(9)
    assert upkeep.child is None
    upkeep.look(10)
    assert upkeep.child is not None
    upkeep.finish()

    assert upkeep.child.returncode == 0
    assert list((small / "llm_calls" / "_delta_log").glob("*.checkpoint.parquet"))


def test_a_writer_opens_a_warehouse_whose_first_entries_are_gone(small):
    compact(small, pace=NOW)
    for name in TABLES:
        forget_entries(Log(at(small), name), NOW, keep=0)
    gone = [name for name in TABLES if 0 not in Log(at(small), name).look().entries]
    assert "llm_calls" in gone

    log = small.parent / "maestro.log"
    with log.open("ab") as file:
        file.write(lines(99))
    again = follower(small, log)
    catch_up(again)
    again.close()

    assert calls(small) == exactly(*range(1, 13), 99)
    assert all(tiles(small).values())
