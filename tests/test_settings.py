"""Which warehouse, which zone, and where each setting comes from; what `ingest` finds when it is told nothing."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from warehouses import FIXTURES

from ingest.cli import cli


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user's home with nothing in it, and a folder below to stand in."""
    for variable in ("INGEST_WAREHOUSE", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TZ", "CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, list(map(str, arguments)))
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def settle(home, text):
    file = home / ".config" / "llm-ingest" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


def origins(*arguments):
    rows = json.loads(run("config", "show", *arguments, "--format", "json").stdout)
    return {row["setting"]: (row["value"], row["origin"]) for row in rows}


def claude(home):
    folder = home / ".claude" / "projects" / "p"
    folder.mkdir(parents=True)
    for session in (FIXTURES / "claude-code").glob("*.jsonl"):
        shutil.copy(session, folder)


def test_the_warehouse_is_found_by_one_rule(home, monkeypatch):
    own = str(home / ".local/share/llm-ingest/warehouse")
    assert origins()["warehouse"] == (own, "default, as there is no ./warehouse")

    Path("warehouse").mkdir()
    assert origins()["warehouse"] == ("warehouse", "default, ./warehouse")

    file = settle(home, '# mine\nwarehouse = "~/calls"\n')
    assert origins()["warehouse"] == (str(home / "calls"), f"{file}, line 2")

    monkeypatch.setenv("INGEST_WAREHOUSE", "elsewhere")
    assert origins()["warehouse"] == ("elsewhere", "environment, $INGEST_WAREHOUSE")
    assert origins("-w", "there")["warehouse"] == ("there", "option --warehouse")


def test_where_the_config_file_is_may_be_said(home, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "settled"))
    (home / "settled" / "llm-ingest").mkdir(parents=True)
    (home / "settled" / "llm-ingest" / "config.toml").write_text('zone = "Asia/Tokyo"\n')

    assert origins()["zone"][0] == "Asia/Tokyo"
    assert origins("--tz", "UTC")["zone"] == ("UTC", "option --tz")


def test_with_a_path_the_warehouse_is_made_here_and_without_one_it_is_the_users(home):
    claude(home)
    run("backfill", FIXTURES / "rc3" / "maestro.log")
    assert Path("warehouse", "llm_calls").is_dir()

    shutil.rmtree("warehouse")
    own = home / ".local/share/llm-ingest/warehouse"
    said = run("backfill").stderr
    assert f"warehouse: {own} (default, as there is no ./warehouse)" in said
    assert "Claude Code: ~/.claude/projects" in said
    assert not Path("warehouse").exists()

    answer = run("report", "usage")
    assert f"warehouse: {own}" in answer.stderr
    assert json.loads(answer.stdout)["rows"][0]["calls"] > 0
    assert f"warehouse: {own}" not in run("--quiet", "report", "usage").stderr


def test_following_without_a_path_follows_what_was_found(home):
    claude(home)
    Path(".maestro/logs").mkdir(parents=True)
    shutil.copy(FIXTURES / "rc3" / "maestro.log", ".maestro/logs/maestro.log")
    run("follow", "--once")

    tools = {row["tool"] for row in json.loads(run("report", "cost-by-tool").stdout)["rows"]}
    assert tools == {"claude-code", "maestro-log"}


def test_ingest_alone_says_what_is_here_and_what_reads_it(home):
    claude(home)
    shutil.copy(FIXTURES / "rc3" / "maestro.log", "app.log")
    shutil.copy(FIXTURES / "rc3" / "maestro.log", "other.log")
    said = run().stdout

    assert "logs, in this folder  *.log                    2 files     1.9 MB" in said
    assert "Claude Code           ~/.claude/projects" in said
    assert "ingest backfill" in said
    assert "ingest follow" in said
    assert "~/.local/share/llm-ingest/warehouse" in said
    assert max(map(len, said.splitlines())) <= 100


def test_where_nothing_is_it_says_how_to_name_logs():
    assert "ingest backfill PATH" in run().stdout
    for command in ("backfill", "follow"):
        assert "name them, as PATH" in run(command, code=2).stderr


def test_the_zone_of_the_config_file_is_that_of_the_answers(home):
    run("backfill", FIXTURES / "rc3" / "maestro.log")
    settle(home, 'zone = "Asia/Tokyo"\n')

    envelope = json.loads(run("report", "tpm").stdout)
    assert envelope["rows"][0]["peak_minute"] == "2026-02-04T01:13:00+09:00"
    assert json.loads(run("report", "tpm", "--tz", "UTC").stdout)["rows"][0]["peak_minute"].endswith("+00:00")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('\nwarehose = "x"\n', 2, "no setting is called 'warehose' - did you mean warehouse?"),
        ("warehouse = 3\n", 1, "warehouse is a text"),
        ('warehouse = ""\n', 1, "warehouse is a text"),
        ('# zone\nzone = "Europe/Berln"\n', 2, "no time zone is called 'Europe/Berln' - did you mean Europe/Berlin"),
        ('zone = "UTC"\n[names]\n"gpt-5.2" = 5.2\n', 3, "what to show instead of gpt-5.2 is a text"),
        ('names = "short"\n', 1, "[names] is a table"),
        ('[nams]\n"gpt-5.2" = "5"\n', 1, "no setting is called 'nams' - did you mean names"),
        ('zone = "UTC"\nzone = = 3\n', 2, "is not TOML"),
    ],
)
def test_a_mistake_in_the_config_file_is_one_line_that_names_its_line(home, text, line, said):
    file = settle(home, text)
    for command in (["config", "show"], ["report", "tpm"], []):
        if not command:
            claude(home)
        (told,) = run(*command, code=1).stderr.splitlines()
        assert told.startswith(f"Error: {file}")
        assert f"line {line}" in told
        assert said in told


def test_a_config_file_that_is_no_text_is_told(home):
    file = settle(home, "")
    file.write_bytes(b"zone = '\xff'")

    assert "is not UTF-8 at byte 8" in run("config", "show", code=1).stderr
