"""Real log lines with a number in them, and the table that must hold exactly those numbers: the oracle of the tests."""

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from ingest.following.file_events import Wakeups
from ingest.following.follower import Follower
from ingest.prices.price import load_prices
from ingest.reading.intake import Intake
from ingest.warehouse.warehouse import Warehouse
from parsers import FORMATS

START = datetime(2026, 2, 3, 14, 0, tzinfo=UTC)


def line(number, *, agent="coder-001"):
    """Return the log line of call *number*: its request tokens are the number."""
    at = (START + timedelta(milliseconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return (
        f"[{at}Z] [system] INFO: LLM call to model 'claude-sonnet-4-5': latency 1.5s, request tokens: {number:,}, "
        f"response tokens: 1, total tokens: {number + 1:,}, cost $0.000100 (agent: {agent}, story: , state: CODING)\n"
    )


def noise(number):
    """Return a log line that is no record."""
    at = (START + timedelta(milliseconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return f"[{at}Z] [coder-001] DEBUG: [runtime] container exec finished in {number}s, exit 0 ✅\n"


def session(number):
    """Return the log line that names the session *number*; calls after it belong to it."""
    return f"[2026-02-03T14:00:00.000Z] [config] INFO: 📋 Session ID: {number}\n".encode()


def lines(*numbers):
    """Return the lines of calls *numbers*, some noise between them, as bytes."""
    return "".join(line(n) + (noise(n) if n % 3 == 0 else "") for n in numbers).encode()


def append(path, data):
    """Append *data* to the file at *path*."""
    with path.open("ab") as file:
        file.write(data)


def log_calls(path, *numbers):
    """Append the lines of calls *numbers* to the log at *path*."""
    append(path, lines(*numbers))


def calls(folder):
    """Return how often each call number is in the table."""
    return Counter(pl.scan_delta(str(Path(folder, "llm_calls"))).select("request_tokens").collect().to_series())


def numbers(url):
    """Return how often each call number is in the table at *url*."""
    return Counter(Warehouse(url).tables["llm_calls"].scan().collect()["request_tokens"])


def sessions(folder):
    """Return the session of each call number."""
    frame = pl.scan_delta(str(Path(folder, "llm_calls"))).select("request_tokens", "session_id").collect()
    return dict(frame.iter_rows())


def exactly(*numbers):
    """Return the table that holds each of *numbers* once."""
    return Counter(numbers)


def intake(folder, formats=FORMATS):
    """Return an intake into the warehouse at *folder*."""
    return Intake(Warehouse(folder, make=True), load_prices(), formats)


def catch_up(follower, *, final=True):
    """Tick until nothing more is to be read."""
    while follower.tick(final=final) is None:
        pass


def follower(folder, *paths, interval=0.001):
    """Return a follower of *paths* into the warehouse at *folder*."""
    return Follower([str(p) for p in paths], intake(folder), interval)


def tiles(folder):
    """Return, per source, whether its batches tile its bytes from 0 to its offset without gap or overlap."""
    warehouse = Warehouse(folder)
    batches = pl.scan_delta(str(Path(folder, "batches"))).sort("source_id", "start_offset").collect()
    result = {}
    for (source,), part in batches.partition_by("source_id", as_dict=True).items():
        starts, ends = part["start_offset"].to_list(), part["end_offset"].to_list()
        position = warehouse.position(source)
        result[source] = starts == [0, *ends[:-1]] and position is not None and ends[-1] == position.offset
    return result


class World:
    """A log, a warehouse, and a follower that runs across each event, or is stopped before and started after it.

    A running one looks when it is told of *events*, or without being told.
    """

    def __init__(self, folder, *, running=True, events=False):
        self.folder, self.log, self.warehouse = folder, folder / "maestro.log", folder / "w"
        self.paths = [self.log]
        self._running, self._follower = running, None
        self._wakeups = Wakeups(events=events, ignore=[self.warehouse])
        self._told = events and running

    def __enter__(self):
        self._wakeups.__enter__().watch({self.folder: True})
        return self

    def __exit__(self, *exc):
        self.stop()
        self._wakeups.__exit__(*exc)

    def look(self):
        """Let the follower catch up."""
        if not self._running:
            self.stop()
        self._follower = self._follower or follower(self.warehouse, *self.paths)
        self._wakeups.watch({self.folder: True})
        if self._told:
            begun = time.monotonic()
            self._wakeups.wait(10)
            assert time.monotonic() - begun < 10, "no event told of it"
        catch_up(self._follower)

    def stop(self):
        """Stop the follower; the next look starts another."""
        if self._follower:
            self._follower.close()
        self._follower = None

    def holds(self, *numbers):
        """Look, and compare the table with the truth: each of *numbers* once, and the bytes of all sources tiled."""
        self.append(b"", self.folder / "anything.tmp")
        self.look()
        assert calls(self.warehouse) == exactly(*numbers)
        assert all(tiles(self.warehouse).values())

    def append(self, data, path=None):
        """Append *data* to the log, or to *path*."""
        append(path or self.log, data)

    def name(self, suffix):
        """Return the path that is called like the log with *suffix* behind it."""
        return self.log.with_name(f"{self.log.name}{suffix}")

    def rotate(self, generations=9):
        """Rename the log and its generations as maestro does when it starts; the oldest is deleted."""
        names = [self.log, *(self.name(f".{n}") for n in range(1, generations + 1))]
        names[-1].unlink(missing_ok=True)
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                newer.rename(older)
