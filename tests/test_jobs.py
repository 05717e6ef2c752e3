"""`--jobs`: how many blocks of a log are parsed at once changes how long it takes, and no row."""

import os
import subprocess
import sys
import threading

import polars as pl
import pytest
from logs import lines, session

import ingest
from ingest.reading import parse_ahead
from parsers import parse

BLOCK = 1 << 18
READERS = {"backfill": ingest.backfill, "follow": lambda *paths, jobs: ingest.follow(*paths, jobs=jobs, once=True)}


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Return a log of a dozen blocks, each with sessions that the calls of the next ones belong to."""
    for where in ("cursor.FIRST", "cursor.QUANTUM", "cursor.MAX_QUANTUM", "blocks.QUANTUM", "blocks._WINDOW"):
        monkeypatch.setattr(f"ingest.reading.{where}", BLOCK)
    path = tmp_path / "large.log"
    path.write_bytes(b"".join(session(n // 1500) + lines(*range(n, n + 500)) for n in range(0, 12_500, 500)))
    return path


def rows_in(warehouse):
    """Return the calls of *warehouse*, but for when they were read, in the order of their log."""
    return pl.read_delta(str(warehouse / "llm_calls")).drop("ingested_at").sort("source_offset")


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_rows_are_the_same_however_many_blocks_are_parsed_at_once(tmp_path, log, read):
    for jobs in (1, 2, 5):
        read(log, tmp_path / f"with-{jobs}", jobs=jobs)
    with_one = rows_in(tmp_path / "with-1")
    assert with_one.height == 12_500
    assert with_one.equals(rows_in(tmp_path / "with-2"))
    assert with_one.equals(rows_in(tmp_path / "with-5"))


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("jobs", [1, 3])
def test_so_many_blocks_are_parsed_at_once_as_there_are_jobs(tmp_path, monkeypatch, log, read, jobs):
    all_are_there, counting, at_once, most = threading.Event(), threading.Lock(), 0, 0

    def met(*given):
        nonlocal at_once, most
        with counting:
            at_once += 1
            most = max(most, at_once)
            if most == jobs:
                all_are_there.set()
        assert all_are_there.wait(timeout=60)
        rows = parse(*given)
        with counting:
            at_once -= 1
        return rows

    monkeypatch.setattr(parse_ahead, "parse", met)
    read(log, tmp_path / "warehouse", jobs=jobs)
    assert most == jobs
    assert rows_in(tmp_path / "warehouse").height == 12_500


def test_as_many_as_the_cores_that_the_process_may_use_unless_told():
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); from ingest.reading.parse_ahead import *"
    )
    shown = subprocess.check_output([sys.executable, "-c", f"{code}; print(usable_cores(), Ahead().most)"], text=True)
    assert shown.split() == ["1", "2"]
    assert parse_ahead.usable_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("command", ["backfill", "follow"])
def test_polars_takes_no_more_cores_than_there_are_jobs(tmp_path, command):
    (tmp_path / "a.log").write_bytes(lines(1))
    given = [command, "a.log", "-w", "warehouse", "--jobs", "1", *(["--once"] if command == "follow" else [])]
    run = f"from ingest.cli import cli; cli({given}, standalone_mode=False)"
    environment = {name: value for name, value in os.environ.items() if name != "POLARS_MAX_THREADS"}
    shown = subprocess.run(
        [sys.executable, "-c", f"{run}; import polars; print(polars.thread_pool_size())"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout.split()[-1] == "1"


def test_no_jobs_are_refused(tmp_path):
    refused = subprocess.run(
        [sys.executable, "-m", "ingest", "backfill", tmp_path, "--jobs", "0"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 2
    assert "--jobs" in refused.stderr
