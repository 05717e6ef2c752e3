"""Thousands of files: followed with few of them open, read in turns that a signal may end, each call counted once."""

import os
import random
import signal
import subprocess
import sys

import pytest
from logs import append, calls, catch_up, exactly, follower, line, lines, noise, tiles
from test_environment import in_child
from test_joint import mixed

from ingest.files.streams import QUIET_SECONDS
from ingest.following import follower as follower_module
from ingest.following.tracked import behind


def test_new_files_of_all_kinds_are_followed_as_they_are_backfilled(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    expected = mixed(folder, 300, random.Random(4))
    each = follower(tmp_path / "w", folder)
    catch_up(each)
    # A follower waits for the end of a last line, and a new file that begins alike for the one before it.
    assert calls(tmp_path / "w") == exactly(*expected)

    grown = [p for p in sorted(folder.glob("*.log")) if b"LLM call" in p.read_bytes()][:20]
    for n, path in enumerate(grown):
        with path.open("a") as file:
            file.write(line(900_000 + n))
    catch_up(each)
    each.close()

    copies = sum(path.name.endswith("-copy.log") for path in grown)
    assert len(grown) > 5
    assert calls(tmp_path / "w") >= exactly(*expected, *(900_000 + n for n in range(len(grown) - copies)))
    assert all(tiles(tmp_path / "w").values())


def test_few_of_many_files_are_open_at_once_with_and_without_rows(tmp_path):
    in_child(
        """
import logging, resource, sys
from logs import *
logging.basicConfig()
folder = Path(sys.argv[1])
(folder / "logs").mkdir()
for n in range(1200):
    (folder / "logs" / f"{n}.log").write_bytes(lines(n) if n % 2 else noise(n).encode())
each = follower(folder / "w", folder / "logs")
resource.setrlimit(resource.RLIMIT_NOFILE, (850, 850))
catch_up(each)
assert sum(f.cursor is not None for f in each.tracked.values()) <= 512
for n in range(0, 1200, 50):
    with (folder / "logs" / f"{n}.log").open("a") as file:
        file.write(line(n))
catch_up(each)
each.close()
assert calls(folder / "w") == exactly(*range(1, 1200, 2), *range(0, 1200, 50)), calls(folder / "w")
assert not any(f.complaint for f in each.tracked.values())
""",
        tmp_path,
    )


def test_a_deleted_file_without_a_record_is_forgotten_once_it_is_sealed(tmp_path):
    log = tmp_path / "maestro.log"
    log.write_text(noise(1))
    each = follower(tmp_path / "w", tmp_path)
    catch_up(each)
    log.unlink()
    catch_up(each)
    assert len(each.tracked) == 1

    for file in each.tracked.values():
        file.changed_at -= QUIET_SECONDS
    catch_up(each)
    assert each.tracked == {}


@pytest.mark.parametrize("interval", ["0.05", "1"])
def test_a_signal_while_many_files_are_first_read_is_obeyed_soon(tmp_path, interval):
    folder, warehouse = tmp_path / "logs", tmp_path / "w"
    folder.mkdir()
    for n in range(2500):
        (folder / f"{n}.log").write_bytes(lines(n, n + 2500) + (noise(n) * 20).encode())
    command = [sys.executable, "-m", "ingest", "follow", str(folder), "-w", str(warehouse), "--interval", interval]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert "following" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
    left = calls(warehouse)
    assert left <= exactly(*range(5000))
    assert all(tiles(warehouse).values())

    subprocess.run([*command, "--once"], check=True, capture_output=True)
    assert calls(warehouse) == exactly(*range(5000))
    assert all(tiles(warehouse).values())


def test_what_was_never_opened_is_behind(tmp_path, monkeypatch):
    for n in range(30):
        (tmp_path / f"{n}.log").write_bytes(lines(n))
    each = follower(tmp_path / "w", tmp_path)
    monkeypatch.setattr(follower_module, "TURN_SECONDS", 0.0)
    assert each.tick() is None
    opened = [f.path for f in each.tracked.values() if f.cursor]
    assert len(opened) == 1
    assert each.behind == sum(p.stat().st_size for p in tmp_path.glob("*.log") if p not in opened)
    catch_up(each)
    each.close()
    assert each.behind == 0


def test_a_file_that_grows_is_read_between_two_turns_with_new_ones(tmp_path, monkeypatch):
    log = tmp_path / "live.log"
    log.write_bytes(lines(1))
    each = follower(tmp_path / "w", tmp_path)
    catch_up(each)
    append(log, lines(2))
    catch_up(each)
    for n in range(10, 40):
        (tmp_path / f"{n}.log").write_bytes(lines(n))
    monkeypatch.setattr(follower_module, "TURN_SECONDS", 0.0)
    each.tick()
    append(log, lines(4))
    while calls(tmp_path / "w")[4] == 0:
        each.tick()
    assert sum(behind(f) > 0 for f in each.tracked.values()) > 10  # new ones, of which each turn reads one
    catch_up(each)
    each.close()
    assert calls(tmp_path / "w") == exactly(1, 2, 4, *range(10, 40))


def test_what_was_written_last_is_read_before_thousands_of_others_with_its_generations(tmp_path, monkeypatch):
    for n in range(300):
        (tmp_path / f"{n:03}.log").write_bytes(lines(1000 + n))
        os.utime(tmp_path / f"{n:03}.log", (1_770_000_000, 1_770_000_000 + n))
    (tmp_path / "live.log.1").write_bytes(lines(1, 2))
    os.utime(tmp_path / "live.log.1", (1_760_000_000, 1_760_000_000))
    log = tmp_path / "live.log"
    log.write_bytes(lines(3))
    each = follower(tmp_path / "w", tmp_path)
    monkeypatch.setattr(follower_module, "TURN_SECONDS", 0.0)
    each.tick()
    for n in range(4, 8):
        append(log, lines(n))
        while calls(tmp_path / "w")[n] == 0:
            each.tick()
    assert calls(tmp_path / "w") >= exactly(*range(1, 8))
    assert sum(behind(f) > 0 for f in each.tracked.values()) > 100
    catch_up(each)
    each.close()
    assert calls(tmp_path / "w") == exactly(*range(1, 8), *range(1000, 1300))
