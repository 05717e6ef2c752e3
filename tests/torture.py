"""Writers, followers, backfills, compactions and a reader over one family of logs, and SIGKILL for all of them.

    python tests/torture.py --kills 500 --followers 3
    python tests/torture.py --kills 200 --followers 3 --bucket

In a bucket each is a host of its own, with a cache of its own, and one in eight PUTs goes wrong: its answer is lost, is
a 500 though it was done, a 503, or a 409 though nothing was done.

Half of the kills come at a random instant, half at a named point: the child wraps the functions that write with ones
that kill it at their n-th call. In the end the tables must equal what was written, to the call.
"""

import argparse
import gzip
import logging
import logging.handlers
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from bucket_server import FAULTS, started
from logs import calls, exactly, lines, numbers, session, tiles

from ingest.maintenance.verify import verify
from ingest.warehouse.warehouse import Warehouse

POINTS = (
    "after the data file",
    "before the fsync",
    "after the fsync",
    "before the name is durable",
    "after the log entry",
    "in the checkpoint",
    "after the checkpoint",
)
BUCKET_POINTS = (
    "after the data file",
    "before the log entry",
    "after the log entry",
    "in the checkpoint",
    "after the checkpoint",
)
COMPACTION_POINTS = ("after the merge", "in the clean-up")
CHECKPOINT_EVERY = 9
LEASE_SECONDS = 5
"""A lease of one that was killed is anybody's so soon, for there to be compactions at all."""

NAMES = (
    "maestro.2026-11-28_20-14-05_{:06}.log",
    "maestro-2026-11-28-{}.log",
    "{}-maestro",
    "old/maestro.{}",
    "kept {} of it",
    "maestro.log.2026-11-28.{}",
)


def main():
    """Run as a script: the torture, or one of its children."""
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
        return
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=500)
    options.add_argument("--followers", type=int, default=3)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--rotator", choices=ROTATORS, help="who rotates; otherwise one of them by chance, or numbers")
    options.add_argument("--keep", help="work in this folder, and leave it there")
    options.add_argument("--bucket", action="store_true", help="the warehouse is in a bucket, which misleads")
    given = options.parse_args()
    folder = Path(given.keep or tempfile.mkdtemp(prefix="ingest-torture-"))
    begun = time.monotonic()
    rotator = given.rotator or ("numbers" if given.bucket else random.Random(given.seed).choice(list(ROTATORS)))
    bucket = started(folder) if given.bucket else None
    os.environ |= bucket.environment if bucket else {}
    options = {"kills": given.kills, "followers": given.followers, "seed": given.seed, "rotator": rotator}
    done = torture(folder / "family", **options, bucket=bucket)
    sys.stdout.write(f"         rotated by {rotator}\n")
    for what, count in sorted(done.items()):
        sys.stdout.write(f"{count:8,} {what}\n")
    sys.stdout.write(f"the tables equal what was written; {time.monotonic() - begun:.0f} s\n")
    if bucket:
        bucket.close()
    if not given.keep:
        shutil.rmtree(folder)


