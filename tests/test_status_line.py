"""What `ingest follow` shows on a terminal: one live line however narrow that is, and messages that stay above it."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from logs import append, exactly, lines, log_calls
from processes import Ingest

import ingest
import queries
from ingest.cli.counted import Counting

WIDTH = 40


def test_the_live_line_fits_the_terminal_and_makes_room_for_messages(tmp_path):
    log = tmp_path / "maestro.log"
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 20, WIDTH, 0, 0))
    command = [sys.executable, "-m", "ingest", "follow", "--interval", "0.05", str(log), "-w", str(tmp_path / "w")]
    process = subprocess.Popen(command, stderr=its)
    os.close(its)
    said = _until(ours, b"0 files")
    log.write_bytes(lines(1, 2, 3))
    said += _until(ours, b"3 calls")
    log.write_bytes(lines(4))
    said += _until(ours, b"rewritten")
    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=10) == 0
    os.close(ours)
    live = re.findall(r"\r\x1b\[K(\d+ (?:files?|calls?) [^\r\n]*)", said.decode())
    assert live
    assert max(map(len, live)) < WIDTH
    assert re.search(r"\r\x1b\[K\d\d:\d\d:\d\d \S+ was truncated or rewritten\r\n", said.decode())


def test_following_goes_on_without_the_terminal_that_it_began_in(tmp_path):
    log = tmp_path / "maestro.log"
    log.write_bytes(lines(1))
    with Ingest(tmp_path) as running:
        ours, its = pty.openpty()
        process = running.start("follow", "--interval", "0.05", log, stderr=its)
        os.close(its)
        _until(ours, b"1 call ")
        os.close(ours)
        append(log, lines(2))
        running.until(lambda: running.calls().total() == 2)
        append(log, lines(3))
        running.until(lambda: running.calls().total() == 3)
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=10) == 0
        assert running.calls() == exactly(1, 2, 3)


@pytest.mark.parametrize("begun", [" click", "ingest.errors", " polars"])
def test_ctrl_c_while_modules_are_imported_prints_no_trace(tmp_path, begun):
    with Ingest(tmp_path) as running:
        process = running.start("follow", tmp_path / "maestro.log", PYTHONPROFILEIMPORTTIME=1)
        running.until(lambda: begun in running.said.read_text())
        process.send_signal(signal.SIGINT)

        assert process.wait(timeout=20) in (0, 1, 130)
        assert "Traceback" not in running.said.read_text()


def _until(terminal, text):
    said = b""
    while text not in said:
        said += os.read(terminal, 4096)
    return said


def test_a_follower_tells_of_calls_what_the_report_tells(tmp_path):
    sessions = str(Path(__file__).parent.parent / "fixtures" / "claude-code")
    with Ingest(tmp_path) as running:
        process = running.start("follow", "--once", sessions, stderr=subprocess.PIPE)
        said = process.communicate()[1].decode().splitlines()
        with queries.connect(running.warehouse) as connection:
            wanted = "select calls, total_tokens, cost_usd from usage_totals"
            ((calls, tokens, cost),) = connection.sql(wanted).fetchall()

    last = next(line for line in reversed(said) if " files · " in line)
    assert f" {calls:,} calls · {tokens:,} tokens · ${cost:,.2f} · " in last
    stored = int(re.search(r"\+(\d+) records", last)[1])
    assert stored > calls  # streamed messages and copies are records, and no calls


def test_calls_are_counted_beside_the_follower_and_only_when_something_is_new(tmp_path):
    log_calls(tmp_path / "maestro.log", 1, 2)
    ingest.backfill(tmp_path / "maestro.log", tmp_path / "w")
    now = [0.0]
    counting = Counting(str(tmp_path / "w"), clock=lambda: now[0])

    def settled(commits):
        counting.text(commits)
        counting.wait()
        return counting.text(commits)

    assert settled(1).startswith("2 calls · 5 tokens")
    log_calls(tmp_path / "maestro.log", 3)
    ingest.backfill(tmp_path / "maestro.log", tmp_path / "w")
    assert settled(2).startswith("2 calls")  # too soon
    now[0] += 6
    assert settled(1).startswith("2 calls")  # nothing new
    assert settled(2).startswith("3 calls · 9 tokens")
