"""File events that come, are lost, or end: they make a follower look sooner, and nothing depends on them."""

import ctypes
import os
import shutil
import signal
import threading
from pathlib import Path

import pytest
from logs import append, calls, exactly, follower, lines
from processes import Ingest

import ingest.following.file_events
from ingest.following.file_events import Wakeups
from ingest.following.loop import follow


@pytest.fixture
def running(tmp_path):
    with Ingest(tmp_path) as one:
        yield one


def test_when_the_watcher_dies_the_files_are_still_looked_at(tmp_path):
    log = tmp_path / "maestro.log"
    log.write_bytes(lines(1))
    each = follower(tmp_path / "w", log)
    seen = []
    with Wakeups() as wakeups:
        wakeups.watch({tmp_path: False})
        wakeups._observer.stop()  # noqa: SLF001 # what a crash of its thread does
        wakeups._observer.join()  # noqa: SLF001 # a dead watcher

        def wait(_seconds):
            seen.append(calls(tmp_path / "w").total())
            if len(seen) == 1:
                append(log, lines(2))
            return wakeups.wait(0.01) and len(seen) < 4

        follow(each, wait)
    each.close()

    assert calls(tmp_path / "w") == exactly(1, 2)


def test_a_thread_that_dies_is_replaced_without_a_word(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ingest.following.file_events, "_PAUSE", 0)
    others = threading.excepthook
    with Wakeups() as wakeups:
        wakeups.watch({tmp_path: True})
        with monkeypatch.context() as broken:
            broken.setattr(wakeups, "on_any_event", lambda _: 1 / 0)
            (tmp_path / "first").touch()
            wakeups._observer.join()  # noqa: SLF001 # the thread that met the event
        wakeups.watch({tmp_path: True})
        (tmp_path / "second").touch()
        assert wakeups._wake.wait(30)  # noqa: SLF001 # unlike `wait` it tells an event from the time

    assert threading.excepthook is others
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("deep", [True, False])
def test_a_folder_that_is_made_again_is_watched_again(tmp_path, deep):
    folder = tmp_path / "logs"
    with Wakeups() as wakeups:
        for _ in range(3):
            folder.mkdir()
            wakeups._wake.clear()  # noqa: SLF001 # of what was before
            for _ in range(600):
                wakeups.watch({folder: deep})
                append(folder / "a.log", b"x")
                if wakeups._wake.wait(0.05):  # noqa: SLF001
                    break
            else:
                pytest.fail("no event")
            shutil.rmtree(folder)


def test_folders_that_come_and_go_quickly_are_nothing_to_talk_about(tmp_path, running):
    logs = tmp_path / "logs"
    logs.mkdir()
    running.start("follow", "--interval", "0.1", logs)
    running.until(lambda: "no log is in" in running.said.read_text())  # its first look is over
    for n in range(300):
        deep = logs / str(n % 7) / "b" / "c" / "d"
        deep.mkdir(parents=True, exist_ok=True)
        append(deep / f"{n}.log", lines(n))
        if n % 3 == 0:
            (logs / str(n % 7)).rename(logs / f"moved-{n}")
    running.until(lambda: running.calls().total() >= 300)
    running.stop()

    assert running.calls() == exactly(*range(300))
    said = [each.split(" ", 1)[1] for each in running.said.read_text().splitlines()]
    assert [text.split()[0] for text in said] == ["following", "no", "300"]


def test_more_events_than_the_queue_holds_lose_nothing(tmp_path, running):
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    logs = tmp_path / "logs"
    logs.mkdir()
    append(logs / "maestro.log", lines(1))
    process = running.start("follow", "--interval", "0.1", logs)
    running.until(lambda: running.calls().total())
    process.send_signal(signal.SIGSTOP)
    for n in range(int(limit.read_text()) if limit.exists() else 16384):  # each is more than one event
        other = logs / f"{n}.tmp"
        other.touch()
        other.unlink()
    append(logs / "maestro.log", lines(2))
    append(logs / "other.log", lines(3))
    process.send_signal(signal.SIGCONT)
    running.until(lambda: running.calls().total() >= 3)
    append(logs / "maestro.log", lines(4))
    running.until(lambda: running.calls().total() >= 4)
    running.stop()

    assert running.calls() == exactly(1, 2, 3, 4)
    assert "otify" not in running.said.read_text()


def test_where_there_are_no_more_watches_time_alone_wakes(tmp_path, caplog):
    libc = ctypes.CDLL(None, use_errno=True)
    held = []
    while (descriptor := libc.inotify_init1(os.O_CLOEXEC)) >= 0 and len(held) < 4096:
        held.append(descriptor)
    try:
        if descriptor >= 0:
            held.append(descriptor)
            pytest.skip("no limit on watches")
        with Wakeups() as wakeups:
            wakeups.watch({tmp_path: False})
            assert wakeups.wait(0.01)
    finally:
        for each in held:
            os.close(each)
    assert "no file events" in caplog.text
