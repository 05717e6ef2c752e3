"""`ingest serve`: twenty clients ask for `tpm` over ten million calls, while commits come."""

import http.client
import os
import re
import statistics
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from benchmarks.calls import write
from benchmarks.measure import INGEST, Options, Taken, bar, head, must, row, run
from ingest.ledger import Batch
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import CALLS, EVENTS, REJECTS, conform, polars_schema

CLIENTS = 20
SECONDS = 60.0
COMMIT_SECONDS = 2.0


def main(options: Options) -> None:
    """Measure the command, the server on one snapshot, and the server while it changes."""
    calls = int(10_000_000 * options.scale) // 30 * 30
    warehouse = options.data / f"served-{calls}"
    write(warehouse, calls=calls)
    seconds = max(SECONDS * min(options.scale * 10, 1), 5.0)
    command = run([*INGEST, "report", "tpm", "-j", "-w", str(warehouse)], runs=options.runs)
    head(f"{calls:,} calls, {CLIENTS} clients for {seconds:.0f} s", "p95 s", "answers", "peak MB")
    row("`ingest report tpm`", command, "", f"{options.runs}", f"{command.peak / 1e6:,.0f}")
    for what, committing in ("one snapshot", False), (f"a commit every {COMMIT_SECONDS:.0f} s", True):
        served = _load(warehouse, seconds, committing=committing)
        p95 = statistics.quantiles(served.seconds, n=20)[-1]
        row(f"the server, {what}", served, f"{p95:.2f}", f"{len(served.seconds):,}", f"{served.peak / 1e6:,.0f}")
        bar(f"p95 at most 1.5 × the command: {p95 / command.median:.2f} ×", met=p95 <= 1.5 * command.median)
        bar(f"memory under 1.5 GB: {served.peak / 1e9:.2f} GB", met=served.peak < 1.5e9)


def _load(warehouse: Path, seconds: float, *, committing: bool) -> Taken:
    """Return how long each answer took, and the server's peak memory."""
    command = [*INGEST[:-1], "serve", "-w", str(warehouse), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    port = int(re.findall(r":(\d+)/", server.stderr.readline())[0])
    taken: list[float] = []
    statuses: set[int] = set()
    until = time.monotonic() + seconds
    clients = [threading.Thread(target=_ask, args=(port, until, taken, statuses)) for _ in range(CLIENTS)]
    if committing:
        clients.append(threading.Thread(target=_commit, args=(warehouse, until)))
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


def _commit(warehouse: Path, until: float) -> None:
    """Add a call every few seconds, as a follower does."""
    opened, source, number = Warehouse(warehouse), os.urandom(16).hex(), 0
    events, rejects = pl.DataFrame(schema=polars_schema(EVENTS)), pl.DataFrame(schema=polars_schema(REJECTS))
    while time.monotonic() < until:
        now = datetime.now(UTC)
        call = pl.DataFrame({"created_at": [now], "model": ["gpt-5.2"], "total_tokens": [1], "source_id": [source]})
        rows = call.with_columns(ingested_at=pl.lit(now), source_offset=pl.lit(number), format=pl.lit("maestro-log/V4"))
        batch = Batch(source, "live.log", number or None, number + 1, None, 1, conform(rows, CALLS), events, rejects)
        opened.commit([batch])
        number += 1
        time.sleep(COMMIT_SECONDS)
