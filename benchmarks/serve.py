"""`ingest serve`: twenty clients ask for `tpm` over ten million calls, with a follower beside it and without."""

import http.client
import re
import statistics
import subprocess
import threading
import time
from pathlib import Path

from benchmarks.calls import write
from benchmarks.following import Following, growing
from benchmarks.measure import INGEST, Options, Taken, bar, head, must, row, run

CLIENTS = 20
SECONDS = 60.0


def main(options: Options) -> None:
    """Measure the command, the follower alone, the server on one snapshot, and both at once."""
    calls = int(10_000_000 * options.scale) // 30 * 30
    warehouse = options.data / f"served-{calls}"
    write(warehouse, calls=calls)
    seconds = max(SECONDS * min(options.scale * 10, 1), 5.0)
    command = run([*INGEST, "report", "tpm", "-j", "-w", str(warehouse)], runs=options.runs)
    head(f"{calls:,} calls, {CLIENTS} clients for {seconds:.0f} s", "p95 s", "answers", "peak MB", "a line waits s")
    row("`ingest report tpm`", command, "", f"{options.runs}", f"{command.peak / 1e6:,.0f}", "")
    still = _load(warehouse, seconds)
    _served("the server, one snapshot", still)
    with growing(warehouse) as following:
        alone = _waits(following, seconds)
        print(f"| the follower, alone | | | | | | | {alone:.2f} |", flush=True)
        waits = list[float]()
        thread = threading.Thread(target=lambda: waits.append(_waits(following, seconds)))
        thread.start()
        beside = _load(warehouse, seconds)
        thread.join()
    _served("the server, the follower beside it", beside, f"{waits[0]:.2f}")
    for taken in still, beside:
        share = _p95(taken) / command.median
        bar(f"p95 at most 1.5 × the command: {share:.2f} ×", met=share <= 1.5)
        bar(f"memory at most 1.5 GB: {taken.peak / 1e9:.2f} GB", met=taken.peak <= 1.5e9)
    bar(f"the follower not slowed by more than a tenth: {waits[0] / alone:.2f} ×", met=waits[0] <= 1.1 * alone)


def _served(what: str, taken: Taken, waits: str = "") -> None:
    row(what, taken, f"{_p95(taken):.2f}", f"{len(taken.seconds):,}", f"{taken.peak / 1e6:,.0f}", waits)


def _p95(taken: Taken) -> float:
    return statistics.quantiles(taken.seconds, n=20)[-1]


def _waits(following: Following, seconds: float) -> float:
    """Return how long a line waits until its row is there, as median of those of the next *seconds*."""
    following.waits.clear()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        following.look()
    return statistics.median(following.waits)


def _load(warehouse: Path, seconds: float) -> Taken:
    """Return how long each answer took, and the server's peak memory."""
    command = [*INGEST[:-1], "serve", "-w", str(warehouse), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    port = int(re.findall(r":(\d+)/", server.stderr.readline())[0])
    taken: list[float] = []
    statuses: set[int] = set()
    until = time.monotonic() + seconds
    clients = [threading.Thread(target=_ask, args=(port, until, taken, statuses)) for _ in range(CLIENTS)]
    try:
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        peak = Path(f"/proc/{server.pid}/status").read_text("ascii")
    finally:
        server.terminate()
        server.wait()
    must(statuses, {200}, "statuses")
    return Taken(tuple(taken), peak=int(re.findall(r"VmHWM:\s+(\d+)", peak)[0]) * 1024)


def _ask(port: int, until: float, taken: list[float], statuses: set[int]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    while time.monotonic() < until:
        began = time.monotonic()
        connection.request("GET", "/api/reports/tpm")
        response = connection.getresponse()
        response.read()
        taken.append(time.monotonic() - began)
        statuses.add(response.status)
