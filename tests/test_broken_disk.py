"""Disks that fail to read, write or sync, and clocks that jump: nothing is lost, and nothing is there twice."""

import contextlib
import errno
import os
import re
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest
from broken_disk import FOLLOW
from logs import lines, log_calls


def is_open(process, path):
    """Tell whether *process* has the file at *path* open."""
    held = set()
    for fd in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since they were listed
            held.add(fd.readlink())
    return path in held


def broken_reads(log, error):
    return {"BROKEN_CALL": "read", "BROKEN_PATH": log, "BROKEN_ERRNO": error}


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE], ids=errno.errorcode.get)
def test_a_log_that_can_t_be_read_is_read_once_it_can(disk, log, error):
    log_calls(log, *range(1, 20))
    disk.start(*FOLLOW, log, **broken_reads(log, error))
    disk.until(lambda: disk.calls().total() == 19)
    disk.break_down()
    log_calls(log, *range(20, 40))
    disk.until(lambda: disk.refused() >= 5)
    disk.recover()
    disk.until(lambda: disk.calls().total() >= 39)

    disk.stop()
    disk.holds(*range(1, 40))
    said = disk.said.read_text()
    assert said.count(os.strerror(error)) == said.count(f"{log}: {os.strerror(error)}; trying again") == 1
    assert said.count(f"{log} can be read again") == 1
    assert "Traceback" not in said


@pytest.mark.parametrize("stale", ["smaller", "larger"])
def test_a_size_that_is_out_of_date_loses_and_doubles_nothing(disk, log, stale):
    log_calls(log, *range(1, 20))
    size = log.stat().st_size if stale == "smaller" else 1_000_000
    disk.start(*FOLLOW, log, BROKEN_CALL="stat", BROKEN_PATH=log, STALE_SIZE=size)
    disk.until(lambda: disk.calls().total() == 19)
    disk.break_down()
    if stale == "larger":
        log.write_bytes(b"")
    log_calls(log, *range(20, 30))
    disk.until(lambda: disk.refused() >= 20)
    disk.recover()
    log_calls(log, *range(30, 40))
    disk.until(lambda: disk.calls().total() >= 39)

    disk.stop()
    disk.holds(*range(1, 40))


def test_commits_that_land_and_are_said_to_have_failed_count_once(disk, log):
    failing = {"BROKEN_CALL": "link", "BROKEN_PATH": "/_delta_log/", "BROKEN_ERRNO": errno.EIO}
    disk.break_down()
    disk.start(*FOLLOW, log, **failing)
    for n in range(1, 12):
        log_calls(log, n)
        disk.until(lambda so_far=n: disk.calls().total() >= so_far)
        if n % 5 == 0:
            disk.finish("-q", "compact", **failing)
    assert disk.refused() > 2 * 11
    disk.recover()
    disk.finish("-q", "compact")

    disk.stop()
    disk.holds(*range(1, 12))


def test_a_day_that_was_emptied_though_the_disk_said_no_counts_as_emptied(disk, log):
    failing = {"BROKEN_CALL": "link", "BROKEN_PATH": "/_delta_log/", "BROKEN_ERRNO": errno.EIO}
    disk.earlier(log, *range(1, 12))
    disk.break_down()
    code, said = disk.run("expire", "--older-than", "2026-02-04", "--yes", **failing)
    refused = disk.refused()
    disk.recover()

    assert refused
    assert code == 0
    assert "llm_calls: 11 rows deleted" in said
    disk.holds()


def test_a_clock_that_jumps_by_years_loses_and_doubles_nothing(disk, log, tmp_path):
    clock, number = tmp_path / "clock", count(1)
    disk.start(*FOLLOW, log, CLOCK_FILE=clock)
    for years in (0, 1, -1, 2, 0):
        clock.write_text(str(years * 31_536_000))
        for _ in range(3):
            log_calls(log, last := next(number))
            disk.until(lambda so_far=last: disk.calls().total() >= so_far)
        disk.finish("-q", "compact", CLOCK_FILE=clock)

    disk.stop()
    disk.holds(*range(1, last + 1))


