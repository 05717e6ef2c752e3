"""A disk that is full: the follower says so once, waits, keeps what it has read, and goes on when there is room."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest
from databases import CALL, numbers, trading
from logs import append, calls, catch_up, exactly, follower, intake, lines, tiles
from processes import Ingest

import ingest.following.tracked
from ingest.databases.polling import Polling
from ingest.errors import WarehouseError
from ingest.following.tracked import held

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@contextmanager
def small_disk(path, size):
    """Mount a file system of *size* at *path*; skip where that isn't allowed."""
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"can't mount: {done.stderr.decode()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(file):
    while True:
        file.write(bytes(4096))


@root
def test_a_full_disk_stops_commits_and_a_freed_one_resumes_them(tmp_path):
    log = tmp_path / "maestro.log"
    log.write_bytes(lines(1, 2))
    with small_disk(tmp_path / "disk", "600k") as disk:
        each = follower(disk / "w", log)
        catch_up(each)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            fill(file)
        append(log, lines(*range(3, 3000)))
        for _ in range(3):
            with pytest.raises(WarehouseError, match="no space left"):
                catch_up(each)
        filler.unlink()
        catch_up(each)
        each.close()

        assert calls(disk / "w") == exactly(*range(1, 3000))
        assert all(tiles(disk / "w").values())


@root
def test_rows_that_were_read_while_the_disk_was_full_are_committed_though_their_table_was_emptied(tmp_path):
    writer = trading(tmp_path / "app.db")
    writer.executemany(CALL, [(n,) for n in range(3000)])
    with small_disk(tmp_path / "disk", "600k") as disk, intake(disk / "w") as into:
        tables = Polling([str(tmp_path / "app.db")], into.publisher, clock=lambda: 0.0)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            fill(file)
        for _ in range(2):
            with pytest.raises(WarehouseError, match="no space left"):
                tables.look()
        writer.execute("delete from llm_calls")
        filler.unlink()
        tables.look()
        tables.close()

        assert numbers(disk / "w") == exactly(*range(3000))
        assert all(tiles(disk / "w").values())


@root
def test_a_full_disk_is_told_of_once_and_when_it_is_over(tmp_path):
    log = tmp_path / "maestro.log"
    append(log, lines(1))
    with small_disk(tmp_path / "disk", "600k") as disk, Ingest(disk) as running:
        running.start("follow", "--interval", "0.02", log)
        running.until(lambda: running.calls().total() == 1)
        with (disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            fill(file)
        for n in range(2, 300):  # each is an event, and none of them a reason to try again
            append(log, lines(n))
            if n == 200:
                running.until(lambda: "no space left" in running.said.read_text())
        (disk / "filler").unlink()
        running.until(lambda: running.calls().total() >= 299)
        running.stop()

        assert running.calls() == exactly(*range(1, 300))
        _following, trouble, over, *_last = running.said.read_text().splitlines()
        assert "no space left" in trouble
        assert "can be written again" in over


@root
@pytest.mark.parametrize("what", ["emptied", "emptied and copied", "written anew", "deleted"])
def test_what_was_read_while_the_disk_was_full_is_committed_though_its_file_is_gone(tmp_path, what):
    log = tmp_path / "maestro.log"
    log.write_bytes(lines(1, 2))
    with small_disk(tmp_path / "disk", "600k") as disk:
        each = follower(disk / "w", log)
        catch_up(each)
        with (disk / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            fill(file)
        for numbers in ((3, 4), (5, 6)):
            append(log, lines(*numbers))
            with pytest.raises(WarehouseError, match="no space left"):
                catch_up(each)
        if what == "emptied and copied":
            shutil.copy(log, f"{log}.1")
        if what == "deleted":
            log.unlink()
        else:
            os.truncate(log, 0)
        if what == "written anew":
            append(log, lines(7, 8))
        for _ in range(3):
            with pytest.raises(WarehouseError, match="no space left"):
                catch_up(each)
        (disk / "filler").unlink()
        catch_up(each)
        append(log, lines(9))
        catch_up(each)
        each.close()

        assert calls(disk / "w") == exactly(*range(1, 7), *([7, 8] if what == "written anew" else []), 9)
        assert all(tiles(disk / "w").values())


def test_little_is_held_in_memory_while_nothing_can_be_committed(tmp_path, monkeypatch):
    log = tmp_path / "maestro.log"
    each = follower(tmp_path / "w", log)
    monkeypatch.setattr(ingest.following.tracked, "COMMIT_ROWS", 100)
    broken = tmp_path / "w" / "llm_calls"
    broken.rename(tmp_path / "elsewhere")
    broken.write_text("in the way")
    for n in range(0, 3000, 100):
        append(log, lines(*range(n, n + 100)))
        with pytest.raises(WarehouseError):
            catch_up(each)
        assert held(each.tracked.values()).rows <= 200
    broken.unlink()
    (tmp_path / "elsewhere").rename(broken)
    catch_up(each)
    each.close()

    assert calls(tmp_path / "w") == exactly(*range(3000))
    assert all(tiles(tmp_path / "w").values())
