"""Names that move between the moment when files are listed and the moment when they are opened: nothing is missed."""

import bz2
import gzip
import lzma
import os
import shutil

import pyarrow as pa
import pytest
from click.testing import CliRunner
from logs import calls, catch_up, exactly, follower, intake, lines

import ingest.files.paths
import ingest.following.tracked
import ingest.public
from ingest.cli import cli
from ingest.files.paths import find
from ingest.files.streams import PackedStream, open_stream
from ingest.history.backfill import backfill
from ingest.ledger import TAIL


def rotate(log):
    """Move every generation of *log* one up, the live one too, and begin a new one."""
    for path in sorted(log.parent.glob(f"{log.name}.*"), key=lambda p: -int(p.name.split(".")[2])):
        name, suffix, number, *packed = path.name.split(".")
        path.rename(path.with_name(".".join([name, suffix, str(int(number) + 1), *packed])))
    log.rename(f"{log}.1")
    log.touch()


def pack(path):
    """Replace *path* by its .gz."""
    with gzip.open(f"{path}.gz", "wb") as packed:
        packed.write(path.read_bytes())
    path.unlink()


@pytest.fixture
def log(tmp_path):
    """Return a log with four rotated generations."""
    for n in range(1, 5):
        (tmp_path / f"maestro.log.{n}").write_bytes(lines(n * 10, n * 10 + 1))
    (tmp_path / "maestro.log").write_bytes(lines(1, 2))
    return tmp_path / "maestro.log"


EVERYTHING = exactly(1, 2, *(n * 10 + k for n in range(1, 5) for k in (0, 1)))


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_backfill_whose_files_are_rotated_before_it_opens_them_misses_none(log, times):
    listing = find([str(log)])
    for _ in range(times):
        rotate(log)
    with intake(log.parent / "w") as into:
        outcome = backfill(listing, into, progress=lambda *_: None)

    assert calls(log.parent / "w") == EVERYTHING
    assert not outcome.failed
    assert not outcome.gone


def test_a_backfill_whose_files_are_packed_before_it_opens_them_says_so_and_misses_none(log):
    listing = find([str(log)])
    rotate(log)
    pack(log.with_name("maestro.log.5"))
    with intake(log.parent / "w") as into:
        outcome = backfill(listing, into, progress=lambda *_: None)

    assert calls(log.parent / "w") == EVERYTHING
    assert not outcome.failed
    assert outcome.gone == [log.with_name("maestro.log.4")]


def test_a_backfill_during_which_a_log_is_copied_and_truncated_misses_nothing(log):
    listing = find([str(log)])
    shutil.copy(log, log.with_name("maestro.log.0"))
    os.truncate(log, 0)
    with intake(log.parent / "w") as into:
        backfill(listing, into, progress=lambda *_: None)

    assert calls(log.parent / "w") == EVERYTHING


def test_a_file_that_is_gone_without_a_trace_is_an_error(log):
    for path in log.parent.glob("maestro.log.*"):
        path.unlink()
    listing = find([str(log)])
    log.unlink()
    with intake(log.parent / "w") as into:
        outcome = backfill(listing, into, progress=lambda *_: None)

    assert outcome.failed == [f"{log}: No such file or directory"]


def test_the_command_warns_of_a_generation_that_was_packed_meanwhile(log, monkeypatch):
    def find_and_pack(paths):
        listing = find(paths)
        pack(log.with_name("maestro.log.4"))
        return listing

    monkeypatch.setattr(ingest.public, "find", find_and_pack)
    done = CliRunner().invoke(cli, ["backfill", str(log), "-w", str(log.parent / "w")])

    assert "maestro.log.4 was packed or deleted before it was read" in done.stderr
    assert done.exit_code == 0
    assert calls(log.parent / "w") == EVERYTHING


@pytest.mark.parametrize("packed", [False, True])
def test_a_follower_whose_file_is_rotated_before_it_opens_it_reads_both(tmp_path, monkeypatch, packed):
    log = tmp_path / "maestro.log"
    log.write_bytes(lines(1, 2))
    if packed:
        pack(log)
        log = tmp_path / "maestro.log.gz"
    turned = []

    def open_late(path):
        if not turned:
            turned.append(path)
            log.rename(tmp_path / ("maestro.log.1.gz" if packed else "maestro.log.1"))
            log.write_bytes(gzip.compress(lines(3, 4)) if packed else lines(3, 4))
        return open_stream(path)

    monkeypatch.setattr(ingest.following.tracked, "open_stream", open_late)
    each = follower(tmp_path / "w", tmp_path / "maestro.log")
    catch_up(each)
    with (tmp_path / "maestro.log").open("ab") as file:
        file.write(lines(5))
    catch_up(each)
    each.close()

    assert turned
    assert calls(tmp_path / "w") == exactly(1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("suffix", "packed"),
    [
        (".gz", gzip.compress),
        (".zst", lambda data: pa.compress(data, "zstd", asbytes=True)),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
    ],
)
def test_a_packed_file_begins_again_as_itself_though_its_name_is_another_s(tmp_path, suffix, packed):
    data, path = bytes(range(256)) * 100_000, tmp_path / f"a{suffix}"
    path.write_bytes(packed(data))
    stream = open_stream(path)
    assert isinstance(stream, PackedStream)
    assert stream.read(20_000_000, 10) == data[20_000_000:][:10]
    path.unlink()
    path.write_bytes(packed(b"another"))
    stream.rewind()

    assert stream.read(0, 300) == data[:300]
    assert stream.before(2 * TAIL) == data[TAIL : 2 * TAIL]
    stream.close()
