"""Traps of the formats that a file of fixtures can't show; `docs/traps.md` lists them all, with what proves each."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from ingest.cli import cli
from parsers.blocks.lines import Block
from parsers.catalogue import FORMATS
from parsers.claims.parse import parse
from parsers.formats.otlp_names import ATTRIBUTES

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"
TABLE = (ROOT / "docs" / "traps.md").read_text()
TRAPS = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")]
ROWS = [row for row in TRAPS if row[0] not in ("trap", "---")]
TESTS = "\n".join(path.read_text() for path in sorted((ROOT / "tests").glob("test_*.py")))
CALL = (
    "[2026-03-04T11:20:18.002Z] [system] INFO: LLM call to model 'claude-sonnet-4-5': latency 4.83s, request tokens: "
    "4,531, response tokens: 23, total tokens: 4,554, cost $0.013938 (agent: coder-001, story: 9ae50aa4, state: "
    "PLANNING, temp: 0.30)\n"
)


def run(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def proofs(row):
    return re.findall(r"`([^`]+)`", row[-1])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:60])
def test_each_trap_has_a_proof_that_exists(row):
    assert proofs(row), row
    for proof in proofs(row):
        if proof.startswith("test_"):
            assert f"def {proof}(" in TESTS, proof
        else:
            files = list(FIXTURES.glob(proof))
            assert files, proof
            expected = [f.with_name(re.sub(r"\.sql$|\.jsonl?$|\.log$|\.csv$", "", f.name)) for f in files]
            assert all(
                list(e.parent.glob(f"{e.name}.expected.json")) + list(e.parent.glob(f"{e.name}.rows.json"))
                for e in expected
            )


def test_each_input_among_the_fixtures_proves_something():
    named = {file for row in ROWS for proof in proofs(row) if "/" in proof for file in FIXTURES.glob(proof)}
    expected = [*FIXTURES.glob("*/*.expected.json"), *FIXTURES.glob("*/*.sql"), *FIXTURES.glob("mappings/*.toml")]
    inputs = {
        path
        for e in expected
        for path in e.parent.glob(e.name.removesuffix(".expected.json").removesuffix(".toml") + "*")
        if path.suffix in (".jsonl", ".json", ".log", ".csv", ".sql")
        and not re.search(r"\.(expected|rows)\.json$", path.name)
        and path.stem != "sample"  # which only shows what the lines of a format look like
    } - {FIXTURES / "maestro-db" / "maestro.sqlite.sql"}

    assert {str(p.relative_to(FIXTURES)) for p in inputs - named} == set()


def test_a_prompt_dump_of_many_kilobytes_quotes_no_calls():
    at = "[2026-03-04T11:20:17.000Z] [llm-middleware] ERROR: "
    quoted = "Message [7] Role: user, Content: why?\n" + CALL.replace("11:20:18", "09:41:07") * 400
    dump = f"{at}🚨 EMPTY RESPONSE FROM LLM - DEBUGGING INFO:\n{quoted}{at}🚨 END EMPTY RESPONSE DEBUG\n"
    assert len(dump) > 64 << 10

    rows = parse(Block((dump + CALL).encode(), sealed=True), FORMATS)

    assert rows.calls["source_offset"].to_list() == [len(dump.encode())]


@pytest.mark.parametrize("folder", ["maestro", "elsewhere"])
def test_accounts_that_their_application_lost_count_of_say_so(tmp_path, folder):
    log = tmp_path / "maestro" / "usage.jsonl"
    log.parent.mkdir()
    shutil.copy(FIXTURES / "maestro-usage" / "v2.jsonl", log)
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "usage.error").write_text("disk full")
    run("backfill", log, "-w", tmp_path / "w")

    shown = json.loads(run("status", "-w", tmp_path / "w", "--format", "json"))

    assert [row["note"] for row in shown["sources"]] == [
        "the application lost count: usage.error" if folder == "maestro" else None
    ]


def test_a_call_that_a_fork_copied_keeps_the_time_of_its_parent(tmp_path):
    run("backfill", FIXTURES / "codex" / "rollout.jsonl", FIXTURES / "codex" / "forked.jsonl", "-w", tmp_path / "w")

    sql = "select created_at, session_id from llm_calls where request_tokens = 9000"
    shown = json.loads(run("sql", sql, "-w", tmp_path / "w", "--tz", "UTC", "--format", "json"))

    assert [(row["created_at"][:19].replace("T", " "), row["session_id"]) for row in shown["rows"]] == [
        ("2026-01-01 00:00:02", "S1")
    ]


def test_a_call_logged_by_a_proxy_and_by_its_application_counts_once(tmp_path):
    run("backfill", FIXTURES / "litellm" / "through-the-proxy.jsonl", "-w", tmp_path / "w")

    sql = "select model, cost_reported_usd::double as cost from llm_calls order by model"
    shown = json.loads(run("sql", sql, "-w", tmp_path / "w", "--format", "json"))

    assert [(row["model"], row["cost"]) for row in shown["rows"]] == [("gpt-4o", 0.0029), ("llama3", None)]


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("gen_ai.usage.prompt_tokens", "request_tokens"),
        ("gen_ai.usage.completion_tokens", "response_tokens"),
        ("gen_ai.usage.reasoning_tokens", "reasoning_tokens"),
        ("gen_ai.usage.cache_read_input_tokens", "cache_read_tokens"),
        ("gen_ai.usage.cache_creation_input_tokens", "cache_write_tokens"),
        ("gen_ai.usage.cached_input_tokens", "cache_read_tokens"),
        ("gen_ai.usage.cache_read_tokens", "cache_read_tokens"),
        ("gen_ai.usage.cache_write_tokens", "cache_write_tokens"),
        ("gen_ai.usage.input_tokens.cached", "cache_read_tokens"),
        ("gen_ai.usage.output_tokens.reasoning", "reasoning_tokens"),
        ("gen_ai.usage.cache_creation.input_tokens", "cache_write_tokens"),
        ("gen_ai.usage.cache_write.input_tokens", "cache_write_tokens"),
        ("gen_ai.usage.reasoning.output_tokens", "reasoning_tokens"),
    ],
)
def test_older_and_newer_names_of_telemetry_mean_the_same(key, column):
    counts = {"gen_ai.usage.input_tokens": 90, "gen_ai.usage.output_tokens": 80}
    counts = {name: n for name, n in counts.items() if column not in ("request_tokens", "response_tokens") or n == 90}
    if column == "request_tokens":
        counts = {"gen_ai.usage.output_tokens": 80}
    attributes = [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt-5"}}]
    attributes += [{"key": name, "value": {"intValue": str(n)}} for name, n in {**counts, key: 7}.items()]
    span = {"traceId": "t", "spanId": "s", "endTimeUnixNano": "1767225600000000000", "attributes": attributes}
    line = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})

    (found,) = parse(Block(line.encode() + b"\n", sealed=True), FORMATS).calls[column]

    assert found == 7
    assert key in ATTRIBUTES[column]


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (CALL.replace("4,531", "x\udcff"), "2026-03-04 11:20:18.002"),
        (
            '{"finished_at":"2026-08-04T00:05:02.5Z","provider":"\udcff","model":"m","latency_ns":1,"success":true}\n',
            "2026-08-04 00:05:02.500",
        ),
        ('{"time":"2026-01-01T00:00:00Z","model":"gpt-\udcff","input_tokens":"12x"}\n', "2026-01-01 00:00:00"),
    ],
    ids=["text", "accounts", "application"],
)
@pytest.mark.parametrize("offset", [0, 1000])
def test_a_rejected_record_keeps_its_time_and_its_bytes(line, at, offset):
    raw = line.encode("utf-8", "surrogateescape")

    rows = parse(Block(CALL.encode() + raw + CALL.encode(), offset, sealed=True), FORMATS)

    (found,) = rows.rejects.to_dicts()
    assert found["raw"].rstrip(b"\n") == raw.rstrip(b"\n")
    assert found["source_offset"] == offset + len(CALL)
    assert str(found["created_at"]).startswith(at)
    assert rows.calls.height == 2


def test_a_rejected_record_of_plain_text_has_no_bytes_besides():
    rows = parse(Block(CALL.replace("4,531", "é").encode(), sealed=True), FORMATS)

    assert rows.rejects["raw"].to_list() == [None]
