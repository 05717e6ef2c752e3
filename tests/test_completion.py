"""What the shell offers after TAB, asked as bash asks."""

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from ingest.cli import cli

INGEST = Path(sys.executable).with_name("ingest")


def offered(*words, cwd, **environment):
    env = {**os.environ, "_INGEST_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), **environment}
    env["COMP_CWORD"] = str(len(words) - 1)
    result = subprocess.run([INGEST], env=env, cwd=cwd, capture_output=True, text=True, check=True)
    return [line.removeprefix("plain,") for line in result.stdout.splitlines()]


def test_reports_are_offered_by_name(tmp_path):
    assert offered("ingest", "report", "tpm", cwd=tmp_path) == ["tpm", "tpm-series"]
    assert "cost-by-agent" in offered("ingest", "export", "x.csv", "--report", "cost", cwd=tmp_path)


def test_ones_own_reports_are_offered_as_well(tmp_path):
    (tmp_path / "warehouse" / "reports").mkdir(parents=True)
    (tmp_path / "warehouse" / "reports" / "tpm-of-mine.sql").write_text("-- Mine.\nselect 1\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "tpm-of-ours.sql").write_text("-- Ours.\nselect 1\n")

    found = offered("ingest", "report", "tpm-of", cwd=tmp_path, INGEST_REPORTS=str(tmp_path / "elsewhere"))
    assert found == ["tpm-of-mine", "tpm-of-ours"]


def test_parameters_of_a_report_are_offered(tmp_path):
    assert offered("ingest", "report", "budget", "-p", "l", cwd=tmp_path) == ["limit="]
    assert offered("ingest", "export", "x.csv", "--report", "budget", "-p", "w", cwd=tmp_path) == ["warn="]


def test_formats_are_offered(tmp_path):
    assert offered("ingest", "report", "tpm", "--format", "p", cwd=tmp_path) == ["parquet", "png"]


def test_the_shell_does_not_wait_for_duckdb():
    program = "import sys, ingest.cli.report, ingest.cli.export; print({'duckdb', 'polars'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout == "set()\n"


def test_the_name_of_a_report_as_a_command_says_how_to_run_it():
    done = CliRunner().invoke(cli, ["limits"])
    assert done.exit_code == 2
    assert "limits is a report: run `ingest report limits`" in done.stderr
    assert "No such command 'nothing'" in CliRunner().invoke(cli, ["nothing"]).stderr
