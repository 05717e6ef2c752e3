"""`ingest explain FILE --suggest-mapping` writes a mapping that reads the file itself, or says in one line why not."""

import csv
import io
import json
import re
import tomllib
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from ingest.choices import mapping_in
from ingest.cli import cli
from parsers.blocks.lines import Block
from parsers.claims.parse import parse
from parsers.mapping.mapping import format_of

FIXTURES = Path(__file__).parent.parent / "fixtures"
AT = "2026-03-01T10:00:0{}Z"


def run(*arguments, expect=0):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == expect, result.output
    return result


def as_json(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def as_csv(names, rows, separator=","):
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([names, *rows])
    return out.getvalue()


DONE = {"ev": "llm.done", "mdl": "gpt-4o", "toks_in": 900, "toks_out": 41}
SHAPES = {
    "flat names of its own": as_json(
        {"when": AT.format(1), **DONE, "usr": "u-1", "conversationId": "c-1", "rid": "r-1", "took_ms": 1200},
        {"when": AT.format(2), "ev": "ready"},
        {"when": AT.format(3), **DONE},
    ),
    "nested objects": as_json(
        {"ts": 1772359201, "llm": {"engine": "claude-sonnet-4-5", "toks": {"prompt": 900, "completion": 41}}},
        {"ts": 1772359202, "llm": {"engine": "claude-haiku-4-5", "toks": {"prompt": 12, "completion": 3}}},
    ),
    "a usage object under an unknown key": as_json(
        {"at": AT.format(1), "chosenEngine": "gpt-4o", "spentOn": {"prompt_tokens": 900, "completion_tokens": 41}}
    ),
    "JSON in the text of a field": as_json(
        {"id": 1, "body": json.dumps({"engine": "gpt-4o", "tok": {"in": 900, "out": 41}, "at": AT.format(1)})}
    ),
    "JSON behind a time and a level": "".join(
        f"2026-03-01 10:00:0{i},123 INFO [worker-1] llm call finished {json.dumps(DONE)}\n" for i in range(3)
    ),
    "JSON behind words in a field": as_json(
        *({"seq": i, "payload": {"text": f"INFO done {json.dumps(DONE)}"}} for i in range(3))
    ),
    "elements of an array": as_json(
        {
            "trace": "t-1",
            "at": AT.format(1),
            "steps": [{"engine": "gpt-4o", "promptToks": 9, "completionToks": 4}] * 2,
        }
    ),
    "a document": json.dumps({"items": [{"time": AT.format(i), **DONE} for i in range(3)]}, indent=1),
    "logfmt": "".join(
        f'time={AT.format(i)} level=info msg="llm done" engine=gpt-4o tok_in=900 tok_out=41 dur=1.2s user=u-{i}\n'
        for i in range(3)
    )
    + 'time=2026-03-01T10:00:09Z level=info msg="ready"\n',
    "pairs with colons": "".join(
        f"[2026-03-01 10:00:0{i}] model: gpt-4o-mini, prompt tokens: 900, completion tokens: 41\n" for i in range(3)
    ),
    "prose": "".join(
        f"2026-03-01T10:00:0{i}Z used model gpt-4o: 900 prompt tokens and 41 completion tokens\n" for i in range(3)
    ),
    "CSV": as_csv(
        ["Zeit", "Engine", "Toks in", "Toks out", "Kosten (cents)", "Login"],
        [["01.03.2026 10:00:01", "gpt-4o", 900, 41, "1.25", "u-1"], ["01.03.2026 10:00:02", "gpt-4o", 9, 4, "", "u-2"]],
    ),
    "CSV with semicolons": as_csv(
        ["Date/Time", "Deployment", "Prompt toks", "Completion toks", "Prompt text"],
        [["2026-03-01 10:00:01", "gpt-4o", 900, 41, "a; b"]] * 2,
        ";",
    ),
    "Docker around it": as_json(
        *({"log": json.dumps(DONE) + "\n", "stream": "stdout", "time": AT.format(i)} for i in range(3))
    ),
    "CRI around logfmt": "".join(
        f"2026-03-01T10:00:0{i}.5Z stderr F engine=gpt-4o tok_in=900 tok_out=41\n" for i in range(3)
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_suggested_reads_the_file_that_it_was_made_from(tmp_path, name):
    log, own = tmp_path / "app.log", tmp_path / "own.toml"
    log.write_text(SHAPES[name])
    own.write_text(run("explain", log, "--suggest-mapping").stdout)

    run("backfill", log, "--mapping", own, "-w", tmp_path / "w", "--strict")

    calls = pl.read_delta(str(tmp_path / "w" / "llm_calls"))
    assert set(calls["model"]) <= {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "claude-haiku-4-5"}
    assert set(calls["request_tokens"]) <= {900, 12, 9}
    assert set(calls["response_tokens"]) <= {41, 3, 4}
    assert calls["created_at"].null_count() in (0, len(calls) * (name == "JSON behind words in a field"))


@pytest.mark.parametrize("name", SHAPES)
def test_none_of_the_calls_is_missing(tmp_path, name):
    log, own = tmp_path / "app.log", tmp_path / "own.toml"
    log.write_text(SHAPES[name])
    own.write_text(run("explain", log, "--suggest-mapping").stdout)

    found = json.loads(run("explain", log, "--mapping", own, "-j").stdout)

    assert [row["model"] for one in found for row in one["rows"]]
    assert int(re.search(r"It reads (\d+) call", own.read_text())[1]) == len(re.findall(r"gpt|claude", SHAPES[name]))


READ = sorted(p for p in FIXTURES.glob("mappings/*") if p.suffix in (".log", ".csv") and p.stem != "mattermost")


@pytest.mark.parametrize("path", READ, ids=lambda path: path.stem)
def test_a_log_for_which_there_is_a_mapping_gets_one_suggested_that_finds_the_same_calls(tmp_path, path):
    result = CliRunner().invoke(cli, ["explain", str(path), "--suggest-mapping"])
    if result.exit_code:
        assert "needs no mapping" in result.output
        return
    own = tmp_path / "own.toml"
    own.write_text(result.stdout)

    ours, theirs = (
        parse(Block(path.read_bytes(), sealed=True), [format_of(mapping_in(file))]).calls
        for file in (own, path.with_suffix(".toml"))
    )
    counted = theirs.filter(pl.col("response_tokens").is_not_null())
    assert counted.join(ours, on=["source_offset", "model", "request_id"], how="anti", nulls_equal=True).is_empty()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"msg":"ready","port":80}\n', "no line holds both counts of tokens and a model"),
        ('{"toks_in":4,"toks_out":5}\n', "no line holds both counts of tokens and a model"),
        ("hello\n", "no line holds both counts of tokens and a model"),
        ("", "no line holds"),
        ('{"model":"gpt-4o","input_tokens":4,"output_tokens":5,"time":"2026-03-01T10:00:00Z"}\n', "needs no mapping"),
        ("a,b,c\n1,2,3\n", "no line holds both counts of tokens and a model"),
        ('{"model":"gpt-4o","max_tokens":4,"token_limit":100000}\n', "no line holds both"),
    ],
)
def test_where_nothing_can_be_suggested_one_line_says_why(tmp_path, text, why):
    log = tmp_path / "app.log"
    log.write_text(text)

    result = run("explain", log, "--suggest-mapping", expect=1)

    assert why in result.output
    assert len(result.output.splitlines()) == 1


def test_units_and_what_counts_include_are_guessed_from_the_values(tmp_path):
    log = tmp_path / "app.log"
    log.write_text(
        as_json(
            {"at": AT.format(1), **DONE, "toks_cached": 5000, "elapsed": 1.25, "price_cents": 0.5, "agent": "planner"},
            {"at": AT.format(2), **DONE, "toks_cached": 100, "elapsed": 2.5, "price_cents": 0.25, "agent": "coder"},
        )
    )

    mapping = tomllib.loads(run("explain", log, "--suggest-mapping").stdout)

    assert mapping["units"] == {"latency": "s", "cost": "cents"}
    assert mapping["tokens"] == {"request_includes_cache": False}
    assert mapping["columns"]["agent_id"] == "agent"


def test_what_is_guessed_and_what_is_not_found_stands_in_comments(tmp_path):
    log = tmp_path / "app.log"
    log.write_text(SHAPES["flat names of its own"])

    text = run("explain", log, "--suggest-mapping").stdout

    assert 'model = "mdl"  # guessed: holds gpt-4o' in text
    assert "# Not found: agent_id, cost, status." in text
    assert text.startswith("# Suggested by ")
