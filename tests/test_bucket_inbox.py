"""Hosts that put what they read into an inbox, and folds that commit it: every row once, whoever dies."""

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from bucket_server import FAULTS
from logs import append, catch_up, exactly, line, lines, log_calls, numbers
from torture import BUCKET_POINTS, command

from ingest.errors import IngestError
from ingest.following.follower import Follower
from ingest.ledger import Conflict
from ingest.maintenance.verify import verify
from ingest.prices.price import load_prices
from ingest.reading.intake import Intake
from ingest.warehouse.inbox import Folding, Inbox, fold, waiting
from ingest.warehouse.storage import bucket as bucket_module
from ingest.warehouse.warehouse import Warehouse
from parsers import FORMATS


def host(url, name, log, *, look=0):
    """Return a follower of *log* that puts into the inbox as host *name*."""
    return Follower([str(log)], Intake(Inbox(url, name, look=look), load_prices(), FORMATS, host=name), 0.001)


def test_what_hosts_put_is_committed_once_by_a_fold(bucket, tmp_path):
    hosts = [host(bucket.url, f"web-{n}", tmp_path / f"{n}.log") for n in range(3)]
    for turn in range(3):
        for n, each in enumerate(hosts):
            log_calls(tmp_path / f"{n}.log", 100 * n + turn + 1)
            catch_up(each)
        if turn != 1:
            fold(bucket.url)
    fold(bucket.url)

    assert numbers(bucket.url) == exactly(*(100 * n + turn + 1 for n in range(3) for turn in range(3)))
    assert verify(bucket.url).problems == []
    assert waiting(bucket.url) is None
    assert fold(bucket.url) == 0


def test_a_batch_takes_few_requests(bucket, tmp_path):
    log = tmp_path / "a.log"
    each = host(bucket.url, "web-1", log)
    log_calls(log, 1)
    catch_up(each)
    fold(bucket.url)
    for n in range(2, 5):
        log_calls(log, n)
        bucket.counts()
        catch_up(each)
        counts = bucket.counts()
        assert (
            counts["PUT inbox"] == counts.total() - counts["LIST log"] - counts["LIST inbox"] - counts["GET log"] == 1
        )
        fold(bucket.url)
        assert counts.total() + bucket.counts().total() <= 5 * 4
    assert numbers(bucket.url) == exactly(*range(1, 5))


def test_a_host_that_starts_anew_goes_on_behind_what_waits(bucket, tmp_path):
    log = tmp_path / "a.log"
    for n in range(1, 4):
        log_calls(log, n)
        catch_up(host(bucket.url, "web-1", log))
    assert waiting(bucket.url)[:2] == (3, 1)
    fold(bucket.url)
    assert numbers(bucket.url) == exactly(1, 2, 3)


def test_two_followers_of_one_log_on_a_host_put_every_row_once(bucket, tmp_path):
    log = tmp_path / "a.log"
    two = [host(bucket.url, "web-1", log) for _ in range(2)]
    for n in range(1, 9):
        log_calls(log, n)
        for each in two if n % 2 else reversed(two):
            catch_up(each)
        if n % 3 == 0:
            fold(bucket.url)
    for each in two:
        catch_up(each)
    fold(bucket.url)
    assert numbers(bucket.url) == exactly(*range(1, 9))
    assert verify(bucket.url).problems == []


def test_what_a_direct_follower_has_committed_meanwhile_is_refused_and_read_no_second_time(bucket, tmp_path):
    log = tmp_path / "a.log"
    each = host(bucket.url, "web-1", log)
    log_calls(log, 1)
    catch_up(each)
    log_calls(log, 2)
    direct = Intake(Warehouse(bucket.url, host="web-1"), load_prices(), FORMATS, host="web-1")
    catch_up(Follower([str(log)], direct, 0.001))
    log_calls(log, 3)
    catch_up(each)
    fold(bucket.url)
    log_calls(log, 4)
    for _ in range(3):
        catch_up(each)
        fold(bucket.url)
    assert numbers(bucket.url) == exactly(1, 2, 3, 4)
    assert verify(bucket.url).problems == []


