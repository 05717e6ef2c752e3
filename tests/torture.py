"""Writers, followers, backfills, compactions and a reader over one family of logs, and SIGKILL for all of them.

    python tests/torture.py --kills 500 --followers 3

Half of the kills come at a random instant, half at a named point: the child wraps the functions that write with ones
that kill it at their n-th call. In the end the tables must equal what was written, to the call.
"""

import argparse
import gzip
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
from pathlib import Path

import polars as pl
from logs import calls, exactly, lines, session, tiles

from ingest.maintenance.verify import verify

POINTS = (
    "after the data file",
    "before the fsync",
    "after the fsync",
    "after the log entry",
    "in the checkpoint",
    "after the checkpoint",
)
COMPACTION_POINTS = (*POINTS, "after the merge", "in the clean-up")
ROTATE_EVERY = 1000
CHECKPOINT_EVERY = 9


def main():
    """Run as a script: the torture, or one of its children."""
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
        return
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=500)
    options.add_argument("--followers", type=int, default=3)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--keep", help="work in this folder, and leave it there")
    given = options.parse_args()
    folder = Path(given.keep or tempfile.mkdtemp(prefix="ingest-torture-"))
    begun = time.monotonic()
    done = torture(folder, kills=given.kills, followers=given.followers, seed=given.seed)
    for what, count in sorted(done.items()):
        sys.stdout.write(f"{count:8,} {what}\n")
    sys.stdout.write(f"the tables equal what was written; {time.monotonic() - begun:.0f} s\n")
    if not given.keep:
        shutil.rmtree(folder)


def torture(folder, *, kills, followers, seed):
    """Run until *kills* processes were killed; return what happened, or raise AssertionError."""
    folder.mkdir(parents=True, exist_ok=True)
    log, warehouse = folder / "maestro.log", folder / "warehouse"
    done, stop, written = Counter(), threading.Event(), []
    subprocess.run([*command("", 0), "follow", "--once", str(folder / "none.log"), "-w", str(warehouse)], check=True)
    follow = ["follow", "--interval", "0.02", str(log)]
    roles = [(f"follower {n + 1}", follow, POINTS) for n in range(followers)]
    roles += [("backfill", ["backfill", str(log)], POINTS), ("compaction", ["compact"], COMPACTION_POINTS)]
    threads = [threading.Thread(target=write, args=(log, written, stop))]
    threads += [
        threading.Thread(target=run_and_kill, args=(role, warehouse, done, stop, random.Random(f"{seed} {role[0]}")))
        for role in roles
    ]
    for thread in threads:
        thread.start()
    try:
        while not stop.is_set():
            read(warehouse, done)
            if sum(n for what, n in done.items() if what.startswith("killed")) >= kills:
                stop.set()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for _ in range(2):
        subprocess.run([*command("", 0), "follow", "--once", str(log), "-w", str(warehouse)], check=True)
    assert not [what for what in done if what.startswith("FAILED")], done
    compare(warehouse, written)
    done["calls written"] = len(written)
    return done


def write(log, written, stop):
    """Append numbered calls, sessions between them, in pieces; rotate; pack old generations; copy some."""
    chance, number = random.Random(7), 0
    file = log.open("ab", buffering=0)
    while not stop.wait(0.01):
        number += 1
        data = (session(number) if number % 10 == 0 else b"") + lines(number)
        cut = chance.randrange(len(data))
        file.write(data[:cut])
        file.write(data[cut:])
        written.append(number)
        if number % ROTATE_EVERY == 0:
            file.close()
            rotate(log)
            file = log.open("ab", buffering=0)
    file.close()


def rotate(log):
    """Move every generation one up, and pack the fourth."""
    generations = sorted(log.parent.glob(f"{log.name}.*"), key=lambda p: -int(p.name.split(".")[2]))
    for path in generations:
        name, extension, number, *packed = path.name.split(".")
        path.rename(path.with_name(".".join([name, extension, str(int(number) + 1), *packed])))
    log.rename(f"{log}.1")
    fourth = log.with_name(f"{log.name}.4")
    if fourth.exists():
        with gzip.open(f"{fourth}.gz", "wb") as packed:
            packed.write(fourth.read_bytes())
        fourth.unlink()


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
            [*child_command, *arguments, "-w", str(warehouse)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
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


def read(warehouse, done):
    """Read the table as any reader would: whatever the instant, no call is there twice."""
    found = calls(warehouse)
    assert found.total() == len(found), [n for n, times in found.items() if times > 1][:10]
    done["times read"] += 1
    time.sleep(0.2)


def compare(warehouse, written):
    """See that the tables hold what was written: each call, each session, each byte once."""
    assert calls(warehouse) == exactly(*written)
    events = pl.scan_delta(str(warehouse / "llm_events")).filter(kind="session_started").collect()
    assert Counter(events["session_id"]) == Counter(str(n) for n in written if n % 10 == 0)
    assert all(tiles(warehouse).values())
    assert verify(warehouse).problems == []


def child(point, nth, arguments):
    """Run the command line in this process, which kills itself at the *nth* time at *point*."""
    import ingest.maintenance.compact
    import ingest.warehouse.storage.local
    import ingest.warehouse.table
    from ingest.cli import cli
    from ingest.warehouse.parquet_files import DataFiles
    from ingest.warehouse.table import Table

    ingest.warehouse.table.CHECKPOINT_EVERY = CHECKPOINT_EVERY
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
        "before the fsync": (ingest.warehouse.storage.local, "sync", True),
        "after the fsync": (ingest.warehouse.storage.local, "sync", False),
        "after the log entry": (Table, "_commit", False),
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
