import json
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest
from click.testing import CliRunner

from ingest.cli import cli
from ingest.ledger import Batch
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import CALLS, EVENTS, REJECTS, conform, polars_schema

OWN = '[[price]]\nprovider = "vllm"\nmodel = "own-7b"\nstart = 2026-02-01\ninput = 0.5\noutput = 1.5\n'


def run(*arguments):
    return CliRunner().invoke(cli, ["prices", *arguments])


def found(*arguments):
    done = run(*arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def warehouse_of(folder, *rows):
    at = datetime(2026, 1, 15, 12, tzinfo=UTC)
    known = {"created_at": at, "provider": "openai", "request_tokens": 10, "response_tokens": 5, "source_offset": 0}
    calls = conform(pl.DataFrame([known | row for row in rows], infer_schema_length=None), CALLS)
    events, rejects = (pl.DataFrame(schema=polars_schema(columns)) for columns in (EVENTS, REJECTS))
    batch = Batch("source", "a.log", None, 100, None, 0, calls, events, rejects)
    Warehouse(folder / "warehouse", make=True).commit([batch])
    return str(folder / "warehouse")


def test_list_shows_usd_per_million_tokens_of_one_provider():
    rows = found("list", "--provider", "claude", "--at", "2026-01-15")
    assert {row["provider"] for row in rows} == {"anthropic"}
    sonnet = next(row for row in rows if row["model"] == "claude-sonnet-4-5")
    assert [sonnet[k] for k in ("input", "cache_read", "cache_write", "cache_write_1h", "output", "tiered")] == [
        3, 0.3, 3.75, 6, 15, True,
    ]  # fmt: skip


def test_list_of_an_unknown_provider_names_the_nearest_ones():
    done = run("list", "--provider", "antropic")
    assert done.exit_code == 1
    assert "no prices of provider 'antropic'; nearest: anthropic" in done.stderr


def test_show_gives_every_tier_and_where_the_price_comes_from():
    shown = found("show", "gemini-2.5-pro-preview-05-06", "--provider", "vertex_ai")
    assert (shown["provider"], shown["model"], shown["origin"]) == ("google", "gemini-2.5-pro", "genai-prices")
    assert shown["version"].startswith("genai-prices/")
    assert [(row["prompts_above"], row["input"]) for row in shown["prices"]] == [(0, 1.25), (200_000, 2.5)]


def test_show_at_a_day_gives_the_price_of_that_day():
    everything = found("show", "deepseek-v4-pro")["prices"]
    then = found("show", "deepseek-v4-pro", "--at", "2026-08-01")["prices"]
    assert len(then) == 1 < len(everything)
    assert found("show", "deepseek-v4-pro", "--at", "2026-08-20T02:00:00")["prices"][0]["daily_utc"] == "01:00–04:00"


def test_show_as_a_table_is_whole_in_a_pipe():
    done = run("show", "claude-sonnet-4-5", "--format", "table")
    assert done.exit_code == 0
    assert "claude-sonnet-4-5 at anthropic, from genai-prices" in done.stdout
    assert "200,000" in done.stdout
    assert "…" not in done.stdout


def test_show_of_an_unknown_model_names_the_nearest_and_exits_with_1():
    done = run("show", "gpt-4.1-ultra", "--provider", "openai")
    assert done.exit_code == 1
    assert "no price for gpt-4.1-ultra of provider openai; nearest names: gpt-4.1" in done.stderr


def test_show_says_which_providers_disagree():
    done = run("show", "openai/gpt-4o")
    assert done.exit_code == 1
    assert "has different prices at openai, openrouter: say which with --provider" in done.stderr


def test_own_prices_come_from_the_warehouse_or_from_a_file(tmp_path):
    (tmp_path / "prices.toml").write_text(OWN)
    for options in (["--warehouse", str(tmp_path)], ["--prices", str(tmp_path / "prices.toml")]):
        shown = found("show", "own-7b", *options)
        assert shown["origin"] == "prices.toml, line 1"
        assert shown["prices"][0]["since"] == "2026-02-01"
        assert found("list", "--provider", "vllm", *options)[0]["output"] == 1.5


def test_a_wrong_price_file_is_one_line_that_names_the_line(tmp_path):
    (tmp_path / "prices.toml").write_text(OWN + "inptu = 1\n")
    done = run("list", "--warehouse", str(tmp_path))
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {tmp_path}/prices.toml, line 7: unknown key 'inptu'")
    assert len(done.stderr.splitlines()) == 1


def test_check_counts_the_calls_and_tokens_without_a_price(tmp_path):
    folder = warehouse_of(
        tmp_path,
        {"model": "gpt-4o"},
        {"model": "gpt-4o-ultra"},
        {"model": "gpt-4o-ultra", "request_tokens": 30},
        {"model": "gpt-4o-ultra", "cost_reported_usd": Decimal("0.1")},
        {"model": "failed", "request_tokens": None, "response_tokens": None},
        {"model": None},
    )
    done = run("check", "--warehouse", folder, "--format", "json")
    assert done.exit_code == 3
    rows = json.loads(done.stdout)
    assert [
        (row["model"], row["reason"], row["calls"], row["request_tokens"], row["response_tokens"]) for row in rows
    ] == [
        ("gpt-4o-ultra", "not in the price table", 2, 40, 10),
        (None, "no model logged", 1, 10, 5),
    ]
    assert "3 calls have no price: add their models to" in done.stderr


def test_check_is_silent_when_every_call_has_a_price(tmp_path):
    folder = warehouse_of(tmp_path, {"model": "gpt-4o"})
    done = run("check", "--warehouse", folder)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "[]\n", "")


def test_check_knows_from_when_an_own_price_counts(tmp_path):
    folder = warehouse_of(tmp_path, {"provider": "vllm", "model": "own-7b"})
    (tmp_path / "warehouse" / "prices.toml").write_text(OWN)
    done = run("check", "--warehouse", folder, "--format", "table")
    assert done.exit_code == 3
    assert "no price yet on these days" in done.stdout
    (tmp_path / "warehouse" / "prices.toml").write_text(OWN.replace("2026-02-01", "2026-01-15"))
    assert run("check", "--warehouse", folder).exit_code == 0


def test_check_without_a_warehouse_says_how_to_get_one(tmp_path):
    done = run("check", "--warehouse", str(tmp_path / "none"))
    assert done.exit_code == 1
    assert "no warehouse at" in done.stderr


def test_diff_compares_what_is_stored_with_the_prices_of_now(tmp_path):
    folder = warehouse_of(
        tmp_path,
        {"model": "gpt-4o", "cost_computed_usd": Decimal(1)},
        {"model": "gpt-4o", "created_at": datetime(2026, 1, 16, tzinfo=UTC)},
        {"model": "gpt-4o-ultra"},
    )
    row = {"provider": "openai", "model": "gpt-4o", "calls": 2, "before_usd": 1, "after_usd": 0.00015}
    assert found("diff", "--warehouse", folder) == [row | {"difference_usd": -0.99985}]
    assert pl.read_delta(f"{folder}/llm_calls")["cost_computed_usd"].sum() == 1


@pytest.mark.parametrize("command", ["list", "show", "check", "diff"])
def test_every_command_explains_itself(command):
    assert run(command, "--help").exit_code == 0
