"""Disks that fail to read, write or sync, and power cuts: what was committed stays, and nothing is there twice."""

import errno
import os
import random
import re
import select
import signal
import time
from itertools import count
from pathlib import Path

import pytest
from broken_disk import Disk, build
from logs import calls, catch_up, exactly, follower, lines, tiles

from ingest.verify import verify

FOLLOW = ["follow", "--interval", "0.05"]

DAY = 86_400_000
"""So much further a call number is of the next day."""

SLOW = pytest.mark.slow


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("broken_disk"))


@pytest.fixture
def disk(library, tmp_path):
    made = Disk(library, tmp_path)
    yield made
    made.close()


@pytest.fixture
def log(tmp_path):
    return tmp_path / "maestro.log"


def append(path, *numbers):
    with path.open("ab") as file:
        file.write(lines(*numbers))


def holds(disk, *numbers):
    """Compare the table with the truth, and everything in the warehouse with everything else in it."""
    assert calls(disk.warehouse) == exactly(*numbers)
    assert all(tiles(disk.warehouse).values())
    assert verify(disk.warehouse).problems == []


def earlier(disk, log, *numbers):
    """Have calls *numbers* of *log* in a warehouse that is on the disk as it is."""
    append(log, *numbers)
    each = follower(disk.warehouse, log)
    catch_up(each)
    each.close()
    disk.settle()


def stop(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=30)


def is_open(process, path):
    """Tell whether *process* has the file at *path* open."""
    return path in {fd.resolve() for fd in Path(f"/proc/{process.pid}/fd").iterdir()}


def broken_reads(log, error):
    return {"BROKEN_CALL": "read", "BROKEN_PATH": log, "BROKEN_ERRNO": error}


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE], ids=errno.errorcode.get)
def test_a_log_that_can_t_be_read_is_read_once_it_can(disk, log, error):
    append(log, *range(1, 20))
    process = disk.start(*FOLLOW, log, **broken_reads(log, error))
    disk.until(lambda: disk.calls().total() == 19)
    disk.break_down()
    append(log, *range(20, 40))
    disk.until(lambda: disk.refused() >= 5)
    disk.recover()
    disk.until(lambda: disk.calls().total() >= 39)

    assert stop(process) == 0, disk.said.read_text()
    holds(disk, *range(1, 40))
    said = disk.said.read_text()
    assert said.count(os.strerror(error)) == said.count(f"{log}: {os.strerror(error)}; trying again") == 1
    assert said.count(f"{log} can be read again") == 1
    assert "Traceback" not in said


def test_a_deleted_log_that_can_t_be_read_is_read_once_it_can(disk, log):
    append(log, *range(1, 20))
    process = disk.start(*FOLLOW, log, **broken_reads(log, errno.EIO))
    disk.until(lambda: disk.calls().total() == 19)
    with log.open("ab", buffering=0) as file:
        disk.break_down()
        log.unlink()
        file.write(lines(*range(20, 40)))
        disk.until(lambda: disk.refused() >= 5)
        disk.recover()
        disk.until(lambda: disk.calls().total() >= 39)

    assert stop(process) == 0, disk.said.read_text()
    holds(disk, *range(1, 40))


def test_a_log_that_can_t_be_read_before_what_was_read_of_it_is_committed(disk, log):
    append(log, *range(1, 20))
    process = disk.start("follow", "--interval", "3", log, **broken_reads(log, errno.EIO))
    disk.until(lambda: is_open(process, log))
    disk.break_down()
    append(log, *range(20, 40))
    disk.until(lambda: os.strerror(errno.EIO) in disk.said.read_text())
    disk.recover()
    disk.until(lambda: disk.calls().total() >= 39)

    assert stop(process) == 0, disk.said.read_text()
    holds(disk, *range(1, 40))


def test_a_deleted_log_that_can_never_be_read_again_keeps_nobody_busy(disk, log):
    append(log, *range(1, 20))
    process = disk.start(*FOLLOW, "--watch", "poll", log, **broken_reads(log, errno.ESTALE))
    disk.until(lambda: disk.calls().total() == 19)
    with log.open("ab", buffering=0) as file:
        disk.break_down()
        log.unlink()
        file.write(lines(*range(20, 40)))
        disk.until(lambda: disk.refused() >= 5)
        before, begun = disk.refused(), time.monotonic()
        disk.until(lambda: time.monotonic() - begun > 1)
        assert disk.refused() - before < 200

    assert stop(process) == 0, disk.said.read_text()
    holds(disk, *range(1, 20))