def torture(folder, *, kills, followers, seed, rotator="other names", bucket=None):
    """Run until *kills* processes were killed; return what happened, or raise AssertionError."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "maestro.log"
    warehouse, misleads = bucket.url if bucket else folder / "warehouse", bucket and bucket.root
    tables = bucket.root / "calls" if misleads else warehouse
    points = BUCKET_POINTS if bucket else POINTS
    done, stop, written = Counter(), threading.Event(), []
    rotating = ROTATORS[rotator](log, random.Random(seed))

    def once():
        subprocess.run([*command("", 0), "follow", "--once", str(log), "-w", str(warehouse)], check=True)

    # How names drawn by chance look is learned from the first that a known log takes: later ones may go unseen.
    add(rotating, written)
    once()
    before = len([*folder.iterdir()])
    while len([*folder.iterdir()]) == before:
        add(rotating, written)
    once()
    if misleads:
        bucket.set(faults=FAULTS)
    follow = ["follow", "--interval", "0.02", str(log)]
    roles = [(f"follower {n + 1}", follow, points) for n in range(followers)]
    roles += [("backfill", ["backfill", str(log)], points), ("compaction", ["compact"], (*points, *COMPACTION_POINTS))]
    threads = [threading.Thread(target=write, args=(rotating, written, stop))]
    threads += [
        threading.Thread(target=run_and_kill, args=(role, warehouse, done, stop, random.Random(f"{seed} {role[0]}")))
        for role in roles
    ]
    for thread in threads:
        thread.start()
    try:
        while not stop.is_set():
            read(tables, done)
            if sum(n for what, n in done.items() if what.startswith("killed")) >= kills:
                stop.set()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if misleads:
        bucket.set(faults={})
    for _ in range(2):
        once()
    assert not [what for what in done if what.startswith("FAILED")], done
    compare(tables, written)
    assert verify(warehouse).problems == []
    done["calls written"] = len(written)
    return done


def write(log, written, stop):
    """Let *log*, which rotates, take numbered calls, and sessions between them."""
    while not stop.wait(0.01):
        add(log, written)
    log.close()


def add(log, written):
    """Let *log* take the next call, and every tenth time a session before it."""
    number = len(written) + 1
    log.write((session(number) if number % 10 == 0 else b"") + lines(number))
    written.append(number)


class Numbers:
    """Writes in pieces, and moves every generation one up; packs the fourth."""

    every = 1000

    def __init__(self, log, chance):
        self.log, self.chance, self.calls = log, chance, 0
        self.file = log.open("ab", buffering=0)

    def write(self, data):
        cut = self.chance.randrange(len(data))
        self.file.write(data[:cut])
        self.file.write(data[cut:])
        self.calls += 1
        if self.calls % self.every == 0:
            self.file.close()
            self.rotate()
            self.file = self.log.open("ab", buffering=0)

    def rotate(self):
        generations = sorted(self.log.parent.glob(f"{self.log.name}.*"), key=lambda p: -int(p.name.split(".")[2]))
        for path in generations:
            name, extension, number, *packed = path.name.split(".")
            path.rename(path.with_name(".".join([name, extension, str(int(number) + 1), *packed])))
        self.log.rename(f"{self.log}.1")
        pack(self.log.with_name(f"{self.log.name}.4"), ".gz")

    def close(self):
        self.file.close()


class Names(Numbers):
    """Gives generations names of one kind, which is drawn by chance, and renames and packs some of them later."""

    every = 150

    def __init__(self, log, chance):
        super().__init__(log, chance)
        self.pattern = chance.choice(NAMES)

    def rotate(self):
        path = self.called()
        self.log.rename(path)
        others = [p for p in self.log.parent.rglob("*") if p.is_file() and p not in (self.log, path) and is_plain(p)]
        others = [p for p in others if "warehouse" not in p.parts]
        if others and self.chance.random() < 0.5:
            self.chance.choice(others).rename(self.called())
        if others and self.chance.random() < 0.5:
            other = self.chance.choice(others)
            if other.exists():
                pack(other, self.chance.choice(["", ".gz", ".kept"]))

    def called(self):
        """Return a name that nothing has yet."""
        path = self.log.parent / self.pattern.format(self.chance.randrange(10**6))
        path.parent.mkdir(exist_ok=True)
        return self.called() if path.exists() else path


def is_plain(path):
    """Tell whether nothing packed *path*."""
    with path.open("rb") as file:
        return file.read(2) != b"\x1f\x8b"


def pack(path, suffix):
    """Pack *path*, if it is there, into another file with *suffix* behind its name, or into itself."""
    if path.exists():
        data = path.read_bytes()
        path.with_name(f"{path.name}.part").write_bytes(gzip.compress(data))
        path.with_name(f"{path.name}.part").rename(f"{path}{suffix}")
        if suffix:
            path.unlink()


class Handler:
    """Python's own handler, with names of its own."""

    def __init__(self, log, _chance):
        self.handler = logging.handlers.RotatingFileHandler(log, maxBytes=250_000, backupCount=99)
        self.handler.namer = lambda name: str(Path(name).with_name(f"{Path(name).suffix[1:]}-before"))

    def write(self, data):
        text = data.decode().removesuffix("\n")
        self.handler.handle(logging.LogRecord("torture", logging.INFO, __file__, 0, text, None, None))

    def close(self):
        self.handler.close()


class Loguru:
    """loguru, which names generations by the time, and packs them."""

    def __init__(self, log, _chance):
        from loguru import logger

        logger.remove()
        logger.add(log, rotation=250_000, compression="gz", format="{message}")
        self.logger = logger

    def write(self, data):
        self.logger.info(data.decode().removesuffix("\n"))

    def close(self):
        self.logger.remove()


