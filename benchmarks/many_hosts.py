"""Hosts that put what they log into the inbox of a bucket, and one `ingest fold` that commits it.

    python -m benchmarks.many_hosts --hosts 100 --every 5 --turns 8 --delay 0.03

The bucket is the server of the tests, each request of which takes `--delay` seconds longer. A hundred interpreters are
more than two cores can run, so the hosts are threads of two processes, each with an inbox and connections of its own;
they have parsed what they log before the clock runs, as each of a hundred machines would on its own processor. A line
waits from being handed to its host's inbox until the log entry that lists it is in the bucket.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import polars as pl

from benchmarks.crowd import call
from benchmarks.measure import INGEST, bar, must
from ingest.following.follower import Follower
from ingest.ledger import Batch
from ingest.maintenance.verify import verify
from ingest.prices.price import load_prices
from ingest.reading.intake import Intake
from ingest.warehouse.dry_run import Rehearsal
from ingest.warehouse.inbox import Inbox
from ingest.warehouse.storage.bucket import Bucket
from ingest.warehouse.storage.store import Place
from ingest.warehouse.warehouse import Warehouse
from parsers import FORMATS

PROCESSES = 2
LINES = 3
"""How many calls a host logs at a time."""


class Crowd(NamedTuple):
    """So many *hosts*, each of which logs so many *turns*, one *every* so many seconds, in the folder *scratch*."""

    hosts: int
    every: float
    turns: int
    scratch: Path

    @property
    def calls(self) -> Counter[str]:
        """What is to be in the table in the end."""
        return Counter(f"{me}-{number}" for me in range(self.hosts) for number in range(self.turns * LINES))


def main() -> None:
    """Run the hosts and the fold, and print what became of their lines, how soon, and what it took."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hosts", type=int, default=100)
    options.add_argument("--every", type=float, default=5.0, help="seconds between two batches of a host")
    options.add_argument("--turns", type=int, default=8, help="batches of each host")
    options.add_argument("--delay", type=float, default=0.03, help="seconds that each request takes longer")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="ingest-hosts-") as scratch:
        measure(Crowd(given.hosts, given.every, given.turns, Path(scratch)), given.delay)


def measure(crowd: Crowd, delay: float) -> None:
    """Let the *crowd* log, and print the figures."""
    sys.path.append(str(Path(__file__).parent.parent / "tests"))
    from bucket_server import started

    bucket = started(crowd.scratch)
    os.environ |= bucket.environment
    Warehouse(bucket.url, make=True)
    spawned = multiprocessing.get_context("spawn")
    ready = spawned.Barrier(crowd.hosts + 1)
    work = [spawned.Process(target=run_hosts, args=(bucket.url, crowd, at, ready)) for at in range(PROCESSES)]
    for process in work:
        process.start()
    own_cache = os.environ | {"XDG_CACHE_HOME": str(crowd.scratch / "cache of the fold")}  # as on a host of its own
    folding = subprocess.Popen([*INGEST, "fold", "--every", "1", "-w", bucket.url], env=own_cache)
    ready.wait()
    bucket.set(delay=delay)
    before, begun = processor_seconds(folding.pid), time.monotonic()
    for process in work:
        process.join()
        must(process.exitcode, 0, "exit code of the hosts")
    while len(waits := visible(bucket.root / "calls", crowd)) < crowd.calls.total():
        if time.monotonic() > begun + 600:
            sys.exit(f"only {len(waits):,} calls are visible after ten minutes")
        time.sleep(0.2)
    asked, took = bucket.counts(), time.monotonic() - begun
    must(folding.poll(), None, "exit code of the fold")
    cpu = (processor_seconds(folding.pid) - before) / took
    folding.kill()
    bucket.set(delay=0)
    must(found(bucket.url), crowd.calls, "calls")
    must(verify(bucket.url).problems, [], "problems")
    entries = [entry for entry in bucket.root.rglob("_delta_log/*.json") if int(entry.stem)]
    bucket.close()

    batches, requests = crowd.hosts * crowd.turns, asked.total() / (crowd.hosts * crowd.turns)
    print(f"{crowd.hosts} hosts, a batch each {crowd.every:g} s, {1000 * delay:g} ms a request: {batches:,} batches")
    print(f"  {len(entries)} entries in all tables; the fold took {cpu:.2f} of a core; {took:.0f} s")
    print(f"  {asked.total():,} requests: " + ", ".join(f"{kind} {count:,}" for kind, count in asked.most_common()))
    p50, p99 = share(waits, 0.5), share(waits, 0.99)
    bar(f"all rows, once: {len(waits):,}", met=True)
    bar(f"at most 5 requests a batch and table: {requests:.1f} a batch, {requests / 4:.1f} a table", met=requests <= 20)
    bar(f"visible within 5 s at p99: {p99:.1f} s, p50 {p50:.1f} s, at most {max(waits):.1f} s", met=p99 <= 5)


