"""Two files that hold the same, and say no times, are one log and its copy or two logs: what was decided is told."""

import json
import shutil

import polars as pl
import pytest
from click.testing import CliRunner
from logs import append, line

from ingest.cli import cli

RECORD = b'{"model": "gpt-5.2", "input_tokens": 7, "output_tokens": 1}\n'


@pytest.fixture
def hosts(tmp_path):
    """Two hosts whose logs hold the same three calls."""
    for host in ("one", "two"):
        (tmp_path / host).mkdir()
        (tmp_path / host / "usage.jsonl").write_bytes(RECORD * 3)
    return tmp_path / "one" / "usage.jsonl", tmp_path / "two" / "usage.jsonl"


@pytest.fixture(params=["backfill", "follow"])
def read(request, tmp_path):
    """Read paths once; return what was said."""

    def run(*arguments):
        command = ["follow", "--once"] if request.param == "follow" else ["backfill"]
        result = CliRunner().invoke(cli, [*command, *map(str, arguments), "-w", str(tmp_path / "w")])
        assert result.exit_code == 0, result.output
        return result.stderr

    return run


def rows(folder):
    """Return how many calls are stored."""
    return pl.scan_delta(str(folder / "w" / "llm_calls")).collect().height


def told(folder):
    """Return what `status` and `verify` note."""
    answers = [
        json.loads(CliRunner().invoke(cli, [command, "-w", str(folder / "w"), "--format", "json"]).stdout)
        for command in ("status", "verify")
    ]
    assert answers[1]["good"], answers[1]["problems"]
    return [source["note"] for source in answers[0]["sources"] if source["note"]], answers[1]["notes"]


def test_two_equal_logs_without_times_count_once_and_that_is_told(tmp_path, hosts, read, caplog):
    one, two = hosts
    for _ in range(2):
        read(one, two)
    assert rows(tmp_path) == 3
    said = [record.getMessage() for record in caplog.records if "copy" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(f"{two} was taken for a copy of {one}")
    (in_status,), (in_verify,) = told(tmp_path)
    assert in_status.startswith(f"{two} taken for a copy")
    assert in_verify.startswith(f"{two} was taken for a copy of {one}")


def test_who_says_that_it_is_no_copy_has_it_counted_once_more_and_only_once(tmp_path, hosts, read, caplog):
    one, two = hosts
    read(one, two)
    read("--not-a-copy", two)
    assert rows(tmp_path) == 6
    assert told(tmp_path) == ([], [])
    caplog.clear()
    for path in (one, two):
        append(path, RECORD)
        read(one, two)
        read("--not-a-copy", one, two)
    assert rows(tmp_path) == 8
    assert not [record for record in caplog.records if "copy" in record.getMessage()]


def test_the_beginning_of_a_log_without_times_is_told_as_well(tmp_path, hosts, read):
    one, two = hosts
    append(one, RECORD * 19)
    append(two, RECORD * 17)
    read(one)
    read(two)
    assert rows(tmp_path) == 22
    assert told(tmp_path)[0]
    read("--not-a-copy", two)
    read(one, two)
    assert rows(tmp_path) == 42


@pytest.mark.parametrize("how", ["renamed", "copied and truncated", "copied, beside its log", "copied, with times"])
def test_generations_and_copies_that_can_be_told_are_none_to_talk_about(tmp_path, hosts, read, how, caplog):
    one, two = hosts
    two.unlink()
    if how.endswith("times"):
        one.write_text(line(1) + line(2) + line(3))
    read(one)
    if how == "renamed":
        one.rename(two)
    else:
        shutil.copy(one, one.with_name("usage.jsonl.1") if how.endswith("log") else two)
        one.write_bytes(b"") if "truncated" in how else None
    read(*(path for path in (one, one.with_name("usage.jsonl.1"), two) if path.exists()))

    assert rows(tmp_path) == 3
    assert not [record for record in caplog.records if "copy of" in record.getMessage()]
    assert told(tmp_path) == ([], [])
