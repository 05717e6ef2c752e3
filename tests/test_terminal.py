"""What a terminal shows of each report at each width: the answer always, and never less in a wider one."""

import io
import json
import re
from dataclasses import replace
from functools import cache
from itertools import pairwise

import polars as pl
import pytest
from click.testing import CliRunner
from rich.console import Console
from test_reports import PARAMETERS, rows
from warehouses import build

import ingest
import queries
from ingest.cli import cli
from queries.answers import reports
from queries.answers.answer_rows import Many
from queries.answers.reports import Answer
from queries.show import terminal_table
from queries.show.fitting import cut, short_models

WIDTHS = (60, 80, 100, 140, 200)
RATE_LIMITED = pl.DataFrame(
    {
        "created_at": ["2026-02-03T16:13:07.949"],
        "provider": "anthropic",
        "model": "claude-opus-4-5-20251101",
        "dimension": "input tokens",
        "limit_value": 450_000,
        "used": 449_000,
        "requested": 9_000,
        "wait_ms": 1_200,
        "agent_id": "coder-001",
        "session_id": "s-1",
        "over": 8_000,
    }
).with_columns(pl.col("created_at").str.to_datetime(time_zone="UTC"))
MUST = {
    "limits": {"model", "counts", "limit_for_none"},
    "usage": {"cost_usd", "total_tokens", "calls"},
    "sessions": {"session_id", "cost_usd"},
    "tpm": {"model", "peak_tpm"},
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return build(tmp_path_factory.mktemp("w"), **rows())


@cache
def answered(warehouse, name, **parameters):
    with queries.connect(warehouse, tz="UTC", serving=queries.load(name).reach) as connection:
        pricing = ingest.alternatives(warehouse) if queries.load(name).repriced else None
        return queries.run(connection, name, pricing=pricing, **parameters)


def printed(answer, width):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, color_system=None, legacy_windows=False)
    terminal_table.table(answer, console, zone="UTC")
    return screen.getvalue().splitlines()


def header(lines):
    """Return the names of the columns: the line above the rule."""
    rule = next(number for number, line in enumerate(lines) if re.fullmatch(r" *─[─ ]*", line))
    return lines[rule - 1].split()


@pytest.mark.parametrize("name", sorted({*queries.names()} - {"reconcile", "what-if"}))
def test_a_wider_terminal_never_shows_less_and_the_answer_is_always_there(warehouse, name):
    answer = answered(warehouse, name, **({} if name == "limits" else PARAMETERS.get(name, {})))
    if answer.frame.is_empty():
        assert name == "rate-limited"  # it has its own tests
        answer = replace(answer, rows=Many(RATE_LIMITED.cast(dict(answer.frame.schema))))
    shown = [header(printed(answer, width)) for width in WIDTHS]

    assert answer.first
    for narrow, wide in pairwise(shown):
        assert set(narrow) <= set(wide)
        assert wide[: len(narrow)] == narrow or set(answer.first) == set(narrow)
    for columns in shown:
        assert columns[: len(answer.first)] == list(answer.first)
        assert MUST.get(name, set()) <= set(columns)
    assert all(max(map(len, printed(answer, width))) <= width for width in WIDTHS)


def test_limits_show_who_would_have_waited_where_a_limit_was_asked_about(warehouse):
    for width in WIDTHS:
        assert "throttled_calls" in header(printed(answered(warehouse, "limits", limit="3000"), width))


@pytest.mark.parametrize("name", queries.names())
def test_each_report_says_which_columns_answer_it_and_they_are_its_own(name):
    report = queries.load(name)
    selected = report.sql.rpartition("\nselect")[2]

    assert report.first
    for column in {*sum(report.first, []), *report.sums}:  # noqa: RUF017 # few and short
        assert re.search(rf"\b{column}\b", selected), column


def test_sums_have_a_last_row_and_shares_and_peaks_have_none(warehouse):
    answer = answered(warehouse, "cost-by-agent")
    (total,) = [line for line in printed(answer, 200) if line.startswith("total")]

    assert f"{answer.frame['calls'].sum():,}" in total.split()
    assert f"${answer.frame['cost_usd'].sum():.4f}"[:6] in total
    assert "%" not in total
    assert not [line for line in printed(answered(warehouse, "usage"), 200) if line.startswith("total")]
    tokens = answered(warehouse, "tpm")
    (total,) = [line for line in printed(tokens, 200) if line.startswith("total")]
    assert f"{tokens.frame['peak_tpm'].sum():,}" not in total


