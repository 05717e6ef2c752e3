"""Any sequence of what writers, tools, crashes and maintenance do to a log: a call that could be seen counts once."""

import bz2
import gzip
import os
import shutil
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from logs import calls, catch_up, follower, intake, lines, noise, session, tiles

from ingest.files.identity import HEAD, furthest, known_names
from ingest.files.paths import find
from ingest.files.streams import PlainStream
from ingest.history.backfill import backfill
from ingest.maintenance.compact import compact
from ingest.maintenance.verify import verify
from ingest.warehouse.warehouse import Warehouse

NAMES = ["2026112{}-app", "old/{}", "retired {}", "maestro.2026-11-28_20-14-0{}_123456.log"]
PACKED = {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress}


class Following(RuleBasedStateMachine):
    """A log with rotated generations, two followers, and a model of what the table must hold.

    `must` are calls that were on the disk, complete, when somebody looked; `may` are those that were destroyed before
    anybody did. Bytes are only ever destroyed by truncation and deletion.
    """

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ingest-machine-"))
        self.log, self.warehouse = self.folder / "maestro.log", self.folder / "w"
        self.followers = {}
        self.number, self.half, self.targets, self.rotated = 0, b"", 0, 0
        self.must, self.unseen, self.may = set(), set(), set()

    def teardown(self):
        for each in self.followers.values():
            each.close()
        shutil.rmtree(self.folder)

    def _write(self, data):
        with self.log.open("ab") as file:
            file.write(data)

    def _name(self, suffix):
        return self.log.with_name(f"{self.log.name}{suffix}")

    @rule(count=st.integers(1, 6), padding=st.integers(0, 40), named=st.booleans())
    def append(self, count, padding, named):
        if self.half:
            self.complete_the_part()
        if named:
            self._write(session(self.number))
        for _ in range(count):
            self.number += 1
            self._write("".join(noise(n) for n in range(padding)).encode() + lines(self.number))
            self.unseen.add(self.number)

    @precondition(lambda self: not self.half)
    @rule(part=st.floats(0.01, 0.99))
    def append_a_part(self, part):
        self.number += 1
        data = lines(self.number)
        cut = max(1, int(data.index(b"\n") * part))
        self._write(data[:cut])
        self.half = data[cut:]

    @precondition(lambda self: self.half)
    @rule()
    def complete_the_part(self):
        self._write(self.half)
        self.half = b""
        self.unseen.add(self.number)

    @precondition(lambda self: self.log.exists() and not self.half)
    @rule()
    def rotate(self):
        self._shift()
        self.log.rename(self._name(".1"))

    @precondition(lambda self: self.log.exists() and not self.half)
    @rule(name=st.sampled_from(NAMES), packing=st.sampled_from(list(PACKED)))
    def rotate_under_another_name(self, name, packing):
        """Rotate under a name that no list has: a log of which nothing is known can not be known again."""
        if not self._is_known():
            self._destroy()
        self.rotated += 1
        path = self.folder / name.format(self.rotated)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(PACKED[packing](self.log.read_bytes()))
        self.log.unlink()

    @precondition(lambda self: self.log.exists() and not self.half)
    @rule()
    def copy_and_truncate(self):
        self._shift()
        shutil.copy(self.log, self._name(".1"))
        os.truncate(self.log, 0)

    @precondition(lambda self: self.log.exists())
    @rule()
    def truncate(self):
        self._destroy()
        os.truncate(self.log, 0)

    @precondition(lambda self: self.log.exists())
    @rule(part=st.floats(0, 1), count=st.integers(0, 3))
    def write_anew_behind_a_part(self, part, count):
        """Keep some lines, at least those that name a source, and write others behind them, in place."""
        data = self.log.read_bytes()
        kept = data[: data.find(b"\n", max(HEAD, int(len(data) * part))) + 1]
        if kept:
            self._destroy()
            os.truncate(self.log, len(kept))
            self.append(count, 0, named=False)

    @precondition(lambda self: self.log.exists() and not self.half)
    @rule()
    def swap_the_link(self):
        """Let the log be a link, to another file than before."""
        self._destroy()
        self.targets += 1
        target = self.folder / f"target-{self.targets}"
        target.touch()
        (self.folder / "new").symlink_to(target)
        (self.folder / "new").replace(self.log)

    @precondition(lambda self: self.log.exists())
    @rule()
    def unlink(self):
        self._destroy()
        self.log.unlink()

    @precondition(lambda self: self.log.exists())
    @rule()
    def replace_by_a_copy(self):
        shutil.copy(self.log, self.folder / "new")
        (self.folder / "new").replace(self.log)

    @precondition(lambda self: self._name(".1").exists())
    @rule()
    def pack(self):
        self._name(".1.gz").write_bytes(gzip.compress(self._name(".1").read_bytes()))
        self._name(".1").unlink()

    @precondition(lambda self: self.log.exists() and not self.half)
    @rule()
    def copy_elsewhere(self):
        shutil.copy(self.log, self._name(".99"))

    @rule(who=st.sampled_from(["one", "two"]))
    def look(self, who):
        self.followers[who] = self.followers.get(who) or follower(self.warehouse, self.log)
        catch_up(self.followers[who])
        self._seen()

    @rule(who=st.sampled_from(["one", "two"]))
    def read_without_a_commit_and_die(self, who):
        dying = self.followers.pop(who, None) or follower(self.warehouse, self.log)
        dying.interval = 10_000.0
        dying.tick()
        dying.close()

    @rule()
    def backfill(self):
        if self.log.exists():
            with intake(self.warehouse) as into:
                backfill(find([str(self.log)]), into, progress=lambda *_: None)
            self._seen()

    @precondition(lambda self: self.must)
    @rule()
    def compact(self):
        compact(self.warehouse)

    @precondition(lambda self: self.must)
    @rule()
    def verify(self):
        assert verify(self.warehouse, read_sources=False).problems == []

    def _seen(self):
        self.must |= self.unseen
        self.unseen.clear()

    def _destroy(self):
        """Forget what nobody saw: it may be gone now, or lie in another generation."""
        self.may |= self.unseen
        self.unseen.clear()
        self.half = b""

    def _is_known(self):
        """Tell whether the warehouse knows a source that the log continues."""
        if not self.warehouse.exists():
            return False
        warehouse = Warehouse(self.warehouse)
        with closing(PlainStream(self.log)) as stream:
            return furthest(stream, dict(known_names(stream.read(0, HEAD), warehouse))) is not None

    def _shift(self):
        for n in range(40, 0, -1):
            for packed in ("", ".gz"):
                if self._name(f".{n}{packed}").exists():
                    self._name(f".{n}{packed}").rename(self._name(f".{n + 1}{packed}"))

    @invariant()
    def every_call_counts_once(self):
        if not self.warehouse.exists():
            return
        found = calls(self.warehouse)
        assert not self.must - set(found), f"lost {sorted(self.must - set(found))}"
        assert found == Counter(set(found)), f"doubled {[n for n, times in found.items() if times > 1]}"
        assert set(found) <= self.must | self.may | self.unseen
        assert all(tiles(self.warehouse).values())


SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}


def test_any_sequence_of_events():
    run_state_machine_as_test(
        Following, settings=settings(max_examples=15, stateful_step_count=12, derandomize=True, **SETTINGS)
    )


@pytest.mark.slow
def test_many_long_sequences_of_events():
    run_state_machine_as_test(Following, settings=settings(max_examples=60, stateful_step_count=30, **SETTINGS))
