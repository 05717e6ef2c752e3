"""Known places of logs are found on every system, by variables that applications read themselves as well."""

from pathlib import Path

import pytest

from ingest.files.places import found


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}\n", "utf-8")


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert found({"HOME": str(tmp_path)}, "linux") == []


@pytest.mark.parametrize(
    ("platform", "environment", "file", "name"),
    [
        ("linux", {}, ".claude/projects/p/s.jsonl", "Claude Code"),
        ("linux", {}, ".config/claude/projects/p/s.jsonl", "Claude Code"),
        ("linux", {"XDG_DATA_HOME": "{home}/data"}, "data/opencode/opencode.db", "OpenCode"),
        ("linux", {}, ".local/share/goose/sessions/sessions.db", "Goose"),
        ("darwin", {}, ".local/share/opencode/opencode.db", "OpenCode"),
        ("darwin", {}, "Library/Application Support/Code/User/globalStorage/saoudrizwan.claude-dev/tasks/1/x", "Cline"),
        (
            "win32",
            {"APPDATA": "{home}/Roaming"},
            "Roaming/Code/User/globalStorage/kilocode.kilo-code/tasks/1/x",
            "Kilo Code",
        ),
        ("win32", {}, ".codex/sessions/2026/s.jsonl", "Codex"),
    ],
)
def test_each_system_has_its_own_places(tmp_path, platform, environment, file, name):
    _write(tmp_path / file)
    home = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    variables = {key: value.format(home=tmp_path) for key, value in environment.items()}

    (place,) = found(home | variables, platform)

    assert place.name == name
    assert place.size() == (1, 3)


def test_a_variable_of_the_application_says_where_instead(tmp_path):
    for folder in ("a", "b", ".claude"):
        _write(tmp_path / folder / "projects" / "p" / "s.jsonl")

    places = found({"HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": f"{tmp_path / 'a'}, {tmp_path / 'b'}"}, "linux")

    assert [place.path for place in places] == [tmp_path / "a" / "projects", tmp_path / "b" / "projects"]


def test_one_folder_under_two_names_is_found_once(tmp_path):
    _write(tmp_path / ".claude" / "projects" / "p" / "s.jsonl")
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / "claude").symlink_to(tmp_path / ".claude")

    assert len(found({"HOME": str(tmp_path)}, "linux")) == 1


def test_logs_of_this_folder_come_first(tmp_path):
    _write(tmp_path / ".maestro" / "logs" / "maestro.log")
    _write(tmp_path / ".codex" / "sessions" / "s.jsonl")

    assert [place.path for place in found({"HOME": str(tmp_path)}, "linux")] == [
        Path(".maestro/logs/maestro.log"),
        tmp_path / ".codex" / "sessions",
    ]
