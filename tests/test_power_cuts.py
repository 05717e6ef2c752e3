"""Power cuts at any instant: what was committed stays, and nothing is there twice."""

import os
import random
import re
import select
import signal
import time
from itertools import count

import pytest
from logs import calls, exactly, log_calls

DAY = 86_400_000
"""So much further a call number is of the next day."""

VISIBLE = 2
"""A run forces the folder of a log to the disk first for what others have put there, then for what it has put itself:
before that, its entry is there for everybody, and a power cut takes it."""

SLOW = pytest.mark.slow


def test_what_was_committed_survives_a_power_cut(disk, log):
    log_calls(log, *range(1, 50))
    disk.finish("backfill", log)
    disk.cut_power()

    assert calls(disk.warehouse) == exactly(*range(1, 50))
    assert "added 0 records" in disk.finish("backfill", log)[-1]
    disk.finish("verify")


def test_what_was_followed_and_compacted_survives_a_power_cut(disk, log):
    expected = []
    for number in (1, DAY):
        expected += range(number, number + 20)
        log_calls(log, *expected[-20:])
        disk.finish("follow", "--once", log)
    disk.cut_power()
    assert calls(disk.warehouse) == exactly(*expected)

    disk.finish("compact")
    disk.cut_power()
    disk.holds(*expected)
    assert len(list(disk.warehouse.glob("*/_delta_log/*.checkpoint.parquet"))) == 4
    log_calls(log, 7)
    assert "added 1 record and" in disk.finish("backfill", log)[-1]
    disk.cut_power()
    disk.holds(*expected, 7)


def test_without_syncs_a_power_cut_takes_what_was_committed(disk, log):
    log_calls(log, *range(1, 50))
    disk.finish("backfill", log)
    log_calls(log, *range(50, 100))
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
    log_calls(log, *range(1, 50))
    assert killed_before_a_sync(disk, log, path, 1)
    disk.finish("backfill", log)
    disk.cut_power()
    disk.holds(*range(1, 50))


@pytest.mark.parametrize(
    ("path", "nth"),
    [
        ("/llm_calls", 1),
        ("/batches/_delta_log", VISIBLE),
        ("/llm_calls/_delta_log", VISIBLE),
        pytest.param("/batches", 1, marks=SLOW),
        pytest.param("/date=2026-02-04", 1, marks=SLOW),
        pytest.param(".parquet", 1, marks=SLOW),
    ],
)
def test_what_a_killed_run_has_begun_survives_a_power_cut_after_the_next(disk, log, path, nth):
    disk.earlier(log, *range(1, 50))
    log_calls(log, DAY)
    assert killed_before_a_sync(disk, log, path, nth)
    disk.finish("backfill", log)
    disk.cut_power()
    disk.holds(*range(1, 50), DAY)


def test_no_calls_are_durable_before_what_a_killed_run_left_of_them_in_the_ledger(disk, log):
    disk.earlier(log, *range(1, 50))
    log_calls(log, DAY)
    assert killed_before_a_sync(disk, log, "/batches/_delta_log", VISIBLE)
    assert killed_before_a_sync(disk, log, f"/batches/_delta_log/{2:020}.json", 1)
    disk.cut_power()
    disk.finish("backfill", log)
    disk.cut_power()
    disk.holds(*range(1, 50), DAY)


@pytest.mark.parametrize("path", [".zstd.parquet", pytest.param("4.json", marks=SLOW), ".checkpoint.parquet"])
def test_what_a_killed_compaction_has_written_survives_a_power_cut_after_the_next_commit(disk, log, path):
    disk.earlier(log, 1)
    disk.earlier(log, 2)
    assert killed_before_a_sync(disk, log, path, 1, command="compact")
    log_calls(log, 3)
    disk.finish("backfill", log)
    disk.cut_power()
    disk.holds(1, 2, 3)


def followed_until_killed(disk, log, numbers, chance):
    """Follow *log* as it grows until a random instant; return how many calls the follower told of at last."""
    reader, terminal = os.openpty()
    process = disk.start("follow", "--interval", "0.01", log, stderr=terminal)
    os.close(terminal)
    said, end, give_up = b"", None, time.monotonic() + 30
    while end is None or time.monotonic() < end:
        assert time.monotonic() < give_up, said
        log_calls(log, next(numbers))
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
        log_calls(log, *(next(numbers) for _ in range(20)))
        if n % 2:
            promised = max(promised, followed_until_killed(disk, log, numbers, chance))
        elif read_until_killed(disk, log, chance):
            promised = disk.calls().total()
        if chance.random() < 0.7:
            disk.cut_power()
            assert set(range(1, promised + 1)) <= disk.calls().keys()
    disk.finish("backfill", log)
    disk.cut_power()
    disk.holds(*range(1, next(numbers)))
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
    log_calls(log, 1)
    if known:
        disk.finish("backfill", log)
    for nth in count(1):
        expected.append(1 + nth * DAY if known else 1 + nth)  # a day more of a new warehouse would be more to sync
        log_calls(log, expected[-1])
        if not known and disk.warehouse.exists():
            disk.empty()
        if not killed_before_a_sync(disk, log, "", nth):
            break
        if cut:
            disk.cut_power()
        disk.finish("backfill", log)
        disk.cut_power()
        disk.holds(*expected)
    assert nth > 10