def run_hosts(url: str, crowd: Crowd, first: int, ready: Barrier) -> None:
    """Be every so many hosts from the *first* on, each in a thread of its own, until each has logged what it has to."""
    ahead = {me: parsed(url, crowd, me) for me in range(first, crowd.hosts, PROCESSES)}
    failed = list[str]()

    def run(me: int) -> None:
        try:
            be_host(url, crowd, me, ahead[me], ready)
        except BaseException as error:
            failed.append(f"host {me}: {error!r}")
            ready.abort()
            raise

    threads = [threading.Thread(target=run, args=(me,)) for me in ahead]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit("; ".join(failed) or 0)


def be_host(url: str, crowd: Crowd, me: int, batches: Sequence[Batch], ready: Barrier) -> None:
    """Put each of *batches* into the inbox when it is time, and note when that was."""
    inbox = Inbox(Bucket(url), f"host-{me}")
    ready.wait()
    begun, handed = time.monotonic() + crowd.every * me / crowd.hosts, list[float]()
    for turn, batch in enumerate(batches):
        time.sleep(max(0.0, begun + turn * crowd.every - time.monotonic()))
        handed.append(time.time())
        inbox.commit([batch])
    (crowd.scratch / f"{me}.json").write_text(json.dumps(handed), "utf-8")


def parsed(url: str, crowd: Crowd, me: int) -> list[Batch]:
    """Return what the follower of a host reads of what it logs, turn by turn."""
    log, ledger = crowd.scratch / f"{me}.jsonl", _Kept(url, host=f"host-{me}")
    follower = Follower([str(log)], Intake(ledger, load_prices(), FORMATS, host=f"host-{me}"), 0.001)
    for turn in range(crowd.turns):
        with log.open("a", encoding="utf-8") as file:
            file.write("".join(f"{call(str(me), turn * LINES + n)}\n" for n in range(LINES)))
        while follower.tick(final=True) is None:
            pass
    follower.close()
    must(len(ledger.kept), crowd.turns, "batches of a host")
    return ledger.kept


class _Kept(Rehearsal):
    """A dry run that keeps what it is given."""

    def __init__(self, place: Place, *, host: str | None = None) -> None:
        super().__init__(place, host=host)
        self.kept: list[Batch] = []

    def commit(self, batches: Sequence[Batch]) -> None:
        super().commit(batches)
        self.kept += batches


def visible(warehouse: Path, crowd: Crowd) -> list[float]:
    """Return how long each call waited, from being handed to its host's inbox until an entry listed it."""
    handed = [json.loads((crowd.scratch / f"{me}.json").read_text("utf-8")) for me in range(crowd.hosts)]
    waits = list[float]()
    for entry in sorted((warehouse / "llm_calls" / "_delta_log").glob("*.json")):
        actions = map(json.loads, entry.read_text("utf-8").splitlines())
        for path in [each["add"]["path"] for each in actions if "add" in each and each["add"]["dataChange"]]:
            rows = pl.read_parquet(warehouse / "llm_calls" / unquote(path), columns=["request_id"], glob=False)
            for request in rows["request_id"]:
                host, number, _ = request.split("-")
                waits.append(entry.stat().st_mtime - handed[int(host)][int(number) // LINES])
    return waits


def found(url: str) -> Counter[str]:
    """Return which calls are in the table, how often."""
    rows = Warehouse(url).tables["llm_calls"].scan().select("request_id").collect().to_series()
    return Counter(each.rpartition("-")[0] for each in rows)


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(waits: list[float], part: float) -> float:
    """Return the wait that *part* of all are not longer than."""
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * part))]


if __name__ == "__main__":
    main()
