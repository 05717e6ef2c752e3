"""Damage is found, told in plain words, and repaired: what it took along is read again, and nothing else changes."""

import json
import os
import re
import shutil

import polars as pl
import pytest
from click.testing import CliRunner
from logs import append, calls, catch_up, exactly, follower, lines, noise, session, tiles

from ingest.cli import cli
from ingest.errors import WarehouseError
from ingest.maintenance.compact import compact
from ingest.maintenance.repair import plan
from ingest.maintenance.verify import verify
from ingest.warehouse.storage.bucket import made
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import TABLES

NUMBERS = range(1, 5)
BROKEN = b"[2026-02-03T14:00:00.001Z] [s] INFO: LLM call to model 'x': broken\n"


class World:
    """A warehouse of eight commits at `place`, whose tables are below the folder `tables`, and the log it came from."""

    def __init__(self, folder, url=None, tables=None):
        self.folder, self._url, self.tables = folder, url, tables or folder / "w"
        (folder / "maestro.log").write_text("".join(map(noise, range(100))))
        each = follower(self.place, folder / "maestro.log")
        for n in NUMBERS:
            append(folder / "maestro.log", session(n) + lines(n) + BROKEN)
            catch_up(each)
        each.close()

    def __truediv__(self, name):
        return self.folder / name

    @property
    def place(self):
        """What commands call the warehouse; each is another process, which remembers nothing of a bucket."""
        made.cache_clear()
        return self._url or str(self.tables)

    def shown(self, path):
        """How messages call the file at *path*."""
        return f"{self.place}/{path.relative_to(self.tables)}"


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.slow)])
def world(request, tmp_path):
    if request.param == "folder":
        return World(tmp_path)
    bucket = request.getfixturevalue("bucket")
    return World(tmp_path, bucket.url, bucket.root / "calls")


everywhere = pytest.mark.parametrize("world", ["folder", "bucket"], indirect=True)
"""For the damages of a bucket that are tried each time; all others there take minutes."""

in_a_folder = pytest.mark.parametrize("world", ["folder"], indirect=True)
"""For what no bucket knows (locks, times of files), and what is the same there."""


def run(*arguments):
    return CliRunner().invoke(cli, ["-q", *arguments], catch_exceptions=False)


def log_of(world, table):
    return world.tables / table / "_delta_log"


def last_entry(world, table):
    return max(p for p in log_of(world, table).glob("*.json"))


def damaged(path, damage):
    """Damage the file at *path* as a power cut may."""
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "zeros": bytes(len(data))}[damage])


def assert_mended(world):
    assert run("repair", "--yes", "-w", world.place).exit_code == 0
    assert run("follow", "--once", str(world / "maestro.log"), "-w", world.place).exit_code == 0
    assert calls(world.tables) == exactly(*NUMBERS)
    for table in ("llm_events", "rejects"):
        assert pl.read_delta(str(world.tables / table)).height == len(NUMBERS)
    assert all(tiles(world.tables).values())
    assert verify(world.place).problems == []


def test_a_sound_warehouse_is_well(world):
    done = run("verify", "-w", world.place)
    verdict = json.loads(done.stdout)

    assert done.exit_code == 0
    assert verdict["good"]
    assert verdict["checked"]["rows of llm_calls"] == len(NUMBERS)
    assert verdict["checked"]["sources read again"] == 1
    assert "all is well" in run("verify", "--format", "table", "-w", world.place).stdout


@in_a_folder
def test_a_sound_warehouse_has_nothing_to_repair(world):
    before = sorted(p for p in world.tables.rglob("*") if p.suffix != ".lock")

    assert "nothing to repair" in run("repair", "-w", world.place).stderr
    assert sorted(p for p in world.tables.rglob("*") if p.suffix != ".lock") == before


