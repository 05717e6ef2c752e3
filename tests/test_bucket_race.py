"""Many writers of one bucket, killed, misled and slowed down: one winner for each commit, and every call once."""

import os
import signal
import subprocess
import sys
import threading

import polars as pl
import pytest
from bucket_server import FAULTS
from logs import catch_up, exactly, follower, log_calls, numbers
from torture import torture

from ingest.maintenance.compact import compact
from ingest.maintenance.verify import verify
from ingest.warehouse.storage.bucket import Bucket, made
from ingest.warehouse.table import Table
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import TABLES


@pytest.mark.parametrize("rounds", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_of_eight_that_put_the_same_name_one_wins(bucket, rounds):
    bucket.set(faults=FAULTS)
    race(bucket.url, rounds)


def test_of_eight_that_put_the_same_name_to_azure_one_wins(container):
    race(container.url, 20)


def race(url, rounds):
    """Have eight put the same name, again and again; of each one wins, and what it put is there."""
    stores, won = [Bucket(url) for _ in range(8)], []

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
        assert stores[0].get(name).startswith(f"{me} ".encode())


def test_commits_of_several_writers_of_one_table_all_land(bucket):
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


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_four_overlapping_writers_that_are_killed_and_misled_equal_the_truth(bucket, tmp_path, kills):
    done = torture(tmp_path / "family", kills=kills, followers=3, seed=7, rotator="numbers", bucket=bucket)
    assert done["calls written"] > 100


@pytest.mark.parametrize("kills", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_four_overlapping_writers_of_azure_that_are_killed_equal_the_truth(container, tmp_path, kills):
    done = torture(tmp_path / "family", kills=kills, followers=3, seed=8, rotator="numbers", bucket=container)
    assert done["calls written"] > 100


@pytest.mark.parametrize("instant", ["before it merges", "before its commit", "before it cleans up"])
def test_a_compaction_that_was_paused_beyond_its_lease_changes_nothing(bucket, tmp_path, instant):
    each = follower(bucket.url, tmp_path / "a.log")
    for n in range(1, 6):
        log_calls(tmp_path / "a.log", n)
        catch_up(each)
    each.close()
    code = f"""
import os, signal
from functools import partial
from ingest.cli import cli
from ingest.maintenance import compact
from ingest.warehouse.storage import bucket

def paused(function):
    def pausing(*given, **named):
        if function.__name__ != "put_if_absent" or "_delta_log" in given[1]:
            os.kill(os.getpid(), signal.SIGSTOP)
        return function(*given, **named)
    return pausing

bucket.lease = partial(bucket.lease, seconds=1)
owner, name = {{
    "before it merges": (compact, "_merge"),
    "before its commit": (bucket.Bucket, "put_if_absent"),
    "before it cleans up": (compact, "remove_unlisted"),
}}[{instant!r}]
setattr(owner, name, paused(getattr(owner, name)))
cli(["compact", "-w", {bucket.url!r}])
"""
    asleep = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    os.waitpid(asleep.pid, os.WUNTRACED)
    (lease,) = (bucket.root / "calls").glob(".maintenance*")
    long_ago = lease.stat().st_mtime - 3600
    os.utime(lease, (long_ago, long_ago))
    made.cache_clear()
    compact(bucket.url)
    before = {table: sorted(pl.read_delta(str(bucket.root / "calls" / table)).rows()) for table in TABLES}
    entries = {path.name for path in (bucket.root / "calls" / "llm_calls" / "_delta_log").glob("*.json")}

    asleep.send_signal(signal.SIGCONT)
    said = asleep.communicate()[1]
    assert (asleep.returncode, said.count("\n")) == (1, 1), said
    assert "another process maintains this warehouse" in said
    assert {path.name for path in (bucket.root / "calls" / "llm_calls" / "_delta_log").glob("*.json")} == entries
    assert {table: sorted(pl.read_delta(str(bucket.root / "calls" / table)).rows()) for table in TABLES} == before
    assert numbers(bucket.url) == exactly(*range(1, 6))
    assert verify(bucket.url).problems == []
