"""A lock that a stranger holds stops no follower; that of a repair stops all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli import cli
from ingest.warehouse.storage.locks import MAINTENANCE, WRITERS, BusyError, alone, is_ours, join
from ingest.warehouse.warehouse import Warehouse

LOG = Path(__file__).parent.parent / "fixtures/maestro-log/success-v6.log"
HOLDS = """
import fcntl, sys
files = [open(name) for name in sys.argv[1:]]
for file in files:
    fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


@pytest.fixture
def warehouse(tmp_path):
    folder = tmp_path / "w"
    Warehouse(folder, make=True)
    return folder


@pytest.fixture
def stranger(warehouse):
    """A process that may only read the warehouse, and holds its locks."""
    names = [str(warehouse / name) for name in (MAINTENANCE, WRITERS)]
    for name in names:
        Path(name).touch()
    command = [sys.executable, "-c", HOLDS, *names]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


def run(*words):
    return CliRunner().invoke(cli, list(map(str, words)))


def test_a_stranger_who_holds_the_locks_stops_no_follower_and_is_named(warehouse, stranger, caplog):
    followed = run("follow", "--once", LOG, "-w", warehouse)

    assert followed.exit_code == 0, followed.output
    assert f"process {stranger.pid}, python" in caplog.text
    assert Warehouse(warehouse).sources()
    compacted = run("compact", "-w", warehouse)
    assert (compacted.exit_code, f"(process {stranger.pid}, python" in compacted.output) == (1, True), compacted.output


def test_who_repairs_stops_writers_until_it_is_done(warehouse):
    with alone(warehouse, WRITERS, ""), pytest.raises(BusyError, match="is being repaired"):
        Warehouse(warehouse, make=True)
    Warehouse(warehouse, make=True)


def test_what_a_killed_repair_has_left_in_its_lock_stops_nobody(warehouse, stranger, caplog):
    (warehouse / WRITERS).write_text("1")

    Warehouse(warehouse, make=True)

    assert str(stranger.pid) in caplog.text


def test_who_repairs_is_told_who_writes(warehouse):
    opened = Warehouse(warehouse, make=True)
    with (
        pytest.raises(BusyError, match=rf"^stop it first \(process {os.getpid()}, "),
        alone(warehouse, WRITERS, "stop it first"),
    ):
        pass
    del opened


def test_a_writer_takes_the_lock_once_the_stranger_has_let_go_of_it(warehouse, stranger):
    writer = Warehouse(warehouse)
    lock = join(warehouse, WRITERS, writer)
    stranger.kill()
    stranger.wait()

    assert is_ours(lock, warehouse, WRITERS)  # asked before each commit

    with pytest.raises(BusyError), alone(warehouse, WRITERS, ""):
        pass
