"""No descriptors, no permission, jumping clocks: the follower says so once, waits, and loses nothing."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from logs import append, calls, catch_up, exactly, follower, intake, lines, tiles
from processes import Ingest

from ingest.files.paths import find
from ingest.history.backfill import backfill

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


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


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="Linux sets the limits of another process")
def test_more_files_than_descriptors_are_followed_as_they_grow(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    count, limit = 200, 160
    for n in range(count):
        append(logs / f"{n}.log", lines(1000 * n))
    with Ingest(tmp_path) as running:
        process = running.start("follow", "--interval", "0.2", logs)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        running.until(lambda: running.calls().total() >= count)
        for n in range(count):
            append(logs / f"{n}.log", lines(1000 * n + 1))
        running.until(lambda: running.calls().total() >= 2 * count)
        opened = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        running.stop()

        assert running.calls() == exactly(*(1000 * n + k for n in range(count) for k in (0, 1)))
        assert opened < limit - 8
        assert len(running.said.read_text().splitlines()) == 2


def test_a_limit_on_the_size_of_files_is_told_and_survived(tmp_path):
    in_child(
        """
import resource, signal, sys
from logs import *
from ingest.errors import WarehouseError
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
    code = "import os, signal, sys; from ingest.warehouse.warehouse import Warehouse; "
    code += "w = Warehouse(sys.argv[1], make=True); os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w")], cwd=Path(__file__).parent.parent, check=False
    )
    assert done.returncode == -signal.SIGKILL

    from ingest.warehouse.storage.locks import WRITERS, alone

    with alone(tmp_path / "w", WRITERS, "busy"):
        assert resource.getrusage(resource.RUSAGE_CHILDREN)