def test_a_total_is_of_all_rows_also_of_those_that_are_not_shown(warehouse):
    answer = answered(warehouse, "tpm-series")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    terminal_table.table(answer, console, zone="UTC", rows=10)

    assert f"{answer.frame['total_tokens'].sum():,}" in screen.getvalue()


def test_columns_are_those_that_are_asked_for_in_every_form(warehouse):
    def asked(*arguments):
        return CliRunner().invoke(cli, ["report", "cost-by-model", "-w", str(warehouse), *arguments])

    wanted = ["--columns", "calls, model"]
    assert list(json.loads(asked(*wanted).stdout)["rows"][0]) == ["calls", "model"]
    assert asked(*wanted, "--format", "csv").stdout.splitlines()[0] == "calls,model"
    assert asked(*wanted, "--format", "table").stdout.splitlines()[1].split() == ["calls", "model"]
    wrong = asked("--columns", "cals")
    assert (wrong.exit_code, "no column 'cals' - did you mean calls" in wrong.stderr) == (2, True)


def test_columns_that_are_asked_for_are_seen_at_every_width(warehouse):
    answer = answered(warehouse, "tpm").only(["model", "p95_tpm", "p99_tpm"])

    assert header(printed(answer, 60)) == ["model", "p95_tpm", "p99_tpm"]


def test_a_row_may_be_shown_as_lines(warehouse):
    shown = CliRunner().invoke(cli, ["report", "usage", "-w", str(warehouse), "--long", "--format", "table"]).stdout

    assert re.search(r"^cost_usd +\$", shown, re.MULTILINE)
    assert len(shown.splitlines()) == 2 + 14


def test_a_crossed_limit_is_told_also_where_its_column_is_not_shown(warehouse):
    asked = ["report", "budget", "-w", str(warehouse), "-p", "limit=10", "--columns", "key"]

    assert CliRunner().invoke(cli, asked).exit_code == 3


@pytest.mark.parametrize(
    ("name", "text", "width", "shown"),
    [
        ("source_path", "/home/ada/projects/one/logs/maestro.log", 20, "/home/…s/maestro.log"),
        ("error", "context length exceeded", 10, "context l…"),
        ("model", "gpt-5.2", 7, "gpt-5.2"),
        ("path", "日本語のとても長い名前.log", 12, "日…名前.log"),
    ],
)
def test_paths_lose_their_middle_and_texts_their_end(name, text, width, shown):
    assert cut(name, text, width) == shown


def test_models_are_called_shorter_before_they_are_cut():
    assert short_models(
        ["claude-opus-4-5-20251101", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "openai/gpt-5.2-2025-12-11", "o3"]
    ) == {
        "claude-opus-4-5-20251101": "claude-opus-4-5",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0": "claude-sonnet-4-5",
        "openai/gpt-5.2-2025-12-11": "gpt-5.2",
        "o3": "o3",
    }
    assert short_models(["a-20250101", "a-20250202"])["a-20250101"] == "a-20250101"

    frame = pl.DataFrame({"model": ["claude-opus-4-5-20251101"], "what_it_is_about": ["x" * 60], "n": [1]})
    answer = Answer("own", "Own", {}, Many(frame), first=["model", "n"])
    assert "claude-opus-4-5-20251101" in printed(answer, 200)[3]
    assert printed(answer, 23)[3].split() == ["claude-opus-4-5", "1"]


def test_names_of_ones_own_are_shown_instead(warehouse, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "llm-ingest").mkdir()
    (tmp_path / "llm-ingest" / "config.toml").write_text('[names]\n"claude-opus-4-5" = "opus"\n')

    asked = ["report", "cost-by-model", "-w", str(warehouse)]
    table = CliRunner().invoke(cli, [*asked, "--format", "table"]).stdout
    assert re.search(r"^opus ", table, re.MULTILINE)
    assert "claude-opus-4-5" in CliRunner().invoke(cli, asked).stdout


def test_the_list_of_reports_shows_names_and_titles(warehouse):
    assert header(printed(reports.listing(), 80))[0] == "report"