class Logrotate(Numbers):
    """logrotate, told to rotate at once."""

    def rotate(self):
        config = self.log.with_name("logrotate.conf")
        config.write_text(f"{self.log} {{\nrotate 99\ncompress\ndelaycompress\nextension .log\n}}\n")
        state = self.log.with_name("logrotate.state")
        subprocess.run(["logrotate", "-f", "-s", str(state), str(config)], check=True)


ROTATORS = {"numbers": Numbers, "other names": Names, "python": Handler}
ROTATORS |= {"loguru": Loguru} if find_spec("loguru") else {}
ROTATORS |= {"logrotate": Logrotate} if shutil.which("logrotate") else {}


def command(point, nth):
    """Return the command line of a child that dies at the *nth* time at *point*."""
    return [sys.executable, __file__, "child", point, str(nth)]


def run_and_kill(role, warehouse, done, stop, chance):
    """Start a process, kill it, and start it again."""
    name, arguments, points = role
    while not stop.is_set():
        point = chance.choice(points) if chance.random() < 0.5 else ""
        child_command = command(point, chance.randint(1, 6))
        process = subprocess.Popen(
            [*child_command, *arguments, "-w", str(warehouse)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"XDG_CACHE_HOME": f"{os.environ.get('XDG_CACHE_HOME', '')}/{name}"},
        )
        # Time counts from when it is at work: how long starting takes depends on the machine.
        begun = process.stderr.readline() if arguments[0] == "follow" and chance.random() < 0.9 else b""
        try:
            _, said = process.communicate(timeout=10 if point else chance.uniform(0.05, 2))
            said = begun + said
        except subprocess.TimeoutExpired:
            process.kill()
            _, said = process.communicate()
            point = "a random instant"
        if process.returncode == -signal.SIGKILL:
            done[f"killed {name.split()[0]} at: {point}"] += 1
        elif process.returncode == 0 or b"another process maintains" in said:
            done[f"ended {name.split()[0]}"] += 1
        else:
            done[f"FAILED {name}: {said.decode()[-2000:]}"] += 1
            stop.set()


def read(tables, done):
    """Read the table as any reader would: whatever the instant, no call is there twice."""
    found = held(tables)
    assert found.total() == len(found), [n for n, times in found.items() if times > 1][:10]
    done["times read"] += 1
    time.sleep(0.2)


def held(tables):
    """Return how often each call is in the *tables*: by another reader where they are files."""
    return calls(tables) if isinstance(tables, Path) else numbers(tables)


def compare(tables, written):
    """See that the tables hold what was written: each call, each session, each byte once."""
    found = held(tables)
    assert found == exactly(*written), (sorted(exactly(*written) - found), sorted(found - exactly(*written)))
    events = Warehouse(tables).tables["llm_events"].scan().filter(kind="session_started").collect()
    assert Counter(events["session_id"]) == Counter(str(n) for n in written if n % 10 == 0)
    assert not isinstance(tables, Path) or all(tiles(tables).values())


def child(point, nth, arguments):
    """Run the command line in this process, which kills itself at the *nth* time at *point*."""
    import ingest.maintenance.compact
    import ingest.warehouse.table
    from ingest.cli import cli
    from ingest.warehouse.parquet_files import DataFiles
    from ingest.warehouse.storage import bucket, local
    from ingest.warehouse.table import Table

    ingest.warehouse.table.CHECKPOINT_EVERY = CHECKPOINT_EVERY
    bucket.lease = partial(bucket.lease, seconds=LEASE_SECONDS)
    store = bucket.Bucket if "://" in arguments[-1] else local.Folder
    left = [nth]

    def dying(function, *, before):
        def wrapped(*given, **named):
            if before:
                count()
            result = function(*given, **named)
            if not before:
                count()
            return result

        return wrapped

    def count():
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    place = {
        "after the data file": (DataFiles, "write", False),
        "before the fsync": (local, "sync_file", True),
        "after the fsync": (local, "sync_file", False),
        "before the name is durable": (local, "sync_folder", True),
        "before the log entry": (store, "put_if_absent", True),
        "after the log entry": (store, "put_if_absent", False),
        "in the checkpoint": (Table, "checkpoint", True),
        "after the checkpoint": (Table, "checkpoint", False),
        "after the merge": (ingest.maintenance.compact, "_merge", False),
        "in the clean-up": (ingest.maintenance.compact, "remove_unlisted", True),
    }
    if point:
        owner, name, before = place[point]
        setattr(owner, name, dying(getattr(owner, name), before=before))
    cli(arguments)


if __name__ == "__main__":
    main()
