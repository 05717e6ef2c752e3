"""Lines that speak of a call and that no format reads are told: a file once, by each command, and to `--strict`."""

import json

import pytest
from click.testing import CliRunner

from ingest.cli import cli
from parsers import FORMATS, Block, parse

TEXT = "2026-03-04T11:20:18Z INFO done llm=gpt-5 tokens=940 cost=0.2\n"
JSON = '{"kind": "done", "served_model": "gpt-5", "n_tokens": 940}\n'
CALL = '{"model":"gpt-5","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n'


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs a command on a warehouse, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return lambda *words: CliRunner().invoke(cli, [*map(str, words), "-w", str(tmp_path / "w")])


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        (TEXT, 1),
        (TEXT.replace("tokens=940", "used 940 tokens"), 1),
        (JSON, 1),
        (CALL + JSON + TEXT, 2),
        ("the tokens of a model are counted later\n", 0),
        ("INFO starting gpt-5 with max_tokens=4096\n", 0),
        ('{"note": "{\\"model\\": \\"gpt-5\\", \\"tokens\\": 5}"}\n', 0),
        ('{"role": "user", "content": "set \\"model\\"", "model": "gpt-5", "tokens": 5}\n', 0),
        ('{"model": "gpt-5", "requests": 50, "prompt_tokens": 45000}\n', 0),
        ('{"jsonrpc": "2.0", "id": 5}\n', 0),
    ],
)
def test_a_line_that_speaks_of_tokens_and_a_model_is_counted(lines, count):
    assert parse(Block(lines.encode(), sealed=True), FORMATS).unread == count


def test_lines_of_many_small_files_are_counted_as_those_of_each(tmp_path, run):
    for number in range(8):
        (tmp_path / f"{number}.jsonl").write_text(CALL.replace("1", str(number + 1)) + JSON * number)
    alone = [parse(Block(path.read_bytes(), sealed=True), FORMATS).unread for path in sorted(tmp_path.glob("*.jsonl"))]
    together = run("backfill", *tmp_path.glob("*.jsonl"))

    assert alone == list(range(8))
    assert "28 lines speak" in together.stderr


def test_side_lines_of_a_system_that_is_known_are_not_counted():
    side = '{"type":"summary","model":"claude-opus-4-5","totalTokens":940}\n'
    message = {"id": "msg_1", "model": "claude-opus-4-5", "usage": {"input_tokens": 7, "output_tokens": 1}}
    call = json.dumps({"type": "assistant", "sessionId": "s", "uuid": "u", "message": message}) + "\n"
    assert parse(Block((side + call).encode(), sealed=True), FORMATS).unread == 0


@pytest.mark.parametrize("command", [("backfill", "--strict"), ("follow", "--once", "--strict")])
def test_a_file_with_such_lines_is_told_with_their_number(tmp_path, run, command, caplog):
    log = tmp_path / "app.log"
    log.write_text(TEXT * 3)
    done = run(*command, log)

    assert done.exit_code == 4
    assert f"{log}: 3 lines speak of tokens and a model, and no format reads them" in done.output + caplog.text


def test_many_such_files_are_told_in_one_line_and_once_and_by_status(tmp_path, run):
    for number in range(40):
        (tmp_path / f"{number}.log").write_text(TEXT * (number + 1))
    first = run("backfill", *tmp_path.glob("*.log"))
    again = run("backfill", *tmp_path.glob("*.log"))
    status = run("status", "-j")

    (line,) = [line for line in first.stderr.splitlines() if "speak" in line]
    assert "40 files, such as" in line
    assert "820 lines" in line
    assert "speak" not in again.stderr
    assert sum(json.loads(status.stdout)["unread"].values()) == 820
    assert "820 lines speak" in run("status", "--format", "table").stderr


def test_a_file_that_is_read_now_is_told_no_more(tmp_path, run):
    log = tmp_path / "app.log"
    log.write_text(TEXT)
    run("backfill", log)
    log.write_text(CALL)

    assert run("backfill", log).exit_code == 0
    assert json.loads(run("status", "-j").stdout)["unread"] == {}
