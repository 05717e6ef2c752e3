"""`ingest explain` says how a line is read, for people and for scripts."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli import cli

FIXTURES = Path(__file__).parent.parent / "fixtures"
LINE = '{"time":"2026-01-01T00:00:00Z","model":"gpt-4o","input_tokens":9,"output_tokens":4,"x":1}'


def explain(*arguments, stdin=None):
    return CliRunner().invoke(cli, ["explain", *map(str, arguments)], input=stdin)


def test_each_field_names_the_columns_that_it_feeds():
    (found,) = json.loads(explain(LINE, "--json").stdout)

    columns = {f["path"]: f["columns"] for f in found["fields"]}
    assert found["format"] == "app-json"
    assert columns["input_tokens"] == ["request_tokens", "total_tokens"]
    assert columns["x"] == []
    assert {f["path"] for f in found["fields"] if f["required"]} == {"model"}


def test_line_that_no_format_takes_says_so():
    assert "no format claims it" in explain('{"x":1}').stdout


def test_rejected_line_says_why():
    assert "`created_at` is not a time: noon" in explain(LINE.replace("2026-01-01T00:00:00Z", "noon")).stdout


@pytest.mark.parametrize("bad", ["\x1b[31m", "\x07", "\u202e"])
def test_control_characters_never_reach_the_terminal(bad):
    shown = explain(LINE.replace('"x":1', json.dumps({"user_id": bad}, ensure_ascii=False)[1:-1])).stdout

    assert bad[0] not in shown


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/*.jsonl")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_fixture_can_be_explained(path):
    result = explain(path)

    assert result.exit_code == 0, result.output


def test_context_of_earlier_lines_is_in_the_explanation():
    found = json.loads(explain(FIXTURES / "codex" / "rollout.jsonl", "--json").stdout)

    assert [row["model"] for one in found for row in one["rows"]] == ["gpt-5-codex"]


def test_mapping_that_takes_no_line_shows_the_first_and_why():
    mapping = FIXTURES / "mappings" / "mattermost.toml"

    result = explain(FIXTURES / "mappings" / "zap.log", "--mapping", mapping)

    assert result.exit_code == 1
    assert 'its `msg` is not "Token Usage"' in result.output


def test_standard_input_is_read_for_a_dash():
    assert "gpt-4o" in explain("-", stdin=LINE + "\n").stdout