def test_maintenance_waits_for_a_turn_when_the_clock_has_jumped(disk, library, log, tmp_path):
    disk.earlier(log, 1)
    code = """
import sys
from pathlib import Path
from ingest.maintenance.background import Upkeep
upkeep, clock = Upkeep(Path(sys.argv[1]), every=1), Path(sys.argv[2])
started = []
for commits, ahead in enumerate(["0", "86400", "86400", "86430", "0", "0"], 1):
    clock.write_text(ahead)
    before = upkeep.child
    upkeep.look(commits)
    started.append(upkeep.child is not before)
    upkeep.finish()
assert started == [True, False, True, True, False, True], started
"""
    clock = tmp_path / "clock"
    clock.write_text("0")
    environment = os.environ | {"LD_PRELOAD": str(library), "CLOCK_FILE": str(clock)}
    subprocess.run([sys.executable, "-c", code, str(disk.warehouse), str(clock)], env=environment, check=True)


def test_a_deleted_log_that_can_t_be_read_is_read_once_it_can(disk, log):
    log_calls(log, *range(1, 20))
    disk.start(*FOLLOW, log, **broken_reads(log, errno.EIO))
    disk.until(lambda: disk.calls().total() == 19)
    with log.open("ab", buffering=0) as file:
        disk.break_down()
        log.unlink()
        file.write(lines(*range(20, 40)))
        disk.until(lambda: disk.refused() >= 5)
        disk.recover()
        disk.until(lambda: disk.calls().total() >= 39)

    disk.stop()
    disk.holds(*range(1, 40))


def test_a_log_that_can_t_be_read_before_what_was_read_of_it_is_committed(disk, log):
    log_calls(log, *range(1, 20))
    process = disk.start("follow", "--interval", "3", log, **broken_reads(log, errno.EIO))
    disk.until(lambda: is_open(process, log))
    disk.break_down()
    log_calls(log, *range(20, 40))
    disk.until(lambda: os.strerror(errno.EIO) in disk.said.read_text())
    disk.recover()
    disk.until(lambda: disk.calls().total() >= 39)

    disk.stop()
    disk.holds(*range(1, 40))


def test_a_deleted_log_that_can_never_be_read_again_keeps_nobody_busy(disk, log):
    log_calls(log, *range(1, 20))
    disk.start(*FOLLOW, "--watch", "poll", log, **broken_reads(log, errno.ESTALE))
    disk.until(lambda: disk.calls().total() == 19)
    with log.open("ab", buffering=0) as file:
        disk.break_down()
        log.unlink()
        file.write(lines(*range(20, 40)))
        disk.until(lambda: disk.refused() >= 5)
        before, begun = disk.refused(), time.monotonic()
        disk.until(lambda: time.monotonic() - begun > 1)
        assert disk.refused() - before < 200

    disk.stop()
    disk.holds(*range(1, 20))


def test_a_backfill_of_a_log_that_can_t_be_read_says_so_and_a_later_run_goes_on(disk, log):
    other = log.with_name("other.log")
    log_calls(log, *range(1, 20))
    log_calls(other, *range(100, 120))
    disk.break_down()
    code, said = disk.run("backfill", log, other, **broken_reads(log, errno.EIO))

    assert code == 1
    assert [line for line in said if str(log) in line] == [f"Error: {log}: {os.strerror(errno.EIO)}"]
    disk.holds(*range(100, 120))

    disk.recover()
    disk.finish("backfill", log, other)
    disk.holds(*range(1, 20), *range(100, 120))


@pytest.mark.parametrize(
    ("call", "text"),
    [("sync", "/warehouse/"), ("write", ".parquet"), ("write", "_delta_log/000")],
    ids=["syncs", "data files", "log entries"],
)
def test_a_disk_that_fails_to_write_or_sync_loses_and_doubles_nothing(disk, log, call, text):
    disk.earlier(log, *range(1, 20))
    log_calls(log, *range(20, 40))
    fails_to_add(disk, log, call, text)
    disk.holds(*range(1, 40))


def test_a_warehouse_that_can_t_be_synced_when_it_is_made_survives_a_power_cut_once_it_can(disk, log):
    log_calls(log, *range(1, 20))
    fails_to_add(disk, log, "sync", "/warehouse/")
    disk.cut_power()
    disk.holds(*range(1, 20))


def fails_to_add(disk, log, call, text):
    """Backfill *log* while each *call* on paths with *text* fails, which must be told, and again once it works."""
    disk.break_down()
    code, said = disk.run("backfill", log, BROKEN_CALL=call, BROKEN_PATH=text, BROKEN_ERRNO=errno.EIO)
    assert code == 1
    (line,) = said
    assert re.fullmatch(r"Error: \S+/warehouse/\w+ can't be used: .*Input/output error.*", line)
    assert disk.refused()
    disk.recover()
    disk.finish("backfill", log)
