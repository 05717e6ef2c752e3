"""Real processes, really killed: whatever the instant, the table ends up with every call once."""

import gzip
import json
import random
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from logs import calls, exactly, lines, session, tiles

import queries

FOLLOW = ["follow", "--interval", "0.01"]


def start(folder, *arguments):
    command = [sys.executable, "-m", "ingest", *arguments, "-w", str(folder)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(folder, *arguments):
    process = start(folder, *arguments)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said.decode()


def kill_after(process, seconds):
    """Kill *process* with SIGKILL *seconds* from now, unless it ends before."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def bare(data):
    """Return *data* as the application wrote it."""
    return data


def in_docker(data):
    """Return the lines of *data* as Docker's json-file has them, each in pieces, some of another stream between."""
    found, other = b"", b'{"log":"a warning\\n","stream":"stderr","time":"2026-02-03T15:00:00Z"}\n'
    for text in data.decode().splitlines(keepends=True):
        for start in range(0, len(text), 90):
            piece = {"log": text[start : start + 90], "stream": "stdout", "time": "2026-02-03T15:00:00.123456789Z"}
            found += json.dumps(piece).encode() + b"\n" + (other if start == 90 else b"")
    return found


def in_kubernetes(data):
    """Return the lines of *data* as a container runtime of Kubernetes has them, each in pieces."""
    found = ""
    for text in data.decode().splitlines():
        for start in range(0, len(text), 90):
            tag = "P" if start + 90 < len(text) else "F"
            found += f"2026-02-03T15:00:00.123456789Z stdout {tag} {text[start : start + 90]}\n"
    return found.encode()


@contextmanager
def writer(log, written, wrap=bare):
    """Append numbered calls to *log*, some in two pieces, and rotate it now and then, until the block ends."""
    stop = threading.Event()

    def write():
        number = 0
        file = log.open("ab", buffering=0)
        while not stop.wait(0.004):
            number += 1
            data = wrap(lines(number))
            cut = random.Random(number).randrange(len(data))
            file.write(data[:cut])
            file.write(data[cut:])
            written.append(number)
            if number % 400 == 0:
                for generation in range(8, 0, -1):
                    older = log.with_name(f"{log.name}.{generation}")
                    if older.exists():
                        older.rename(log.with_name(f"{log.name}.{generation + 1}"))
                log.rename(log.with_name(f"{log.name}.1"))
                file.close()
                file = log.open("ab", buffering=0)
        file.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def killed_follows(tmp_path, kills, seed, wrap=bare):
    log, warehouse, written = tmp_path / "maestro.log", tmp_path / "warehouse", []
    chance = random.Random(seed)
    with writer(log, written, wrap):
        for _ in range(kills):
            kill_after(start(warehouse, *FOLLOW, str(log)), chance.uniform(0.6, 1.6))
    finish(warehouse, "follow", "--once", str(log))

    assert calls(warehouse) == exactly(*written)
    assert all(tiles(warehouse).values())
    return written


def killed_backfills(tmp_path, kills, seed):
    warehouse, chance = tmp_path / "warehouse", random.Random(seed)
    expected, folder = [], tmp_path / "logs"
    folder.mkdir()
    for n in range(40):
        numbers = range(n * 1000 + 1, n * 1000 + 400)
        data = session(n) + lines(*numbers)
        name = folder / f"app-{n}.log"
        if n % 2:
            name.write_bytes(data)
        else:
            name.with_name(f"{name.name}.gz").write_bytes(gzip.compress(data))
        expected += numbers
    for _ in range(kills):
        kill_after(start(warehouse, "backfill", str(folder)), chance.uniform(0.4, 1.2))
    finish(warehouse, "backfill", str(folder))

    assert calls(warehouse) == exactly(*expected)
    assert all(tiles(warehouse).values())


def test_a_follower_killed_at_random_instants_loses_and_doubles_nothing(tmp_path):
    assert len(killed_follows(tmp_path, 6, seed=1)) > 400


@pytest.mark.parametrize("wrap", [in_docker, in_kubernetes])
def test_a_follower_of_a_wrapped_log_killed_at_random_instants_loses_and_doubles_nothing(tmp_path, wrap):
    killed_follows(tmp_path, 4, seed=5, wrap=wrap)


@pytest.mark.parametrize("wrap", [in_docker, in_kubernetes])
def test_a_log_counts_once_beside_what_its_container_runtime_made_of_it(tmp_path, wrap):
    data = session(1) + lines(*range(1, 300))
    (tmp_path / "maestro.log").write_bytes(data)
    (tmp_path / "container.log").write_bytes(wrap(data))
    for name in ("maestro.log", "container.log"):
        finish(tmp_path / "w", "backfill", str(tmp_path / name))

    with queries.connect(tmp_path / "w") as connection:
        found = connection.sql("select count(*), count(distinct request_tokens) from llm_calls").fetchall()
    assert calls(tmp_path / "w").total() == 598
    assert found == [(299, 299)]


def test_a_backfill_killed_at_random_instants_loses_and_doubles_nothing(tmp_path):
    killed_backfills(tmp_path, 4, seed=2)


@pytest.mark.slow
def test_fifty_kills_of_a_follower(tmp_path):
    killed_follows(tmp_path, 50, seed=3)


@pytest.mark.slow
def test_fifty_kills_of_a_backfill(tmp_path):
    killed_backfills(tmp_path, 50, seed=4)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_commits_what_is_complete_and_ends_well(tmp_path, how):
    log, warehouse, written = tmp_path / "maestro.log", tmp_path / "warehouse", []
    log.write_bytes(lines(*range(100_000, 100_050)))
    process = start(warehouse, "follow", "--interval", "60", str(log))
    with writer(log, written):
        said = b""
        while b"following" not in said:  # printed once it reads, so that the signal finds it at work
            said = process.stderr.readline()
            assert said, "ended before it began"
        process.send_signal(how)
        _, rest = process.communicate(timeout=2)

    assert process.returncode == 0, rest.decode()
    found = calls(warehouse)
    assert found.total() == len(found) >= 50