@pytest.mark.parametrize("table", ["llm_events", "rejects", "batches", "llm_calls"])
def test_a_fold_that_dies_between_two_tables_is_repeated(bucket, tmp_path, table):
    log = tmp_path / "a.log"
    each = host(bucket.url, "web-1", log)
    append(log, line(1).encode() + b"[2026-02-03T14:00:00.001Z] [s] INFO: LLM call to model 'x': broken\n")
    append(log, b"[2026-02-03T14:00:00.000Z] [config] INFO: \xf0\x9f\x93\x8b Session ID: 7\n" + lines(2))
    catch_up(each)
    code = f"""
import os
from ingest.warehouse.inbox import fold
from ingest.warehouse.table import Table
real = Table.append
def dying(self, rows, offsets, expected):
    real(self, rows, offsets, expected)
    if self.name == {table!r} and {{k for k in offsets if "#" not in k and offsets[k]}}:
        os._exit(9)

Table.append = dying
fold({bucket.url!r})
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    bucket_module.made.cache_clear()
    fold(bucket.url)
    assert numbers(bucket.url) == exactly(1, 2)
    assert verify(bucket.url).problems == []
    assert waiting(bucket.url) is None


def test_status_shows_each_host_and_what_waits(bucket, tmp_path):
    for name in ("web-1", "web-2"):
        (tmp_path / name).mkdir()
        log_calls(tmp_path / name / "app.log", 1, 2)
        command = ["follow", "--once", "--inbox", "--host", name, str(tmp_path / name / "app.log")]
        subprocess.run([sys.executable, "-m", "ingest", "-q", *command, "-w", bucket.url], check=True)

    def status():
        command = [sys.executable, "-m", "ingest", "status", "-w", bucket.url]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    assert (status()["inbox"]["intents"], status()["inbox"]["hosts"]) == (2, 2)
    done = subprocess.run(
        [sys.executable, "-m", "ingest", "fold", "-w", bucket.url], capture_output=True, text=True, check=True
    )
    assert done.stderr == "folded 2 batches\n"
    assert "inbox" not in status()
    assert [(s["host"], s["records"]) for s in status()["sources"]] == [("web-1", 2), ("web-2", 2)]


def test_an_inbox_needs_a_bucket_and_a_host(bucket, tmp_path):
    with pytest.raises(IngestError, match="--inbox is for a warehouse in a bucket"):
        Inbox(tmp_path / "w", "web-1")
    with pytest.raises(IngestError, match="--inbox needs --host"):
        Inbox(bucket.url, None)


@pytest.mark.parametrize("data", [b"", b"{}", b"{}\n", b"\xff\xfe\n", b'{"lengths": 7}\n'])
def test_something_else_in_the_inbox_is_told_and_keeps_nothing_from_being_folded(bucket, tmp_path, data):
    log_calls(tmp_path / "a.log", 1, 2)
    catch_up(host(bucket.url, "web-1", tmp_path / "a.log"))
    (bucket.root / "calls" / "_inbox" / "web-0" / "s").mkdir(parents=True)
    (bucket.root / "calls" / "_inbox" / "web-0" / "s" / "0").write_bytes(data)
    with pytest.raises(IngestError, match=r"web-0/s/0 is no intent of .*: delete it"):
        fold(bucket.url)
    assert numbers(bucket.url) == exactly(1, 2)
    assert waiting(bucket.url)[:2] == (1, 1)


def test_all_that_waits_is_fetched_at_once_and_committed_in_its_order(bucket, tmp_path):
    log = tmp_path / "a.log"
    each = host(bucket.url, "web-1", log)
    for n in range(1, 9):
        log_calls(log, n)
        catch_up(each)
    bucket.counts()
    assert fold(bucket.url) == 8
    counts = bucket.counts()
    assert (counts["GET inbox"], counts["LIST inbox"], counts["PUT data"]) == (8, 1, 16)
    assert counts["PUT log"] == 17  # the name of the source, and of each batch the ledger and the calls
    assert counts.total() <= 8 * 6 + 15, counts  # what is open is opened once
    assert numbers(bucket.url) == exactly(*range(1, 9))
    assert verify(bucket.url).problems == []


def test_a_fold_that_stays_asks_for_no_more_than_a_commit_and_a_look(bucket, tmp_path):
    log = tmp_path / "a.log"
    each, folding = host(bucket.url, "web-1", log), Folding(bucket.url)
    for n in range(1, 6):
        log_calls(log, n)
        catch_up(each)
        bucket.counts()
        assert folding.fold() == 1
        counts = bucket.counts()
        assert n < 3 or counts.total() <= 8, counts  # two looks, a GET, two tables, the deletion
    bucket.counts()
    assert folding.fold() == 0
    assert bucket.counts() == {"LIST inbox": 1}
    assert numbers(bucket.url) == exactly(*range(1, 6))


def test_two_that_name_a_growing_log_differently_are_not_both_believed(bucket, tmp_path):
    log = tmp_path / "a.log"
    log_calls(log, 1)
    short, long = (host(bucket.url, "web-1", log, look=3600) for _ in range(2))  # neither sees what the other puts
    catch_up(short)
    log_calls(log, *range(2, 40))
    catch_up(long)
    assert waiting(bucket.url)[0] == 2
    fold(bucket.url)
    for _ in range(3):
        catch_up(host(bucket.url, "web-1", log))
        fold(bucket.url)
    assert numbers(bucket.url) == exactly(*range(1, 40))
    assert verify(bucket.url).problems == []


def test_new_logs_of_many_hosts_that_begin_alike_are_named_in_one_commit(bucket, tmp_path):
    hosts = [host(bucket.url, f"web-{n}", tmp_path / f"{n}.log") for n in range(8)]
    for n, each in enumerate(hosts):
        log_calls(tmp_path / f"{n}.log", 1, 2, 3)
        catch_up(each)
        if n == 3:
            assert fold(bucket.url) == 4
    bucket.counts()
    assert fold(bucket.url) == 4
    assert bucket.counts()["PUT log"] == 3
    assert numbers(bucket.url) == {1: 8, 2: 8, 3: 8}


def test_two_folds_at_once_commit_every_intent_once(bucket, tmp_path):
    hosts = [host(bucket.url, f"web-{n}", tmp_path / f"{n}.log") for n in range(6)]
    folds = [Folding(bucket_module.Bucket(bucket.url)) for _ in range(2)]
    bucket.set(delay=0.005)
    for turn in range(6):
        for n, each in enumerate(hosts):
            log_calls(tmp_path / f"{n}.log", 100 * n + turn + 1)
            catch_up(each)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Folding.fold, folds))
    bucket.set(delay=0)
    fold(bucket.url)
    assert numbers(bucket.url) == exactly(*(100 * n + turn + 1 for n in range(6) for turn in range(6)))
    assert verify(bucket.url).problems == []
    assert waiting(bucket.url) is None


def test_folds_that_are_killed_and_misled_beside_another_commit_every_intent_once(bucket, tmp_path):
    hosts = [host(bucket.url, f"web-{n}", tmp_path / f"{n}.log") for n in range(3)]
    bucket.set(faults=FAULTS)
    ended = Counter()
    for turn, (point, nth) in enumerate((point, nth) for point in BUCKET_POINTS[:3] for nth in (1, 2)):
        for n, each in enumerate(hosts):
            log_calls(tmp_path / f"{n}.log", 100 * n + turn + 1)
            catch_up(each)
        folds = [subprocess.Popen([*command(*dies), "fold", "-w", bucket.url]) for dies in ((point, nth), ("", 0))]
        ended.update(each.wait() for each in folds)
    bucket.set(faults={})
    fold(bucket.url)
    for each in hosts:  # what a fold refused is read again
        catch_up(each)
    fold(bucket.url)
    assert ended[-signal.SIGKILL] > 0
    assert set(ended) <= {0, -signal.SIGKILL}
    assert numbers(bucket.url) == exactly(*(100 * n + turn + 1 for n in range(3) for turn in range(6)))
    assert verify(bucket.url).problems == []
    assert waiting(bucket.url) is None


def test_a_host_keeps_nothing_of_what_it_has_put(bucket, tmp_path):
    each = host(bucket.url, "web-1", tmp_path / "a.log")
    for n in range(1, 4):
        log_calls(tmp_path / "a.log", n)
        catch_up(each)
        fold(bucket.url)
    assert not [*(tmp_path / "cache").rglob("_inbox*")]


@pytest.mark.slow
def test_a_hundred_hosts_each_five_seconds(bucket, tmp_path):
    """All rows, once. How soon they are visible isn't asked here, where a hundred hosts are threads of one process."""
    hosts, rounds, interval = 100, 4, 5.0
    Warehouse(bucket.url, make=True)
    bucket.set(delay=0.03)
    stop = threading.Event()

    def run(me):
        own = Inbox(bucket_module.Bucket(bucket.url), f"h{me}")
        log = tmp_path / f"{me}.log"
        each = Follower([str(log)], Intake(own, load_prices(), FORMATS, host=f"h{me}"), 0.001)
        for turn in range(rounds):
            stop.wait(interval * (me / hosts if turn == 0 else 1))
            log_calls(log, 1 + me * rounds + turn)
            catch_up(each)

    def folding():
        place = bucket_module.Bucket(bucket.url)
        while not stop.wait(0.2):
            fold(place)

    folder = threading.Thread(target=folding)
    threads = [threading.Thread(target=run, args=(me,)) for me in range(hosts)]
    for thread in (folder, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    folder.join()
    fold(bucket.url)
    assert numbers(bucket.url) == exactly(*range(1, 1 + hosts * rounds))
    assert verify(bucket.url).problems == []


def test_an_intent_that_another_put_is_a_conflict(bucket, tmp_path):
    one, two = Inbox(bucket.url, "web-1"), Inbox(bucket.url, "web-1")
    log = tmp_path / "a.log"
    log_calls(log, 1)
    catch_up(Follower([str(log)], Intake(one, load_prices(), FORMATS), 0.001))
    ((batch,),) = one._chains.values()  # noqa: SLF001 # what it has put
    with pytest.raises(Conflict):
        two.commit([batch])
