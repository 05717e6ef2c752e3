"""What people write by hand, and snapshots that others may have written, are read within bounds or told in one line."""

import os

import pytest
from click.testing import CliRunner
from warehouses import build, call

from ingest.cli import cli

COMMANDS = {
    "prices": ["prices", "list", "--prices", "{file}"],
    "mapping": ["backfill", "no.log", "--mapping", "{file}"],
    "names": ["dims", "{file}"],
}


def _deep(path):
    path.write_text("a = " + "[" * 20_000 + "]" * 20_000)


@pytest.mark.parametrize("made", [_deep, lambda path: path.symlink_to("/dev/zero"), os.mkfifo])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_without_end_or_sense_is_told_in_one_line(tmp_path, command, made):
    file = tmp_path / ("names.csv" if command == "names" else "own.toml")
    made(file)
    words = [word.format(file=file) for word in COMMANDS[command]]
    result = CliRunner().invoke(cli, [*words, "-w", str(tmp_path / "w")], catch_exceptions=False)

    assert result.exit_code in {1, 2}
    assert result.stderr.count("Error: ") == 1


@pytest.mark.parametrize("name", ["sessions", "teams"])
def test_a_damaged_snapshot_is_named_with_what_writes_it_anew(tmp_path, name):
    warehouse = build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:00")])
    snapshot = warehouse / "dims" / name / "snapshot.parquet"
    snapshot.parent.mkdir(parents=True)
    snapshot.write_bytes(b"PAR1 nothing PAR1")
    result = CliRunner().invoke(cli, ["report", "tpm", "-w", str(warehouse)], catch_exceptions=False)

    assert result.exit_code == 1
    assert f"Error: {snapshot} is no snapshot of `ingest dims`" in result.stderr
