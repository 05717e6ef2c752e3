"""Names that are no UTF-8, or hold what a terminal would obey: told safely, and read like others."""

import os

import pytest
from logs import append, exactly, lines
from processes import Ingest

ODD = [
    b"caf\xe9.log",
    b"line\nend.log",
    b"~nobody.log",
    b"\x1b]0;title\x07.log",
    b"a b%20c[1]{2}.log",
    "ünï.log".encode(),
]


@pytest.fixture
def running(tmp_path):
    with Ingest(tmp_path) as one:
        yield one


@pytest.mark.parametrize("command", [["follow", "--once"], ["backfill"]], ids=" ".join)
def test_files_of_any_name_in_a_folder_are_read(tmp_path, running, command):
    logs = tmp_path / "logs"
    logs.mkdir()
    for n, name in enumerate(ODD):
        append(logs / os.fsdecode(name), lines(n * 10))
        append(logs / os.fsdecode(name + b".1"), lines(n * 10 + 1))
    running.finish("-q", *command, logs)
    running.finish("-q", *command, logs)

    assert running.calls() == exactly(*(n * 10 + k for n in range(len(ODD)) for k in (0, 1)))
    for asked in ("verify", "status"):
        running.finish(asked)


def test_a_name_that_begins_with_a_tilde_is_a_name_unless_somebody_is_called_so(tmp_path, running):
    append(tmp_path / "~nobody-is-called-so.log", lines(1))
    running.finish("-q", "backfill", "~nobody-is-called-so.log", cwd=tmp_path)

    assert running.calls() == exactly(1)


def test_messages_spell_out_what_a_terminal_would_obey(tmp_path, running):
    name = "\x1b]0;title\x07.log"
    (tmp_path / name).mkdir()
    code, said = running.run("follow", "--once", tmp_path / name, tmp_path / "\x1b[31mred.log")
    assert code == 0
    assert [text for text in said if "\x1b" in text or "\x07" in text] == []
    assert any(r"\x1b]0;title\x07.log" in text for text in said)

    # Sequences of colours and titles are taken off a line as an envelope; other control characters are not.
    append(tmp_path / "a.log", lines(1).replace(b"coder-001", b"coder\x08x\x07"))
    running.finish("-q", "backfill", tmp_path / "a.log")
    code, said = running.run("report", "usage", "--agent", "code")
    assert code == 2
    assert said == [r"Error: no call has agent 'code' - did you mean coder\x08x\x07?"]