@pytest.mark.parametrize("table", ["llm_calls", "llm_events", "rejects", "batches"])
@pytest.mark.parametrize("damage", ["empty", "half", "zeros", "missing in the middle"])
def test_a_damaged_log_entry(world, table, damage):
    entry = last_entry(world, table)
    data = entry.read_bytes()
    if damage == "missing in the middle":
        (log_of(world, table) / f"{int(entry.stem) - 2:020}.json").unlink()
    else:
        entry.write_bytes({"empty": b"", "half": data[: len(data) // 2], "zeros": bytes(len(data))}[damage])

    assert not verify(world.place).good
    with pytest.raises(WarehouseError):
        Warehouse(world.place)
    assert_mended(world)


@pytest.mark.parametrize("table", ["llm_calls", "llm_events", "rejects", "batches"])
@pytest.mark.parametrize("damage", ["empty", "half", "zeros"])
def test_a_damaged_checkpoint(world, table, damage):
    compact(world.place)
    (checkpoint,) = log_of(world, table).glob("*.checkpoint.parquet")
    data = checkpoint.read_bytes()
    checkpoint.write_bytes({"empty": b"", "half": data[: len(data) // 2], "zeros": bytes(len(data))}[damage])

    assert [f"{world.shown(checkpoint)} is damaged"] == verify(world.place).problems
    assert_mended(world)


@pytest.mark.parametrize("table", ["llm_calls", "llm_events", "batches"])
@pytest.mark.parametrize("damage", ["empty", "half", "zeros", "missing"])
def test_a_damaged_entry_that_a_checkpoint_stands_for_costs_no_row(world, table, damage):
    compact(world.place)
    entry, before = last_entry(world, table), Warehouse(world.place).sources()
    entries = sorted(world.tables.glob("*/_delta_log/*.json"))
    damaged(entry, damage)
    assert verify(world.place).problems == [
        f"{world.shown(entry)} is {'missing' if damage == 'missing' else 'damaged'}"
    ]

    (world / "maestro.log").rename(world / "gone")  # nothing can be read again
    assert run("repair", "--yes", "-w", world.place).exit_code == 0
    assert verify(world.place).problems == []
    assert Warehouse(world.place).sources() == before
    assert calls(world.tables) == exactly(*NUMBERS)
    aside = [p.name for p in world.tables.glob("_damaged-*/*/*")]
    assert aside == ([] if damage == "missing" else [entry.name])
    assert sorted(world.tables.glob("*/_delta_log/*.json")) == entries

    (world / "gone").rename(world / "maestro.log")
    with (world / "maestro.log").open("ab") as file:
        file.write(session(9) + lines(9))
    assert run("follow", "--once", str(world / "maestro.log"), "-w", world.place).exit_code == 0
    assert calls(world.tables) == exactly(*NUMBERS, 9)
    assert pl.read_delta(str(world.tables / "llm_calls")).height == len(NUMBERS) + 1
    assert verify(world.place).problems == []


def test_an_entry_that_was_made_from_a_checkpoint_says_no_less_than_it(world):
    compact(world.place)
    before, files = Warehouse(world.place).sources(), sorted(pl.read_delta(str(world.tables / "llm_calls")).rows())
    damaged(last_entry(world, "llm_calls"), "half")
    run("repair", "--yes", "-w", world.place)
    for path in [
        *log_of(world, "llm_calls").glob("*.checkpoint.parquet"),
        log_of(world, "llm_calls") / "_last_checkpoint",
    ]:
        path.unlink()

    assert Warehouse(world.place).sources() == before
    assert sorted(pl.read_delta(str(world.tables / "llm_calls")).rows()) == files
    assert verify(world.place).problems == []


@pytest.mark.parametrize("table", ["llm_calls", "llm_events", "batches"])
@pytest.mark.parametrize("other", ["llm_calls", "batches"])
def test_damaged_entries_from_before_a_checkpoint_stop_no_repair(world, table, other):
    compact(world.place)
    old = sorted(log_of(world, table).glob("*.json"))
    newest = old[-1]
    with (world / "maestro.log").open("ab") as file:
        file.write(session(5) + lines(5))
    run("follow", "--once", str(world / "maestro.log"), "-w", world.place)
    for path in (old[2], newest):
        damaged(path, "half")
    damaged(last_entry(world, other), "empty")

    assert run("repair", "--yes", "-w", world.place).exit_code == 0
    assert run("follow", "--once", str(world / "maestro.log"), "-w", world.place).exit_code == 0
    assert calls(world.tables) == exactly(*NUMBERS, 5)
    assert verify(world.place).problems == []


@pytest.mark.parametrize("table", ["llm_calls", "batches"])
def test_damaged_entries_that_nobody_needs_are_just_moved_aside(world, table):
    compact(world.place)
    with (world / "maestro.log").open("ab") as file:
        file.write(session(5) + lines(5))
    run("follow", "--once", str(world / "maestro.log"), "-w", world.place)
    entries = sorted(log_of(world, table).glob("*.json"))
    old = [entries[2], entries[-2]]
    for path in old:
        damaged(path, "half")
    assert verify(world.place).problems == [f"{world.shown(path)} is damaged" for path in old]

    assert run("repair", "--yes", "-w", world.place).exit_code == 0
    assert {p.name for p in world.tables.glob("_damaged-*/*/*")} == {p.name for p in old}
    assert verify(world.place).problems == []
    with (world / "maestro.log").open("ab") as file:
        file.write(session(6) + lines(6))
    assert run("follow", "--once", str(world / "maestro.log"), "-w", world.place).exit_code == 0
    assert calls(world.tables) == exactly(*NUMBERS, 5, 6)
    assert verify(world.place).problems == []


@pytest.mark.parametrize("table", ["llm_calls", "llm_events", "rejects", "batches"])
@pytest.mark.parametrize("how", ["in order", "backwards", "all at once"])
@in_a_folder
def test_a_warehouse_that_was_copied_without_its_times_loses_no_more_than_another(world, table, how):
    shutil.copytree(world / "w", world / "copy")
    files = sorted(world.tables.rglob("*.json"), reverse=how == "backwards")
    for n, path in enumerate(files):
        at = 2_000_000_000 + n * (how != "all at once")
        os.utime(path, (at, at))
    plans = {}
    for folder in ("w", "copy"):
        damaged(max((world / folder / table / "_delta_log").glob("*.json")), "empty")
        plans[folder] = set(plan(world / folder).entries)

    assert plans["w"] == plans["copy"]
    assert_mended(world)


@pytest.mark.parametrize("hint", ["", "{", "\0" * 80, '{"version":1,"size":1}', "[]"])
def test_a_damaged_hint_at_the_checkpoint_does_no_harm(world, hint):
    compact(world.place)
    for table in TABLES:
        (log_of(world, table) / "_last_checkpoint").write_text(hint)

    assert verify(world.place).good
    (world / "other.log").write_bytes(lines(99))
    assert run("backfill", str(world / "other.log"), "-w", world.place).exit_code == 0
    assert run("report", "tpm", "-w", world.place).exit_code == 0
    assert calls(world.tables) == exactly(*NUMBERS, 99)


WHAT_NEXT = "`ingest verify` says more, `ingest repair` mends it"


@everywhere
def test_a_hint_at_a_checkpoint_that_is_missing(world):
    compact(world.place)
    hint = log_of(world, "llm_calls") / "_last_checkpoint"
    hint.write_text('{"version":999,"size":1}')

    assert verify(world.place).problems == [f"{world.shown(hint)} names a checkpoint that is missing"]
    with pytest.raises(WarehouseError, match=WHAT_NEXT):
        Warehouse(world.place)
    assert_mended(world)


@in_a_folder
def test_a_report_of_a_folder_says_that_a_checkpoint_is_missing(world):
    """One of a bucket needs no hint: it reads what was listed."""
    compact(world.place)
    (log_of(world, "llm_calls") / "_last_checkpoint").write_text('{"version":999,"size":1}')
    reported = run("report", "tpm", "-w", world.place)
    assert re.fullmatch(rf"Error: .*; {WHAT_NEXT}\n", reported.stderr)


@pytest.mark.parametrize("table", ["llm_calls", "llm_events"])
@pytest.mark.parametrize("damage", ["missing", "half"])
@everywhere
def test_a_damaged_data_file(world, table, damage):
    path = max((world.tables / table).glob("date=*/*.parquet"), key=lambda p: p.stat().st_mtime_ns)
    path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:50])

    (problem,) = verify(world.place).problems
    assert world.shown(path) in problem
    assert_mended(world)


@everywhere
def test_a_merged_file_that_never_reached_the_disk_is_replaced_by_what_it_was_merged_from(world):
    compact(world.place)
    newest = max((world.tables / "llm_calls").glob("date=*/*.parquet"), key=lambda p: p.stat().st_mtime_ns)
    newest.write_bytes(b"")

    assert run("repair", "--yes", "-w", world.place).exit_code == 0
    assert calls(world.tables) == exactly(*NUMBERS)
    assert verify(world.place).problems == []


def test_repair_asks_and_moves_instead_of_deleting(world):
    entry = last_entry(world, "llm_calls")
    entry.write_bytes(b"{")
    asked = CliRunner().invoke(cli, ["repair", "-w", world.place], input="n\n")
    assert asked.exit_code == 1
    assert entry.exists()

    run("repair", "--yes", "-w", world.place)
    (aside,) = world.tables.glob("_damaged-*")
    assert (aside / "llm_calls" / entry.name).read_bytes() == b"{"


@in_a_folder
def test_repair_waits_for_nobody_and_disturbs_no_follower(world):
    running = Warehouse(world.place, make=True)
    last_entry(world, "llm_calls").write_bytes(b"")
    done = run("repair", "--yes", "-w", world.place)

    assert done.exit_code == 1
    assert "stop it first" in done.stderr
    assert running.position("nothing") is None


@in_a_folder
def test_changed_bytes_of_a_source_are_told(world):
    log = world / "maestro.log"
    data = bytearray(log.read_bytes())
    data[300:303] = b"???"
    log.write_bytes(data)

    (problem,) = verify(world.place).problems
    assert problem.startswith(f"{log}: bytes ")


@in_a_folder
def test_a_source_that_was_packed_or_renamed_is_found_and_one_that_is_gone_is_no_damage(world):
    import gzip

    with gzip.open(world / "maestro.log.3.gz", "wb") as packed:
        packed.write((world / "maestro.log").read_bytes())
    (world / "maestro.log").unlink()
    assert verify(world.place).checked["sources read again"] == 1

    (world / "maestro.log.3.gz").unlink()
    verdict = verify(world.place)
    assert verdict.good
    assert verdict.checked["sources gone or changed since"] == 1


@in_a_folder
def test_rows_that_are_missing_or_doubled_are_told(world):
    from deltalake import DeltaTable

    DeltaTable(str(world.tables / "llm_calls")).delete("request_tokens = 3")
    (problem,) = verify(world.place).problems
    assert "counted 1 rows, and 0 are there" in problem


def test_a_commit_that_a_crash_cut_short_is_no_damage(world):
    for path in (log_of(world, "llm_calls"),):
        last_entry(world, "llm_calls").rename(path / "later")
    verdict = verify(world.place)

    assert verdict.problems == []
    assert len(verdict.notes) == 1


def test_where_there_is_no_warehouse_verify_says_so(tmp_path):
    shutil.rmtree(tmp_path / "w", ignore_errors=True)
    done = run("verify", "-w", str(tmp_path / "w"))

    assert done.exit_code == 1
    assert "no warehouse" in done.stderr