def test_a_backfill_of_a_log_that_can_t_be_read_says_so_and_a_later_run_goes_on(disk, log):
    other = log.with_name("other.log")
    append(log, *range(1, 20))
    append(other, *range(100, 120))
    disk.break_down()
    code, said = disk.run("backfill", log, other, **broken_reads(log, errno.EIO))

    assert code == 1
    assert [line for line in said if str(log) in line] == [f"Error: {log}: {os.strerror(errno.EIO)}"]
    holds(disk, *range(100, 120))

    disk.recover()
    disk.finish("backfill", log, other)
    holds(disk, *range(1, 20), *range(100, 120))


@pytest.mark.parametrize(
    ("call", "text"),
    [("sync", "/warehouse/"), ("write", ".parquet"), ("write", "_delta_log/000")],
    ids=["syncs", "data files", "log entries"],
)
def test_a_disk_that_fails_to_write_or_sync_loses_and_doubles_nothing(disk, log, call, text):
    earlier(disk, log, *range(1, 20))
    append(log, *range(20, 40))
    fails_to_add(disk, log, call, text)
    holds(disk, *range(1, 40))


def test_a_warehouse_that_can_t_be_synced_when_it_is_made_survives_a_power_cut_once_it_can(disk, log):
    append(log, *range(1, 20))
    fails_to_add(disk, log, "sync", "/warehouse/")
    disk.cut_power()
    holds(disk, *range(1, 20))


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


def test_what_was_committed_survives_a_power_cut(disk, log):
    append(log, *range(1, 50))
    disk.finish("backfill", log)
    disk.cut_power()

    assert calls(disk.warehouse) == exactly(*range(1, 50))
    assert "added 0 calls" in disk.finish("backfill", log)[-1]
    disk.finish("verify")


def test_what_was_followed_and_compacted_survives_a_power_cut(disk, log):
    expected = []
    for number in (1, DAY):
        expected += range(number, number + 20)
        append(log, *expected[-20:])
        disk.finish("follow", "--once", log)
    disk.cut_power()
    assert calls(disk.warehouse) == exactly(*expected)

    disk.finish("compact")
    disk.cut_power()
    holds(disk, *expected)
    assert len(list(disk.warehouse.glob("*/_delta_log/*.checkpoint.parquet"))) == 4
    append(log, 7)
    assert "added 1 calls" in disk.finish("backfill", log)[-1]
    disk.cut_power()
    holds(disk, *expected, 7)


def test_without_syncs_a_power_cut_takes_what_was_committed(disk, log):
    append(log, *range(1, 50))
    disk.finish("backfill", log)
    append(log, *range(50, 100))
    disk.finish("backfill", log, SWALLOW_FSYNC=1)
    assert calls(disk.warehouse) == exactly(*range(1, 100))

    disk.cut_power()
    assert calls(disk.warehouse) == exactly(*range(1, 50))


def killed_before_a_sync(disk, log, path, nth, *, command="backfill"):
    """Kill a *command* before it forces *path*, for the *nth* time, to the disk; return whether it came to that."""
    code, said = disk.run(command, *([log] if command == "backfill" else []), KILL_PATH=path, KILL_NTH=nth)
    assert code in (0, -signal.SIGKILL), said
    return code != 0


@pytest.mark.parametrize("path", [f"/llm_calls/_delta_log/{0:020}.json", "/warehouse"])
def test_tables_that_a_killed_run_has_made_survive_a_power_cut_after_the_next(disk, log, path):
    append(log, *range(1, 50))
    assert killed_before_a_sync(disk, log, path, 1)
    disk.finish("backfill", log)
    disk.cut_power()
    holds(disk, *range(1, 50))


@pytest.mark.parametrize(
    "path",
    [
        "/llm_calls",
        f"/batches/_delta_log/{2:020}.json",
        f"/llm_calls/_delta_log/{3:020}.json",
        pytest.param("/batches", marks=SLOW),
        pytest.param("/date=2026-02-04", marks=SLOW),
        pytest.param(".parquet", marks=SLOW),
    ],
)
def test_what_a_killed_run_has_begun_survives_a_power_cut_after_the_next(disk, log, path):
    earlier(disk, log, *range(1, 50))
    append(log, DAY)
    assert killed_before_a_sync(disk, log, path, 1)
    disk.finish("backfill", log)
    disk.cut_power()
    holds(disk, *range(1, 50), DAY)


