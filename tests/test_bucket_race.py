"""Many writers of one bucket, killed, misled and slowed down: one winner for each commit, and every call once."""

import threading

import pytest
from bucket_server import FAULTS
from torture import torture

from ingest.warehouse.storage.bucket import Bucket
from ingest.warehouse.table import Table
from ingest.warehouse.warehouse import Warehouse


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


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_four_overlapping_writers_that_are_killed_and_misled_equal_the_truth(bucket, tmp_path, kills):
    done = torture(tmp_path / "family", kills=kills, followers=3, seed=7, rotator="numbers", bucket=bucket)
    assert done["calls written"] > 100
