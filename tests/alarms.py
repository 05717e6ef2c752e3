"""A follower with rules whose messages a web server takes, and SIGKILL for it, for what checks its rules, or for both.

    python tests/alarms.py --kills 100

Kills come while a message is under way, as soon as rows are there, and at a random instant after that. In the end each
crossing was told once, and once more for each kill that its message was under way at.
"""

import argparse
import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import polars as pl
from logs import append, line
from processes import Ingest
from webhooks import Hook

from ingest.maintenance.verify import verify

RULE = """
webhook = "{url}"
[[rule]]
name = "tenth"
sql = "select request_tokens as n from llm_calls where request_tokens % 10 = 0"
key = "n"
"""
ROUND = 30
"""Calls of a round, of which every tenth crosses the rule."""


def main():
    """Run as a script."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ingest-alarms-") as folder:
        done = alarms(Path(folder), kills=given.kills, seed=given.seed)
    for what, count in done.items():
        sys.stdout.write(f"{count:8,} {what}\n")
    sys.stdout.write(f"every crossing was told; {time.monotonic() - begun:.0f} s\n")


def alarms(folder, *, kills, seed):
    """Kill so often; return what happened, or raise AssertionError."""
    chance, log, done, under_way = random.Random(seed), folder / "maestro.log", Counter(), Counter()
    aim = Aim()
    with Ingest(folder) as running, Hook(aim.message) as hook:
        say(running.warehouse, RULE.format(url=hook.url))
        for number in range(kills):
            append(log, "".join(line(ROUND * number + n) for n in range(1, ROUND + 1)).encode())
            had, came = running.calls().total(), len(hook.came)
            process = running.start("follow", "--interval", "0.02", log)
            running.until(lambda process=process: checker(process))
            watched = {"follower": os.pidfd_open(process.pid), "checker": os.pidfd_open(checker(process))}
            killed = chance.choice([["follower"], ["checker"], ["checker", "follower"]])
            when = ("with a message under way", "once rows were there", "at a random instant")[number % 3]
            if number % 3 == 0:
                aim.at([watched[who] for who in killed], message=chance.randint(1, ROUND // 10))
                hook.until(lambda _: aim.hit)
            else:
                running.until(lambda had=had: running.calls().total() > had)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0, 2) if number % 3 == 2 else 0)
                for who in killed:
                    end(watched[who])
            running.close()
            over(watched["checker"])  # without its follower it checks once more, and goes
            for descriptor in watched.values():
                os.close(descriptor)
            under_way.update({message["id"] for message in hook.came[came:]} & pending(running.warehouse))
            done[f"kills of {' and '.join(killed)} {when}"] += 1
        running.finish("follow", "--once", log)
    compare(running.warehouse, Counter(message["id"] for message in hook.came), under_way, kills * ROUND)
    assert verify(running.warehouse).problems == []
    sent = {"crossings": kills * ROUND // 10, "messages": len(hook.came), "under way at a kill": under_way.total()}
    return dict(sorted(done.items())) | sent


class Aim:
    """Ends processes when a message comes, before it is answered."""

    def __init__(self):
        self.hit, self._left, self._targets = False, 0, []

    def at(self, targets, *, message):
        """End *targets* at the so many-th *message* from now."""
        self.hit, self._targets, self._left = False, targets, message

    def message(self, _):
        """Count one."""
        self._left -= 1
        if self._left == 0:
            for target in self._targets:
                end(target)
            self.hit = True


def say(warehouse, rules):
    """Write *rules* into *warehouse*, for its owner alone."""
    warehouse.mkdir(exist_ok=True)
    file = warehouse / "alerts.toml"
    file.write_text(rules)
    file.chmod(0o600)


def checker(process):
    """Return the process that checks rules for *process*; None before there is one."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return next((int(pid) for pid in children if b"check" in Path(f"/proc/{pid}/cmdline").read_bytes()), None)


def end(descriptor):
    """Kill a process, unless it has ended, and wait until it has."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    over(descriptor)


def over(descriptor):
    """Wait until a process has ended."""
    ready, _, _ = select.select([descriptor], [], [], 60)
    assert ready


def pending(warehouse):
    """Return the crossings that are not told yet, as far as the table knows."""
    if not any((warehouse / "alerts" / "_delta_log").glob("*.json")):
        return set()
    return set(pl.scan_delta(str(warehouse / "alerts")).filter(state="pending").collect()["alert_id"])


def compare(warehouse, came, under_way, calls):
    """See that each crossing is in the table once, and was told once, and again only where a kill had met it."""
    known = pl.scan_delta(str(warehouse / "alerts")).collect()
    assert sorted(known["key"].cast(pl.Int64)) == list(range(10, calls + 1, 10))
    assert known["state"].unique().to_list() == ["sent"]
    assert came == Counter(known["alert_id"]) + under_way


if __name__ == "__main__":
    main()
