"""A rotated file is known by what it holds: nothing is lost by a name, whatever it is, and whoever gave it."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import time
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from click.testing import CliRunner
from logs import append, calls, catch_up, exactly, follower, intake, lines, tiles

from ingest.cli import cli
from ingest.files.paths import find
from ingest.files.streams import open_stream
from ingest.history.backfill import backfill
from ingest.reading.draft import finish
from ingest.warehouse.warehouse import Warehouse, _append_new, _Rows

NAMES = {
    "loguru": ("app.log", "app.2026-11-28_20-14-0{n}_123456.log"),
    "lumberjack": ("app.log", "app-2026-11-28T20-14-0{n}.123.log"),
    "lumberjack, packed": ("app.log", "app-2026-11-28T20-14-0{n}.123.log.gz"),
    "log4j2": ("app.log", "app-2026-11-28-{n}.log.gz"),
    "logback": ("app.log", "app.2026-11-28.{n}.log"),
    "number within": ("app.log", "app.{n}.log"),
    "dateformat": ("app.log", "app.log-20261128-176436084{n}"),
    "dateformat and extension": ("app.log", "app-20261128-176436084{n}.log"),
    "date and number": ("app.log", "app.log.2026-11-28.{n}"),
    "svlogd": ("current", "@400000006748f1b20a1b2c3{n}.s"),
    "multilog, unfinished": ("current", "@400000006748f1b20a1b2c3{n}.u"),
    "svlogd, packed under the same name": ("current", "@400000006748f1b20a1b2c3{n}.s gz"),
    "date before": ("app.log", "2026112{n}-app"),
    "another word": ("app.log", "retired-{n}-service"),
    "olddir, packed": ("app.log", "archive/app-gone-{n}.log.zst"),
    "olddir, bz2": ("app.log", "old/{n}.bz2"),
    "xz without a suffix": ("app.log", "{n}.kept xz"),
}
"""What a log is called, and what its `n`th generation: a word behind a blank says how it is packed all the same."""

ONCE = {
    "old": ("app.log", "app.log.old"),
    "a word": ("app.log", "yesterday"),
    "packed": ("app.log", "archive/app-old.log.zst"),
}

PACKED = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


def rotate(log, name, n):
    """Give *log* the *name* of its *n*th generation, packed as that says."""
    name, _, packing = name.format(n=n).partition(" ")
    path = log.parent / name
    packing = packing or path.suffix[1:]
    path.parent.mkdir(exist_ok=True)
    if packing in PACKED:
        path.write_bytes(PACKED[packing](log.read_bytes()))
        log.unlink()
    else:
        log.rename(path)


def read(how, warehouse, log):
    """Read the log, or its folder, once."""
    what, _, of = how.partition(" ")
    path = log if of == "file" else log.parent
    if what == "follow":
        each = follower(warehouse, path)
        catch_up(each)
        each.close()
    else:
        with intake(warehouse) as into:
            backfill(find([str(path)]), into, progress=lambda *_: None)


def holds(warehouse, *numbers):
    assert calls(warehouse) == exactly(*numbers)
    assert all(tiles(warehouse).values())


HOW = ["follow file", "follow folder", "backfill file", "backfill folder"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("scheme", [*NAMES, *ONCE])
def test_what_was_written_and_rotated_while_nobody_looked_is_read_whatever_it_is_called(folder, scheme, how):
    live, name = (NAMES | ONCE)[scheme]
    log, warehouse = folder / live, folder.parent / "w"
    append(log, lines(*range(1, 11)))
    read(how, warehouse, log)
    append(log, lines(*range(11, 31)))
    rotate(log, name, 1)
    append(log, lines(*range(31, 41)))
    for _ in range(2):
        read(how, warehouse, log)
        holds(warehouse, *range(1, 41))


@pytest.mark.parametrize("how", ["follow file", "backfill folder"])
@pytest.mark.parametrize("scheme", NAMES)
def test_generations_that_came_and_went_while_nobody_looked_are_read_whole(folder, scheme, how):
    live, name = NAMES[scheme]
    log, warehouse = folder / live, folder.parent / "w"
    append(log, lines(*range(1, 11)))
    read(how, warehouse, log)
    for n in range(1, 4):
        append(log, lines(*range(10 * n + 1, 10 * n + 11)))
        rotate(log, name, n)
    append(log, lines(*range(41, 51)))
    read(how, warehouse, log)
    holds(warehouse, *range(1, 51))


@pytest.mark.parametrize("scheme", NAMES)
def test_a_follower_that_runs_reads_generations_that_came_and_went_between_two_looks(folder, scheme):
    live, name = NAMES[scheme]
    log, warehouse = folder / live, folder.parent / "w"
    append(log, lines(1))
    each = follower(warehouse, log)
    catch_up(each, final=False)
    for n in range(1, 4):
        append(log, lines(n * 10, n * 10 + 1))
        rotate(log, name, n)
    append(log, lines(2))
    catch_up(each)
    append(log, lines(3))
    catch_up(each)
    each.close()
    holds(warehouse, 1, 2, 3, *(n * 10 + k for n in (1, 2, 3) for k in (0, 1)))


@pytest.mark.parametrize("how", [*HOW, "running"])
def test_a_log_that_was_copied_under_any_name_and_emptied_is_read_to_its_end(folder, how):
    log, warehouse = folder / "app.log", folder.parent / "w"
    append(log, lines(1, 2))
    each = follower(warehouse, log)
    catch_up(each)
    if how != "running":
        each.close()
    append(log, lines(3))
    shutil.copy(log, folder / "saved")
    log.write_bytes(lines(4))
    for _ in range(3):
        catch_up(each) if how == "running" else read(how, warehouse, log)
    each.close()
    holds(warehouse, 1, 2, 3, 4)


def test_another_log_in_the_same_folder_is_not_read_for_this_one(folder):
    log, other, warehouse = folder / "app.log", folder / "other.log", folder.parent / "w"
    append(log, lines(1))
    append(other, lines(100))
    read("backfill file", warehouse, other)
    read("backfill file", warehouse, log)
    append(log, lines(2))
    append(other, lines(101))
    rotate(log, "rotated-{n}", 1)
    append(log, lines(3))
    append(folder / "unknown.txt", lines(200))
    read("backfill file", warehouse, log)
    holds(warehouse, 1, 2, 3, 100)


def test_a_copy_beside_a_log_that_is_still_there_is_not_read_for_it(folder):
    log, warehouse = folder / "app.log", folder.parent / "w"
    append(log, lines(1))
    read("follow file", warehouse, log)
    shutil.copy(log, folder / "my-copy")
    append(folder / "my-copy", lines(100))
    read("follow file", warehouse, log)
    holds(warehouse, 1)


@pytest.mark.parametrize("how", HOW)
def test_what_is_nowhere_is_said_once_and_stays_in_the_status(folder, how, caplog):
    log, warehouse = folder / "app.log", folder.parent / "w"
    append(log, lines(1, 2))
    read(how, warehouse, log)
    append(log, lines(3))
    log.unlink()
    append(log, lines(4))
    for _ in range(2):
        read(how, warehouse, log)

    holds(warehouse, 1, 2, 4)
    (said,) = [record.getMessage() for record in caplog.records if "may be missing" in record.getMessage()]
    assert said.startswith(f"{log}: ")
    assert said.endswith(f"up to {len(lines(1, 2)):,} bytes may be missing")
    status = CliRunner().invoke(cli, ["status", "-w", str(warehouse), "--format", "json"])
    notes = [source["note"] for source in json.loads(status.stdout)["sources"]]
    size = len(lines(1, 2))
    assert sorted(map(str, notes)) == ["None", f"nothing goes on where it ended: up to {size} bytes may be missing"]


@pytest.mark.parametrize("how", HOW)
def test_what_was_missing_and_is_found_later_is_read_and_no_more_missing(folder, how):
    log, warehouse = folder / "app.log", folder.parent / "w"
    append(log, lines(1, 2))
    read(how, warehouse, log)
    append(log, lines(3))
    log.rename(folder.parent / "elsewhere")
    append(log, lines(4))
    read(how, warehouse, log)
    assert Warehouse(warehouse).missing()
    (folder.parent / "elsewhere").rename(folder / "brought-back")
    read(how, warehouse, log)

    holds(warehouse, 1, 2, 3, 4)
    assert not Warehouse(warehouse).missing()


@pytest.mark.parametrize("scheme", NAMES)
@pytest.mark.parametrize("running", [True, False])
def test_of_a_log_that_was_rotated_and_found_nothing_is_said_to_be_missing(folder, scheme, running, caplog):
    live, name = NAMES[scheme]
    log, warehouse = folder / live, folder.parent / "w"
    each = follower(warehouse, log)
    for n in range(1, 4):
        append(log, lines(10 * n))
        catch_up(each)
        append(log, lines(10 * n + 1))
        if not running:
            each.close()
        rotate(log, name, n)
        append(log, lines(10 * n + 2))
        if not running:
            each = follower(warehouse, log)
        catch_up(each)
    each.close()

    holds(warehouse, *(10 * n + k for n in (1, 2, 3) for k in range(3)))
    assert not [record for record in caplog.records if "may be missing" in record.getMessage()]


@pytest.mark.parametrize("how", HOW)
def test_of_many_huge_files_only_the_beginning_is_read(folder, how):
    log, warehouse = folder / "app.log", folder.parent / "w"
    append(log, lines(1, 2))
    read(how, warehouse, log)
    append(log, lines(3))
    rotate(log, "gone {n}", 1)
    append(log, lines(4))
    for n in range(2_000):
        path = folder / f"{n}.bin"
        path.write_bytes(lines(n + 100)[:-1])
        os.truncate(path, 50 << 30)  # holes: to read one takes longer than this test may
    begun = time.monotonic()
    read(how, warehouse, log)

    assert time.monotonic() - begun < 30
    holds(warehouse, 1, 2, 3, 4)


@pytest.mark.parametrize("tables", [(), ("llm_events", "rejects", "batches")], ids=["named", "all but its calls"])
def test_a_generation_whose_reader_was_killed_amid_its_first_commit_is_read_under_its_other_name(folder, tables):
    log, warehouse = folder / "app.log", folder.parent / "w"
    append(log, lines(1, 2))
    read("follow file", warehouse, log)
    rotate(log, "1-app", 1)
    append(log, lines(3, 4))
    with intake(warehouse) as into:
        cursor = into.bind(log, open_stream(log))
        into.read(cursor)
        (batch,) = finish([cursor.cut(into.ledger)], into.prices, datetime.now(UTC))
        cursor.stream.close()
        into.ledger._name([batch])  # noqa: SLF001 # what a commit does, step by step: it dies then
        for name in tables:
            _append_new(into.ledger.tables[name], [batch._replace(start=0)], _Rows.of([batch]))
    rotate(log, "2-app", 2)
    append(log, lines(5))
    read("follow file", warehouse, log)

    holds(warehouse, 1, 2, 3, 4, 5)
