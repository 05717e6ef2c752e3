"""A backfill by many workers: the rows of a local one, whoever dies meanwhile."""

import gzip
import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from dying_workers import DyingTask
from logs import calls, exactly, lines, log_calls, session

import ingest
from ingest import IngestError, distributed
from ingest.files.paths import find
from ingest.maintenance.verify import verify
from ingest.reading import blocks
from ingest.spread import shares
from ingest.spread.shares import packed, planned
from ingest.warehouse.warehouse import Warehouse
from parsers import parse

TABLES = {"llm_calls": "source_offset", "llm_events": "source_offset", "rejects": "source_offset"}
CALLS_A_FILE = 3000
"""So many are 0.7 MB, and a part is at least one: each file is a part."""


def _engine(name, module):
    absent = importlib.util.find_spec(module) is None
    marks = [pytest.mark.slow, pytest.mark.skipif(absent, reason=f"{module} is not installed: an extra of its own")]
    return pytest.param(name, marks=marks, id=name.partition(":")[0])


ENGINES = [pytest.param("processes:2", id="processes"), _engine("ray:2", "ray"), _engine("dask:2", "distributed")]


@pytest.fixture
def events(tmp_path, monkeypatch):
    """What happens to workers: a function that says so."""
    monkeypatch.setattr(distributed, "Task", DyingTask)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where workers find it, whoever starts them
    folder = tmp_path / "events"
    folder.mkdir()

    def happen(*names):
        for name in names:
            (folder / name).touch()
        return folder

    return happen


def rows_in(warehouse):
    """Return what the tables hold, but for when it was read, in one order."""
    found = {}
    for table, offset in TABLES.items():
        rows = pl.read_delta(str(warehouse / table)).drop("ingested_at", "date", strict=False)
        found[table] = rows.sort("source_path", offset, *(["kind"] if "kind" in rows.columns else [])).rows()
    return found


def logs_in(folder, files):
    folder.mkdir()
    for file in range(files):
        first = file * CALLS_A_FILE
        (folder / f"agent-{file}.log").write_bytes(session(file) + lines(*range(first, first + CALLS_A_FILE)))


@pytest.mark.parametrize("engine", ENGINES)
def test_workers_that_die_before_and_after_their_first_commit_change_no_row(tmp_path, monkeypatch, events, engine):
    logs_in(tmp_path / "logs", 8)
    monkeypatch.chdir(tmp_path)
    happened = events("before", "after")

    done = ingest.backfill("logs", "warehouse", on=engine)
    ingest.backfill("logs", "local")

    assert [*happened.iterdir()] == []
    assert done.outcome.failed == []
    assert done.outcome.files >= 8
    assert rows_in(tmp_path / "warehouse") == rows_in(tmp_path / "local")
    assert calls("warehouse") == exactly(*range(8 * CALLS_A_FILE))
    assert verify("warehouse").problems == []
    assert ingest.backfill("logs", "warehouse").totals.calls == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_large_file_is_cut_in_ten_and_equal_though_a_worker_dies(tmp_path, monkeypatch, events, engine):
    for where in ("cursor.FIRST", "cursor.QUANTUM", "cursor.MAX_QUANTUM", "blocks.QUANTUM", "blocks._WINDOW"):
        monkeypatch.setattr(f"ingest.reading.{where}", 1 << 18)
    monkeypatch.setattr(shares, "LARGE", 1 << 20)
    log = tmp_path / "large.log"
    with log.open("wb") as file:
        for number in range(25):  # contexts that begin anywhere in a block
            file.write(session(number) + lines(*range(number * 500, (number + 1) * 500)))
    happened, parsed_here = events("piece"), []
    monkeypatch.setattr(blocks, "parse", lambda *given: parsed_here.append(given) or parse(*given))

    done = ingest.backfill(log, tmp_path / "warehouse", on=engine)

    assert done.totals.calls == 12_500
    assert not (happened / "piece").exists()
    assert len([*happened.glob("parsed-*")]) >= 10
    assert len(parsed_here) <= 2  # what its contexts were could not be known before
    ingest.backfill(log, tmp_path / "local")
    assert rows_in(tmp_path / "warehouse") == rows_in(tmp_path / "local")
    assert verify(tmp_path / "warehouse").problems == []


def test_what_is_told_of_files_is_what_a_local_backfill_tells(tmp_path, caplog):
    folder = tmp_path / "logs"
    folder.mkdir()
    log_calls(folder / "good.log", *range(100))
    (folder / "cut.log.gz").write_bytes(gzip.compress(lines(*range(100, 900)))[:-20])
    (folder / "nothing.log").write_text("no call at all\n")
    (folder / "open.log").write_bytes(lines(901, 902) + lines(904)[:-1])
    (folder / "copy.log").write_bytes((folder / "good.log").read_bytes())

    there = ingest.backfill(folder, tmp_path / "warehouse", on="processes:2")
    here = ingest.backfill(folder, tmp_path / "local")

    assert rows_in(tmp_path / "warehouse") == rows_in(tmp_path / "local")
    assert (there.totals.calls, there.totals.tokens) == (here.totals.calls, here.totals.tokens)
    for name in ("failed", "gone", "unknown", "open_ended", "unread", "bytes", "others"):
        assert getattr(there.outcome, name) == getattr(here.outcome, name), name
    assert len(here.outcome.failed) == len(here.outcome.unknown) == len(here.outcome.open_ended) == 1


