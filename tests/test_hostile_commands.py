"""Whatever the command line is given, it ends, with an exit code that it has, and one line instead of a traceback.

The commands and options are those of click's own tree: what is added later is tried without being named here.
`INGEST_FUZZ=5000` tries more, `INGEST_FUZZ_SEED=7` others.
"""

import os
import random
import signal
import socket
import traceback
from contextlib import contextmanager

import click
import pytest
from click.testing import CliRunner
from logs import lines
from warehouses import build, call

from ingest.cli import cli

CASES = int(os.environ.get("INGEST_FUZZ", "300"))
SEED = int(os.environ.get("INGEST_FUZZ_SEED", "15"))
CHUNKS = 10
SECONDS = 60
"""After which a run counts as hanging: none takes one, on an idle machine."""

ESCAPES = "\x1b[31mred\x1b]0;title\x07"
WORDS = [
    "",
    " ",
    "-",
    "--",
    "0",
    "-1",
    "1e999",
    "nan",
    "-inf",
    "9" * 400,
    "9" * 5000,
    "0x10",
    "1_000",
    "٣",  # a digit, elsewhere
    "é\u0301\u202e\U0001f600",
    "\udcff",
    "a\x00b",
    ESCAPES,
    "'; drop table llm_calls; --",
    '"',
    "$(touch pwned)`id`|&;<>*?[]{}~!",
    "%s%n{0}{}%x",
    "../../../../etc/passwd",
    "x" * 100_000,
    "a=b",
    "=",
    "limit=1e999",
    "by=\x1b[31m",
    "file=/dev/zero",
    "file=pipe",
    "2026-02-30",
    "9999-12-31T23:59:59",
    "0001-01-01",
    "99999999999d",
    "-5h",
    "today",
    "Europe/../Berlin",
    "/etc/localtime",
    "postgresql://joe:s3cret@127.0.0.1:1/app",
    "postgresql://joe:s3cret@[::1",
    "http://127.0.0.1:1/",
    "file://w",
    "select * from read_csv('/etc/passwd')",
    "select",
    "from llm_calls",
    "tpm",
    "cost-by",
    "json",
    "calls.parquet",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of what commands don't expect, where they run."""
    folder = tmp_path_factory.mktemp("hostile")
    build(folder / "w", llm_calls=[call("2026-02-03T10:00:00")])
    (folder / "logs").mkdir()
    (folder / "logs" / "m.log").write_bytes(lines(1, 2))
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.toml")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.open(".", os.O_RDONLY)
        os.chdir(folder)  # the name of a socket is short
        bound.bind("socket")
        os.chdir(here)
        os.close(here)
    (folder / "zero.log").symlink_to("/dev/zero")
    (folder / "zero.csv").symlink_to("/dev/zero")
    (folder / "full.json").symlink_to("/dev/full")
    (folder / "nowhere").symlink_to("nothing")
    (folder / "itself").symlink_to("itself")
    (folder / "empty").write_bytes(b"")
    (folder / "binary.toml").write_bytes(bytes(range(256)) * 8)
    (folder / "deep.toml").write_text("a = " + "[" * 20_000 + "]" * 20_000)
    (folder / "keys.toml").write_text('"\\u001b[31m" = 1\n[[price]]\n"\\u001b[31m" = "\\u001b[31m"\n')
    (folder / "digits.toml").write_text(f"a = {'9' * 5000}\n")
    (folder / "deep.json").write_text("[" * 20_000)
    (folder / "names.csv").write_text("user,team\nann,\x1b[31mred\n")
    (folder / "head.gz").write_bytes(b"\x1f\x8b\x08")
    (folder / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    (folder / "bad.db").write_bytes(b"SQLite format 3\x00" + b"\xff" * 4096)
    (folder / f"{ESCAPES}.log").write_bytes(b"\x1b[31m no log\n")
    return folder


def files(folder):
    return [*(entry.name for entry in folder.iterdir() if entry.name != "w"), ".", "/", "/dev/null", "/dev/full", "no"]


def commands(command, path=()):
    """Yield each command of click's tree, with the words that lead to it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))
    if path:
        yield path, command


COMMANDS = list(commands(cli))


def drawn(chance, folder):
    """Return the words of one command line."""
    path, command = chance.choice(COMMANDS)

    def value():
        return chance.choice(WORDS if chance.random() < 0.5 else files(folder))

    words = [*path]
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    for option in chance.sample(options, chance.randint(0, min(3, len(options)))):
        words += [chance.choice(option.opts)] if option.is_flag else [chance.choice(option.opts), value()]
    words += [value() for p in command.params if isinstance(p, click.Argument) for _ in range(chance.choice([1, 1, 2]))]
    if "--warehouse" not in words and any(p.name == "warehouse" for p in options):
        words[len(path) : len(path)] = ["--warehouse", chance.choice(["w", "w", *files(folder)])]
    if path == ("follow",):
        words.insert(1, "--once")
    if path == ("serve",):
        words += ["--port", "70000"]  # else one that is served would be, for ever
    return words


@contextmanager
def within(seconds):
    """Raise where the block takes longer."""

    def late(_signal, _frame):
        raise TimeoutError(f"it hangs: {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def wrong(words):
    """Run *words* here; return what is wrong with how it ends, if anything is."""
    with within(SECONDS):
        result = CliRunner().invoke(cli, words, input="")
    if result.exc_info and result.exc_info[0] is not SystemExit:
        return "".join(traceback.format_exception(*result.exc_info))[-3000:]
    said = result.stderr
    if result.exit_code not in range(5):
        return f"exit code {result.exit_code}: {said}"
    if "\x1b" in said or "Traceback" in said or "s3cret" in said or "panicked" in said:
        return said[-3000:]
    errors = sum(line.startswith("Error: ") for line in said.splitlines())
    if errors > 1 or (result.exit_code in (1, 2) and "Error: " not in said and "Commands:" not in said):
        return f"{errors} errors, exit code {result.exit_code}: {said[-3000:]}"
    return None


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.filterwarnings("default")
def test_no_command_line_ends_in_a_traceback_or_never(folder, monkeypatch, chunk):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
    chance = random.Random(SEED * 1000 + chunk)
    bad = []
    for _ in range(CASES // CHUNKS):
        words = drawn(chance, folder)
        if why := wrong(words):
            bad.append(f"ingest {[word[:200] for word in words]}\n{why}")
        assert not (folder / "pwned").exists()

    assert not bad, f"{len(bad)}:\n" + "\n\n".join(bad)
