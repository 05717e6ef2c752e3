"""What the shell offers after TAB, asked as bash asks, and by bash and zsh themselves."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from warehouses import build, call

from ingest.cli import cli

INGEST = Path(sys.executable).with_name("ingest")


def offered(*words, cwd, **environment):
    env = {**os.environ, "_INGEST_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), **environment}
    env["COMP_CWORD"] = str(len(words) - 1)
    result = subprocess.run([INGEST], env=env, cwd=cwd, capture_output=True, text=True, check=True)
    return [line.removeprefix("plain,") for line in result.stdout.split()]


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


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    rows = [
        call("2026-02-03T10:00:00", model="claude-opus-4-5", agent_id="coder-001", format="claude-code/V1+x"),
        call("2026-02-03T10:00:01", model="gpt-5.2", agent_id="coder-002", source_offset=2),
        call("2026-02-03T10:00:02", model=None, agent_id="evil\x1b[31m", source_offset=3),
    ]
    return str(build(tmp_path_factory.mktemp("w"), llm_calls=rows))


@pytest.mark.parametrize(
    ("option", "begun", "found"),
    [
        ("--model", "", ["claude-opus-4-5", "gpt-5.2"]),
        ("--model", "gpt", ["gpt-5.2"]),
        ("--agent", "", ["coder-001", "coder-002"]),
        ("--tool", "cl", ["claude-code"]),
        ("--tz", "Europe/Berl", ["Europe/Berlin"]),
        ("--session", "", []),
    ],
)
def test_values_that_the_warehouse_has_are_offered(warehouse, tmp_path, option, begun, found):
    for before in (["report", "tpm"], ["sql"], ["export", "x.csv"]):
        assert offered("ingest", *before, option, begun, cwd=tmp_path, INGEST_WAREHOUSE=warehouse) == found
    assert offered("ingest", "report", "tpm", "-w", warehouse, option, begun, cwd=tmp_path) == found


def test_a_warehouse_that_is_none_offers_nothing_and_says_nothing(tmp_path):
    folder = tmp_path / "warehouse" / "llm_calls" / "date=2026-02-03"
    folder.mkdir(parents=True)
    (folder / "a.parquet").write_text("no Parquet")

    assert offered("ingest", "report", "tpm", "--model", "", cwd=tmp_path) == []


def test_formats_to_read_are_offered(tmp_path):
    assert "claude-code" in offered("ingest", "backfill", "--format", "claude", cwd=tmp_path)


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ""),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -D; "),
}
"""How each is started without the settings of whoever tests, and what it needs first."""


class Shell:
    """A real one, at whose prompt is typed."""

    def __init__(self, name, folder):
        environment = {"PATH": f"{INGEST.parent}:/usr/bin:/bin", "HOME": str(folder), "PS1": "", "TERM": "dumb"}
        environment |= {"INGEST_WAREHOUSE": "w"}
        command, first = SHELLS[name]
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execve(shutil.which(name), command, environment)  # noqa: S606
        told = f'eval "$(_INGEST_COMPLETE={name}_source ingest)"; echo "re""ady"'
        self.typed(f"{first}{told}\n", "ready")

    def typed(self, keys, expected):
        """Type *keys*, and return what is shown until *expected* comes."""
        os.write(self._terminal, keys.encode())
        shown, until = "", time.monotonic() + 60
        while expected not in shown:
            assert select.select([self._terminal], [], [], max(until - time.monotonic(), 0))[0], shown
            shown += os.read(self._terminal, 4096).decode()
        return shown

    def close(self):
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)


@pytest.fixture(scope="module", params=list(SHELLS))
def shell(request, tmp_path_factory):
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} is installed")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "fixtures" / "rc3").mkdir(parents=True)
    (folder / "fixtures" / "rc3" / "maestro.log").touch()
    (folder / "calls.parquet").touch()
    build(folder / "w", llm_calls=[call("2026-02-03T10:00:00", model="claude-opus-4-5", agent_id="coder-001")])
    one = Shell(request.param, folder)
    yield one
    one.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("ingest backfill fixtures/rc", "fixtures/rc3/"),
        ("ingest follow --once fixtures/rc3/mae", "fixtures/rc3/maestro.log"),
        ("ingest export cal", "calls.parquet"),
        ("ingest report tpm -o cal", "calls.parquet"),
        ("ingest report tpm -w fix", "fixtures/"),
        ("ingest explain fixtures/rc3/mae", "fixtures/rc3/maestro.log"),
        ("ingest report cost-by-acc", "cost-by-account"),
        ("ingest report tpm --tz Europe/Berl", "Europe/Berlin"),
        ("ingest report tpm --model cla", "claude-opus-4-5"),
        ("ingest watch --agent cod", "coder-001"),
        ("ingest report tpm --format par", "parquet"),
    ],
)
def test_bash_and_zsh_complete_files_and_names(shell, typed, completed):
    clear = "\x15"
    assert completed in shell.typed(f"{clear}{typed}\t", completed)


def test_behind_the_name_of_a_parameter_its_value_is_typed_at_once(shell):
    clear = "\x15"
    assert "limit=500k" in shell.typed(f"{clear}ingest report budget -p lim\t500k", "500k")


def test_the_shell_does_not_wait_for_duckdb():
    program = "import sys, ingest.cli.report, ingest.cli.export; print({'duckdb', 'polars'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout == "set()\n"


def test_the_name_of_a_report_as_a_command_says_how_to_run_it():
    done = CliRunner().invoke(cli, ["limits"])
    assert done.exit_code == 2
    assert "limits is a report: run `ingest report limits`" in done.stderr
    assert "No such command 'nothing'" in CliRunner().invoke(cli, ["nothing"]).stderr