def test_files_that_are_renamed_before_their_worker_comes_to_them_are_read(tmp_path, events):
    folder = tmp_path / "logs"
    folder.mkdir()
    for day in (1, 2, 3):
        log_calls(folder / f"app.log-2026020{day}", *range(day * 10, day * 10 + 5))
    events("renamed")

    done = ingest.backfill(folder, tmp_path / "warehouse", on="processes:1")

    assert sorted(calls(tmp_path / "warehouse")) == [*range(10, 15), *range(20, 25), *range(30, 35)]
    assert (done.outcome.failed, done.outcome.gone) == ([], [])


def test_objects_of_a_bucket_are_read_by_workers_and_known_again(tmp_path, bucket):
    (bucket.root.parent / "archive" / "logs").mkdir(parents=True)
    for number in range(3):
        packed_log = gzip.compress(lines(*range(number * 10, number * 10 + 10)))
        (bucket.root.parent / "archive" / "logs" / f"{number}.log.gz").write_bytes(packed_log)

    first = ingest.backfill("s3://archive/logs/*.gz", tmp_path / "warehouse", on="processes:2")
    again = ingest.backfill("s3://archive/logs/*.gz", tmp_path / "warehouse", on="processes:2")

    assert first.outcome.failed == []
    assert calls(tmp_path / "warehouse") == exactly(*range(30))
    assert (first.outcome.files, again.outcome.files) == (3, 0)


def test_a_part_that_no_worker_survives_is_told_and_the_others_are_read(tmp_path, monkeypatch, events):
    logs_in(tmp_path / "logs", 1)
    events("before")
    monkeypatch.setattr("ingest.spread.engines.TRIES", 1)

    done = ingest.backfill(tmp_path / "logs", tmp_path / "warehouse", on="processes:1")

    (told,) = done.outcome.failed
    assert "agent-0.log: its worker was lost" in told
    assert ingest.backfill(tmp_path / "logs", tmp_path / "warehouse").totals.calls == CALLS_A_FILE


# The plan


def parts_of(paths, warehouse, workers=4):
    known = Warehouse(str(warehouse), make=True)
    return [[path.name for path in part.each] for part in planned(find([str(paths)]), known, workers).parts]


def test_files_that_begin_alike_are_one_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(shares, "SMALLEST", 1)
    for name, number in (("a.log", 1), ("b.log", 2), ("c.log", 1)):
        log_calls(tmp_path / name, *range(number, 40 + number))
    (tmp_path / "d.log.gz").write_bytes(gzip.compress((tmp_path / "b.log").read_bytes()))

    assert parts_of(tmp_path, tmp_path / "w") == [["a.log", "c.log"], ["b.log", "d.log.gz"]]


def test_of_a_log_that_was_read_the_names_that_move_are_one_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(shares, "SMALLEST", 1)
    names = ("app.log-20260201", "app.log-20260202", "app.log")
    for number, name in enumerate(names):
        log_calls(tmp_path / name, *range(number * 50, number * 50 + 40))
    assert parts_of(tmp_path, tmp_path / "w") == [[name] for name in names]
    ingest.backfill(tmp_path, tmp_path / "w")

    (tmp_path / "app.log").rename(tmp_path / "app.log-20260203")
    log_calls(tmp_path / "app.log", 999)

    assert parts_of(tmp_path, tmp_path / "w") == [[names[0]], [names[1]], ["app.log-20260203", "app.log"]]


def test_parts_are_as_large_as_keeps_all_busy():
    sizes = [shares.SMALLEST] * 64

    assert [part.size for part in packed([*range(64)], sizes, workers=2)] == [8 * shares.SMALLEST] * 8
    assert [part.each for part in packed("abc", [1, 1, 1], workers=2)] == [("a", "b", "c")]
    assert packed("", [], workers=2) == []


# Which engines there are


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("spark", "no such engine; known are processes, ray, dask"),
        ("processes:0", "at least one worker is needed"),
        ("ray:0", "at least one worker is needed"),
        ("ray", r"pip install 'llm-ingest\[ray\]'"),
        ("dask", r"pip install 'llm-ingest\[dask\]'"),
        ("processes:many", "behind the colon is how many"),
    ],
)
def test_an_engine_that_is_not_there_is_one_line(tmp_path, monkeypatch, log, engine, said):
    for module in ("ray", "distributed"):
        monkeypatch.setitem(sys.modules, module, None)  # so that it can't be imported
    log_calls(log, 1)

    with pytest.raises(IngestError, match=said):
        ingest.backfill(log, tmp_path / "w", on=engine)


def test_a_dry_run_needs_no_workers(tmp_path, log):
    log_calls(log, 1)

    with pytest.raises(IngestError, match="leave out --on"):
        ingest.backfill(log, tmp_path / "w", on="processes", dry_run=True)


def test_who_asks_for_no_engine_imports_none(tmp_path, log):
    log_calls(log, 1)
    asked = f"import ingest, sys; ingest.backfill({str(log)!r}, {str(tmp_path / 'w')!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout.split()

    assert not {"ingest.spread.engines", "ingest.distributed", "ray", "distributed"} & {*loaded}


def test_the_command_names_the_engine(tmp_path, log):
    log_calls(log, *range(10))
    command = [sys.executable, "-m", "ingest", "backfill", str(log), "-w", str(tmp_path / "w"), "--on", "processes:1"]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "added 10 records" in done.stderr
    assert calls(tmp_path / "w") == Counter(range(10))
