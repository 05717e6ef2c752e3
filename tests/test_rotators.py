"""Real rotators, the logs read between their moves: what they write is read once, whatever they call it."""

import gzip
import itertools
import logging
import logging.handlers
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from logs import line
from test_generations import HOW, holds, read

CALLS = 120
STEP = 17
"""How many calls are logged between two looks: no divisor of what makes the rotators rotate."""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def looked_at(log, how, write):
    """Let *write* log all calls, a step at a time, read the log after each, and hold the table against the truth."""
    warehouse = log.parent.parent / "w"
    for numbers in (range(at, min(at + STEP, CALLS + 1)) for at in range(1, CALLS + 1, STEP)):
        for number in numbers:
            write(line(number).rstrip("\n"))
        read(how, warehouse, log)
    holds(warehouse, *range(1, CALLS + 1))


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("compression", [None, "gz", "bz2"])
def test_loguru(folder, how, compression):
    loguru = pytest.importorskip("loguru", reason="needs loguru")
    log = folder / "app.log"
    loguru.logger.remove()
    sink = loguru.logger.add(log, rotation=1_500, compression=compression, format="{message}", level="INFO")
    try:
        looked_at(log, how, loguru.logger.info)
    finally:
        loguru.logger.remove(sink)
    assert len(list(folder.iterdir())) > 5


def numbered(name):
    """Call the Nth generation of a log otherwise than Python does."""
    path = Path(name)
    return str(path.with_name(f"{path.suffix[1:]}th before {path.stem.removesuffix('.log')}"))


def kept(name):
    """Put generations into a folder of their own."""
    path = Path(name)
    (path.parent / "kept").mkdir(exist_ok=True)
    return str(path.parent / "kept" / path.name)


def packed(source, target):
    """Rotate as the cookbook of Python's logging does."""
    with open(source, "rb") as plain, gzip.open(target, "wb") as file:  # noqa: PTH123 # as the cookbook has it
        shutil.copyfileobj(plain, file)
    os.remove(source)  # noqa: PTH107 # as the cookbook has it


@pytest.mark.parametrize("how", ["follow file", "backfill folder"])
@pytest.mark.parametrize("rotator", [None, packed])
@pytest.mark.parametrize("namer", [None, numbered, kept])
def test_python_by_size(folder, how, namer, rotator):
    log = folder / "app.log"
    handler = logging.handlers.RotatingFileHandler(log, maxBytes=1_500, backupCount=90)
    handler.namer, handler.rotator = namer, rotator
    with_handler(handler, lambda write: looked_at(log, how, write))


@pytest.mark.parametrize("how", ["follow folder", "backfill file"])
@pytest.mark.parametrize("pattern", ["{}", "{}.log", "{}-app"])
def test_python_by_time(folder, how, pattern):
    """The hour is told to have come: of two in a second the second would take the place of the first."""
    log, count = folder / "app.log", itertools.count(10)
    handler = logging.handlers.TimedRotatingFileHandler(log, when="S")
    handler.namer = lambda name: str(Path(name).with_name(pattern.format(f"{Path(name).name[4:]}-{next(count)}")))
    handler.shouldRollover = lambda _record: False
    turns = itertools.count(1)
    with_handler(handler, lambda write: looked_at(log, how, lambda text: rolled(handler, write, text, turns)))


def rolled(handler, write, text, turns):
    """Write *text*, and rotate after each seventh."""
    write(text)
    if next(turns) % 7 == 0:
        handler.doRollover()


def with_handler(handler, use):
    """Give *use* a function that logs with *handler*."""
    logger = logging.Logger("app")  # noqa: LOG001 # none that other tests could share
    logger.addHandler(handler)
    try:
        use(logger.info)
    finally:
        handler.close()


ROTATED = {
    "numbers": "rotate 90",
    "packed": "rotate 90\ncompress",
    "packed a turn later": "rotate 90\ncompress\ndelaycompress",
    "extension": "rotate 90\nextension .log",
    "an own ending": "rotate 90\naddextension .rotated",
    "olddir": "rotate 90\nolddir {folder}/archive\ncreateolddir 755 root root",
    "olddir, packed with xz": "rotate 90\nolddir {folder}/archive\ncreateolddir 755 root root\ncompress\n"
    "compresscmd /usr/bin/xz\nuncompresscmd /usr/bin/unxz\ncompressext .xz",
    "copied and emptied": "rotate 90\ncopytruncate",
    "from another number on": "rotate 90\nstart 20",
}


@pytest.mark.skipif(not shutil.which("logrotate") or os.geteuid() != 0, reason="needs logrotate, as root")
@pytest.mark.parametrize("how", ["follow file", "backfill folder"])
@pytest.mark.parametrize("options", ROTATED.values(), ids=ROTATED)
def test_logrotate(folder, options, how):
    if "xz" in options and not shutil.which("xz", path="/usr/bin"):
        pytest.skip("needs xz")
    log, state = folder / "app.log", folder.parent / "state"
    config = folder.parent / "logrotate.conf"
    config.write_text(f"{log} {{\n{options.format(folder=folder)}\ncreate 644 root root\n}}\n")
    config.chmod(0o644)

    def write(text):
        with log.open("a") as file:
            file.write(text + "\n")

    turns = itertools.count(1)

    def and_rotate(text):
        write(text)
        if next(turns) % 7 == 0:
            subprocess.run(["logrotate", "-f", "-s", str(state), str(config)], check=True, capture_output=True)

    looked_at(log, how, and_rotate)


@pytest.mark.skipif(not shutil.which("logrotate") or os.geteuid() != 0, reason="needs logrotate, as root")
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("dated", ["-%Y%m%d-%s", ".%Y-%m-%d.%s", "_%d.%m.%Y"])
def test_logrotate_with_a_date(folder, dated, how):
    log, config = folder / "app.log", folder.parent / "logrotate.conf"
    config.write_text(f"{log} {{\nrotate 9\ndateext\ndateformat {dated}\nextension .log\n}}\n")
    config.chmod(0o644)
    warehouse = folder.parent / "w"
    for numbers, rotates in ((range(1, 11), False), (range(11, 31), True), (range(31, 41), False)):
        with log.open("a") as file:
            file.writelines(map(line, numbers))
        if not rotates:
            read(how, warehouse, log)
            continue
        command = ["logrotate", "-f", "-s", str(folder.parent / "state"), str(config)]
        subprocess.run(command, check=True, capture_output=True)
    holds(warehouse, *range(1, 41))
