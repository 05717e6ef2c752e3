"""One line for a prompt: from a small file, at once, and honest about what is old or missing."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from processes import Ingest
from warehouses import FIXTURES, build, call

from ingest.cli import cli
from ingest.cli.statusline import cache_file, line
from queries.answers.at_a_glance import glance

NOW = datetime(2026, 2, 3, 16, 13, 30, tzinfo=UTC)
LIMITS = "usd_a_day = 20\n[[limit]]\nmodel = 'claude'\ntpm = 10_000\n"


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


@pytest.fixture
def warehouse(tmp_path):
    rows = [
        call("2026-02-03T16:13:20", 4_000, model="claude-opus-4-5", cost_usd=2, source_offset=1),
        call("2026-02-03T16:12:45", 5_000, model="gpt-5.2", cost_usd=3, source_offset=2),
        call("2026-02-03T16:11:40", 70_000, model="gpt-5.2", cost_usd=4, source_offset=3),  # more than a minute ago
        call("2026-02-02T23:30:00", 900, cost_usd=100, source_offset=4),  # yesterday, but not in Berlin
        call("2026-02-03T12:00:00", 10, cost_usd=None, cost_reported_usd=None, source_offset=5),
    ]
    return build(tmp_path / "w", llm_calls=rows)


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.stdout.rstrip("\n")


def shown(warehouse, after=timedelta(), **options):
    kept = json.loads(json.dumps(glance(warehouse, now=NOW, **{"tz": "UTC"} | options)))
    return line(kept, (NOW + after).timestamp())


def test_it_says_the_tokens_of_the_last_minute_and_what_today_cost(warehouse):
    assert shown(warehouse) == "TPM 9,000 (gpt-5.2) · today $9.00, 1 call unpriced"
    assert "today $109.00" in shown(warehouse, tz="Europe/Berlin")


def test_a_budget_and_limits_are_shown_beside_what_counts_against_them(warehouse, tmp_path):
    (tmp_path / "limits.toml").write_text(LIMITS)

    said = shown(warehouse, limits=tmp_path / "limits.toml")
    assert said == "TPM 9,000 (claude-opus-4-5 at 40% of its limit) · today $9.00 of $20.00 (45%), 1 call unpriced"


def test_tokens_leave_the_minute_while_time_goes_on_and_old_numbers_say_so(warehouse):
    assert shown(warehouse, timedelta(seconds=30)).startswith("TPM 4,000 (claude-opus-4-5) · today $9.00")
    assert shown(warehouse, timedelta(minutes=5)).endswith("unpriced · as of 5 min ago")
    assert shown(warehouse, timedelta(hours=9)) == "TPM 0 · today unknown · as of 9 h ago"
    assert "ago" not in shown(warehouse, timedelta(seconds=100))


def test_a_missing_or_damaged_file_is_said_and_how_to_get_one(warehouse):
    missing = "ingest: no numbers yet, run `ingest statusline --refresh`"
    assert run("statusline", "-w", warehouse) == missing

    file = cache_file(str(warehouse))
    file.parent.mkdir(parents=True)
    for text in ("", "{", "[]", '{"at": 3}', "\x00"):
        file.write_text(text)
        assert run("statusline", "-w", warehouse) == missing


def test_a_refresh_makes_the_file_and_it_is_small(warehouse):
    said = run("statusline", "-w", warehouse, "--refresh")

    assert said.startswith("TPM 0 · today $0.00")
    assert run("statusline", "-w", warehouse) == said
    assert cache_file(str(warehouse)).stat().st_size < 1_000


def test_nothing_heavy_is_imported_to_show_it(warehouse):
    run("statusline", "-w", warehouse, "--refresh")
    program = (
        "import sys; from ingest.cli import cli; cli(sys.argv[1:], standalone_mode=False);"
        "print(sorted({'duckdb', 'polars', 'pyarrow', 'deltalake', 'numpy', 'rich'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, "statusline", "-w", str(warehouse)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_what_is_committed_leaves_it_anew_once_it_is_in_use(tmp_path):
    sample = (FIXTURES / "rc3" / "maestro.log").read_bytes()
    log = tmp_path / "maestro.log"
    log.write_bytes(sample)
    with Ingest(tmp_path) as ingest:
        file = cache_file(str(ingest.warehouse))
        ingest.finish("backfill", log)
        assert not file.exists()  # nobody asked for it

        ingest.finish("statusline", "--refresh")
        for day, command in ((b"2026-02-04", ["backfill"]), (b"2026-02-05", ["follow", "--once"])):
            at = json.loads(file.read_text())["at"]
            log.write_bytes(sample.replace(b"2026-02-03", day))
            ingest.finish(*command, log)
            ingest.start("follow", tmp_path / "nothing.log")  # so that there is something to wait beside
            ingest.until(lambda: json.loads(file.read_text())["at"] > at)  # noqa: B023 # called at once
            assert json.loads(file.read_text())["at"] > at
