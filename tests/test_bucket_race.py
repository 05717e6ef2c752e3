"""Many writers of one bucket, killed, misled and slowed down: one winner for each commit, and every call once."""

import random
import signal
import subprocess
import sys
import threading

import pytest
from logs import exactly, log_calls, numbers

from ingest.maintenance.verify import verify
from ingest.warehouse.storage.bucket import Bucket
from ingest.warehouse.table import Table
from ingest.warehouse.warehouse import Warehouse

FAULTS = {"lost": 0.03, "500": 0.03, "503": 0.03, "409": 0.03}


def start(bucket, *arguments):
    command = [sys.executable, "-m", "ingest", "-q", *map(str, arguments), "-w", bucket.url]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("rounds", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_of_eight_that_put_the_same_name_one_wins(bucket, rounds):
    stores, won = [Bucket(bucket.url) for _ in range(8)], []
    bucket.set(faults=FAULTS)

    def put(store, me, name, barrier):
        barrier.wait()
        if store.put_if_absent(name, f"{me} {name}".encode() * 1000):
            won.append((name, me))

    for n in range(rounds):
        barrier = threading.Barrier(8)
        threads = [threading.Thread(target=put, args=(s, me, f"race/{n}", barrier)) for me, s in enumerate(stores)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(won) == rounds
    for name, me in won:
        assert (bucket.root / "calls" / name).read_bytes().startswith(f"{me} ".encode())


def test_commits_of_several_writers_of_one_table_all_land(bucket):
    import polars as pl

    Warehouse(bucket.url, make=True)
    bucket.set(faults=FAULTS)

    def commit(me):
        table = Table(Bucket(bucket.url), "llm_calls")
        for n in range(8):
            table.append(pl.DataFrame(), {f"w{me}": n + 1}, {f"w{me}": n or None})

    threads = [threading.Thread(target=commit, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Table(Bucket(bucket.url), "llm_calls").offsets == {f"w{me}": 8 for me in range(4)}


@pytest.mark.slow
@pytest.mark.parametrize("kills", [10])
def test_four_overlapping_writers_that_are_killed_and_misled_equal_one(bucket, tmp_path, kills):
    logs = [tmp_path / f"{name}.log" for name in "abcdef"]
    for at, log in enumerate(logs):
        log_calls(log, *range(1 + 500 * at, 401 + 500 * at))
    chosen = random.Random(7)
    groups = [logs[0:4], logs[1:5], logs[2:6], [logs[0], logs[5], logs[3]]]
    bucket.set(faults=FAULTS, delay=0.005)
    left = kills
    while left:
        writers = [start(bucket, "backfill", *group) for group in groups]
        for writer in writers:
            try:
                writer.wait(timeout=chosen.uniform(0.5, 3.0))
            except subprocess.TimeoutExpired:
                if left:
                    writer.send_signal(signal.SIGKILL)
                    left -= 1
        for writer in writers:
            writer.communicate()
    bucket.set(faults={}, delay=0)
    last = start(bucket, "backfill", *logs)
    assert last.communicate()[1] == ""

    assert numbers(bucket.url) == exactly(*(n for at in range(6) for n in range(1 + 500 * at, 401 + 500 * at)))
    assert verify(bucket.url).problems == []
