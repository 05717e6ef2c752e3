"""Full disks, no descriptors, no permission, jumping clocks: the follower says so once, waits, and loses nothing."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from logs import append, calls, catch_up, exactly, follower, intake, lines, tiles

import ingest.tracked
from ingest.backfill import backfill
from ingest.errors import WarehouseError
from ingest.listing import find
from ingest.tracked import held

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
    monkeypatch.setattr(ingest.tracked, "COMMIT_ROWS", 100)
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


@pytest.mark.parametrize("left", ["nothing", "its locks"])
@pytest.mark.parametrize("longer", [True, False])
def test_a_warehouse_that_is_emptied_and_filled_by_another_gets_everything_anew(tmp_path, left, longer):
    log, others = tmp_path / "live.log", tmp_path / "others"
    others.mkdir()
    for n in range(2, 12 if longer else 3):
        (others / f"{n}.log").write_bytes(lines(n * 100, n * 100 + 1))
    each = follower(tmp_path / "w", log)
    for n in range(1, 5):
        append(log, lines(n))
        catch_up(each)
    for path in (tmp_path / "w").iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif left == "nothing":
            path.unlink()
    for path in others.iterdir():
        with intake(tmp_path / "w") as into:
            backfill(find([str(path)]), into, progress=lambda *_: None)
    append(log, lines(5))
    catch_up(each)
    each.close()

    there = [n * 100 + k for n in range(2, 12 if longer else 3) for k in (0, 1)]
    assert calls(tmp_path / "w") == exactly(*range(1, 6), *there)
    assert all(tiles(tmp_path / "w").values())


def in_child(code, *arguments):
    """Run *code* in a process of its own."""
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here}:{here.parent}"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_free_descriptors_nothing_is_lost(tmp_path):
    in_child(
        """
import os, resource, sys
from logs import *
folder = Path(sys.argv[1])
log = folder / "maestro.log"
log.write_bytes(lines(1))
each = follower(folder / "w", log)
catch_up(each)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
taken = [os.open("/dev/null", os.O_RDONLY)]
for n in range(2, 8):
    with log.open("ab") as file:
        file.write(lines(n))
    (folder / f"maestro.log.{n}").write_bytes(lines(n * 100))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + n, hard))
    try:
        catch_up(each)
    except BaseException as error:
        print(type(error).__name__)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
catch_up(each)
each.close()
assert calls(folder / "w") == exactly(*range(1, 8), *range(200, 800, 100)), calls(folder / "w")
assert all(tiles(folder / "w").values())
""",
        tmp_path,
    )


def test_a_limit_on_the_size_of_files_is_told_and_survived(tmp_path):
    in_child(
        """
import resource, signal, sys
from logs import *
import ingest.tracked
from ingest.backfill import backfill
from ingest.errors import WarehouseError
from ingest.listing import find
from ingest.tracked import held
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
log = folder / "maestro.log"
log.write_bytes(lines(*range(1, 5000)))
each = follower(folder / "w", log)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
try:
    catch_up(each)
except WarehouseError as error:
    print(error)
else:
    raise SystemExit("no error")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
catch_up(each)
each.close()
assert calls(folder / "w") == exactly(*range(1, 5000))
""",
        tmp_path,
    )


@root
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_may_not_be_read_is_read_once_it_may(what):
    with tempfile.TemporaryDirectory(dir="/tmp") as open_to_all:
        Path(open_to_all).chmod(0o777)
        _shut_out(open_to_all, what)


def _shut_out(folder, what):
    in_child(
        """
import os, sys
from logs import *
folder, what = Path(sys.argv[1]), sys.argv[2]
(folder / "logs").mkdir()
log = folder / "logs" / "maestro.log"
log.write_bytes(lines(1, 2))
shut = log if what == "file" else log.parent
warm = folder / "warm.log"
warm.write_bytes(lines(9))
each = follower(folder / "w", log, warm)
shut.chmod(0)
for path in [folder, *folder.rglob("*")]:
    os.chown(path, 65534, 65534)
log.parent.exists() and os.chown(log.parent, 65534, 65534)
follower(folder / "w2", warm).tick(final=True)  # imports what it needs while it may
os.setresuid(65534, 65534, 0)
for _ in range(3):
    each.tick(final=True)
shut.chmod(0o755)
catch_up(each)
each.close()
assert calls(folder / "w") == exactly(1, 2, 9)
os.setresuid(0, 0, 0)
""",
        folder,
        what,
    )


def test_a_folder_that_is_removed_and_made_again(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.log").write_bytes(lines(1))
    each = follower(tmp_path / "w", folder)
    catch_up(each)
    (folder / "a.log").unlink()
    folder.rmdir()
    catch_up(each)
    folder.mkdir()
    (folder / "b.log").write_bytes(lines(2))
    catch_up(each)
    folder.rename(tmp_path / "elsewhere")
    append(tmp_path / "elsewhere" / "b.log", lines(3))
    catch_up(each)
    each.close()

    assert calls(tmp_path / "w") == exactly(1, 2, 3)


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_jumps_changes_nothing(tmp_path, years):
    log = tmp_path / "maestro.log"
    each = follower(tmp_path / "w", log)
    for n in range(1, 5):
        append(log, lines(n))
        at = 1_750_000_000 + years * 31_536_000 * n
        os.utime(log, (at, at))
        catch_up(each)
    each.close()

    assert calls(tmp_path / "w") == exactly(1, 2, 3, 4)


def test_sigkill_leaves_no_lock_behind(tmp_path):
    code = "import os, signal, sys; from ingest.warehouse import Warehouse; "
    code += "w = Warehouse(sys.argv[1], make=True); os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w")], cwd=Path(__file__).parent.parent, check=False
    )
    assert done.returncode == -signal.SIGKILL

    from ingest.locks import WRITERS, alone

    with alone(tmp_path / "w", WRITERS, "busy"):
        assert resource.getrusage(resource.RUSAGE_CHILDREN)