def test_no_calls_are_durable_before_what_a_killed_run_left_of_them_in_the_ledger(disk, log):
    ledger = f"/batches/_delta_log/{2:020}.json"
    earlier(disk, log, *range(1, 50))
    append(log, DAY)
    for _ in range(2):
        assert killed_before_a_sync(disk, log, ledger, 1)
    disk.cut_power()
    disk.finish("backfill", log)
    disk.cut_power()
    holds(disk, *range(1, 50), DAY)


@pytest.mark.parametrize("path", [".zstd.parquet", pytest.param("4.json", marks=SLOW), ".checkpoint.parquet"])
def test_what_a_killed_compaction_has_written_survives_a_power_cut_after_the_next_commit(disk, log, path):
    earlier(disk, log, 1)
    earlier(disk, log, 2)
    assert killed_before_a_sync(disk, log, path, 1, command="compact")
    append(log, 3)
    disk.finish("backfill", log)
    disk.cut_power()
    holds(disk, 1, 2, 3)


def followed_until_killed(disk, log, numbers, chance):
    """Follow *log* as it grows until a random instant; return the last number of calls that the follower told of."""
    reader, terminal = os.openpty()
    process = disk.start("follow", "--interval", "0.01", log, stderr=terminal)
    os.close(terminal)
    said, end, give_up = b"", None, time.monotonic() + 30
    while end is None or time.monotonic() < end:
        assert time.monotonic() < give_up, said
        append(log, next(numbers))
        if select.select([reader], [], [], 0.005)[0]:
            said += os.read(reader, 1 << 16)
        if end is None and re.search(rb"[1-9]\d* calls", said):
            end = time.monotonic() + chance.uniform(0, 0.3)
    process.kill()
    process.wait()
    while select.select([reader], [], [], 0)[0] and (more := rest(reader)):
        said += more
    os.close(reader)
    return int(re.findall(rb"([\d,]+) calls", said)[-1].replace(b",", b""))


def rest(reader):
    """Return what is left in a terminal that nobody writes to."""
    try:
        return os.read(reader, 1 << 16)
    except OSError:
        return b""


def read_until_killed(disk, log, chance):
    """Backfill *log* until a random instant after the first sync; return whether it ended before."""
    process = disk.start("backfill", log)
    before = disk.record.stat().st_size if disk.record.exists() else 0
    disk.until(lambda: disk.record.exists() and disk.record.stat().st_size > before)
    time.sleep(chance.uniform(0, 0.1))
    process.kill()
    return process.wait() == 0


def cuts_at_any_instant(disk, log, rounds, seed):
    chance, numbers, promised = random.Random(seed), count(1), 0
    for n in range(rounds):
        append(log, *(next(numbers) for _ in range(20)))
        before = disk.calls().total()
        if n % 2:
            told = followed_until_killed(disk, log, numbers, chance)
            promised = before + told
        elif read_until_killed(disk, log, chance):
            promised = disk.calls().total()
        if chance.random() < 0.7:
            disk.cut_power()
            assert set(range(1, promised + 1)) <= disk.calls().keys()
    disk.finish("backfill", log)
    disk.cut_power()
    holds(disk, *range(1, next(numbers)))
    disk.finish("verify")


def test_a_power_cut_at_any_instant_loses_and_doubles_nothing(disk, log):
    cuts_at_any_instant(disk, log, 6, seed=1)


@SLOW
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_power_cuts_at_any_instant(disk, log, seed):
    cuts_at_any_instant(disk, log, 20, seed)


@SLOW
@pytest.mark.parametrize("cut", [True, False], ids=["cut then", "cut later"])
@pytest.mark.parametrize("known", [False, True], ids=["a new warehouse", "a known one"])
def test_a_kill_before_each_sync_and_a_power_cut(disk, log, known, cut):
    expected = [1]
    append(log, 1)
    if known:
        disk.finish("backfill", log)
    for nth in count(1):
        expected.append(1 + nth * DAY if known else 1 + nth)  # a day more of a new warehouse would be more to sync
        append(log, expected[-1])
        if not known and disk.warehouse.exists():
            disk.empty()
        if not killed_before_a_sync(disk, log, "", nth):
            break
        if cut:
            disk.cut_power()
        disk.finish("backfill", log)
        disk.cut_power()
        holds(disk, *expected)
    assert nth > 10
