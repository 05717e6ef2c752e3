"""A call that was logged twice counts once."""

import json
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouses import at, build, call

import queries
from ingest.cli import cli
from ingest.ledger import Batch
from ingest.warehouse.warehouse import Warehouse
from parsers import FORMATS, Block, parse
from parsers.schema import CALLS, EVENTS, REJECTS, conform, polars_schema
from queries import connect

ROOT = Path(__file__).parent.parent


def calls(tmp_path, rows):
    for number, row in enumerate(rows):
        row["source_offset"] = number
    built = build(tmp_path / "w", llm_calls=rows)
    with queries.connect(built, tz="UTC", serving="coverage") as connection:
        return (
            connection.sql("from llm_calls order by created_at, source_offset").pl().to_dicts(),
            queries.run(connection, "coverage").frame.to_dicts(),
        )


def log(when, tokens=1_000, **columns):
    return call(when, tokens, format="maestro-log/V6", source_id="log", state="CODING", provider="anthropic") | columns


def usage(when, tokens=1_000, **columns):
    return (
        call(when, tokens, format="maestro-usage/v2", source_id="usage", cache_read_tokens=7, provider="bedrock")
        | columns
    )


def test_equal_keys_are_one_call_with_the_largest_of_each_count(tmp_path):
    found, coverage = calls(
        tmp_path,
        [
            call(
                "2026-02-03T10:00:00",
                dedupe_key="m1",
                format="claude-code",
                request_tokens=100,
                response_tokens=1,
                cache_read_tokens=50,
                total_tokens=101,
            ),
            call(
                "2026-02-03T10:00:02",
                dedupe_key="m1",
                format="claude-code",
                request_tokens=100,
                response_tokens=40,
                total_tokens=140,
            ),
            call(
                "2026-02-03T10:00:01",
                dedupe_key="m1",
                format="claude-code",
                request_tokens=90,
                response_tokens=30,
                total_tokens=120,
            ),
            call("2026-02-03T10:05:00", dedupe_key="m2", format="claude-code"),
            call("2026-02-03T10:06:00", format="claude-code"),
        ],
    )

    assert len(found) == 3
    first = found[0]
    assert first["created_at"] == at("2026-02-03T10:00:02")
    assert (first["request_tokens"], first["response_tokens"], first["total_tokens"]) == (100, 40, 140)
    assert [row["duplicates_dropped"] for row in coverage] == [2]


def test_a_replay_in_a_side_chain_does_not_take_the_place_of_the_call(tmp_path):
    found, _ = calls(
        tmp_path,
        [
            call(
                "2026-02-03T10:00:00",
                dedupe_key="m1",
                agent_id="main",
                response_tokens=10,
                metadata='{"isSidechain":false}',
            ),
            call(
                "2026-02-03T10:00:00",
                dedupe_key="m1",
                agent_id="replay",
                response_tokens=10,
                metadata='{"isSidechain":true}',
            ),
        ],
    )

    assert [row["agent_id"] for row in found] == ["main"]


def test_one_call_in_the_log_and_the_usage_file_has_what_each_of_them_knows(tmp_path):
    found, coverage = calls(tmp_path, [log("2026-02-03T10:00:00.500"), usage("2026-02-03T10:00:00.499123")])

    (row,) = found
    assert (row["state"], row["cache_read_tokens"], row["provider"]) == ("CODING", 7, "bedrock")
    assert row["format"] == "maestro-log/V6"
    assert {r["format"]: r["duplicates_dropped"] for r in coverage} == {"maestro-log/V6": 0, "maestro-usage/v2": 1}


def test_equal_calls_in_both_files_pair_one_to_one(tmp_path):
    rows = [log(f"2026-02-03T10:00:00.{n}00") for n in range(5)] + [
        usage(f"2026-02-03T10:00:00.{n}01") for n in range(5)
    ]
    found, _ = calls(tmp_path, rows)

    assert len(found) == 5


@pytest.mark.parametrize(
    "other",
    [
        {"model": "o3"},
        {"agent_id": "coder-002"},
        {"story_id": "abc"},
        {"request_tokens": 899},
        {"response_tokens": 99},
        {"created_at": at("2026-02-03T10:00:02.600")},
        {"success": False},
    ],
)
def test_calls_that_differ_are_two(tmp_path, other):
    found, _ = calls(tmp_path, [log("2026-02-03T10:00:00.500"), usage("2026-02-03T10:00:00.500", **other)])

    assert len(found) == 2


def test_what_only_one_of_the_files_has_stays(tmp_path):
    found, _ = calls(
        tmp_path,
        [
            log("2026-02-03T10:00:00"),
            log("2026-02-03T11:00:00"),
            usage("2026-02-03T10:00:00"),
            usage("2026-02-03T12:00:00"),
        ],
    )

    assert [row["created_at"].hour for row in found] == [10, 11, 12]


def test_failed_calls_without_tokens_pair_as_well(tmp_path):
    found, _ = calls(tmp_path, [log("2026-02-03T10:00:00", None), usage("2026-02-03T10:00:00.001", None)])

    assert len(found) == 1


def test_two_identical_lines_of_one_log_are_two_calls(tmp_path):
    found, _ = calls(tmp_path, [log("2026-02-03T10:00:00"), log("2026-02-03T10:00:00"), usage("2026-02-03T10:00:01")])

    assert len(found) == 2
    assert timedelta(0) == found[0]["created_at"] - found[1]["created_at"]


def test_a_log_and_what_its_console_printed_count_once(tmp_path):
    log = (ROOT / "fixtures" / "rc3" / "maestro.log").read_text("utf-8")
    (tmp_path / "maestro.log").write_text(log, "utf-8")
    # A console also prints lines without the prefix, and may have been captured from later on.
    later = log[log.index("\n", len(log) // 3) + 1 :]
    (tmp_path / "run.log").write_text(f"orchestrator boot\n{later}", "utf-8")
    answers = []
    for names in (["maestro.log"], ["maestro.log", "run.log"]):
        warehouse = str(tmp_path / f"w{len(names)}")
        paths = [str(tmp_path / name) for name in names]
        result = CliRunner().invoke(cli, ["backfill", *paths, "-w", warehouse])
        assert result.exit_code == 0, result.output
        with queries.connect(warehouse, tz="UTC") as connection:
            counts = "select count(*), sum(total_tokens), sum(cost_usd) from llm_calls"
            attempts = queries.run(connection, "story-attempts").frame.rows()
            kinds = "select kind, count(*) from llm_events group by kind order by kind"
            answers.append([connection.sql(counts).fetchall(), connection.sql(kinds).fetchall(), attempts])
            stored = connection.sql("select count(*) from base_calls").fetchall()[0][0]

    assert answers[0] == answers[1]
    assert stored > answers[0][0][0][0]


def span(number, span_id, scope):
    """Return the line of a span of call *number*, as OpenTelemetry's file exporter writes it."""
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": f"chatcmpl-AbCdEfGhIjKlMnOp{number:05}",
    }
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in texts.items()]
    counts = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": number}
    attributes += [{"key": key, "value": {"intValue": str(value)}} for key, value in counts.items()]
    times = {"startTimeUnixNano": "1786348800000000000", "endTimeUnixNano": "1786348802500000000"}
    known = {"traceId": f"{number:032x}", "spanId": span_id, "name": "chat", "kind": 3, "attributes": attributes}
    return {"resourceSpans": [{"scopeSpans": [{"scope": {"name": scope}, "spans": [known | times]}]}]}


def observations(number):
    """Return what different observers write of call *number*; the last only has the ids of the first."""
    name, at_us = f"chatcmpl-AbCdEfGhIjKlMnOp{number:05}", "2026-08-10 08:00:0"
    counts = {"prompt_tokens": 100, "completion_tokens": number, "total_tokens": 100 + number}
    model = {"model": "gpt-4o-2024-08-06"}
    return [
        span(number, f"{number:015x}a", "pydantic-ai"),
        span(number, f"{number:015x}b", "openai"),
        {"id": name, "object": "chat.completion", "created": 1786348800, "choices": [], "usage": counts, **model},
        {"id": name, "call_type": "acompletion", "custom_llm_provider": "openai", "startTime": 1786348800.0}
        | {"endTime": 1786348802.5, "status": "success", **model, **counts},
        {"id": f"{number:015x}a", "trace_id": f"{number:032x}", "type": "GENERATION", "start_time": f"{at_us}0"}
        | {"end_time": f"{at_us}2.5", "provided_model_name": "gpt-4o-2024-08-06"}
        | {"usage_details": {"input": 100, "output": number, "total": 100 + number}},
    ]


SEEN = st.sets(st.integers(0, 4), min_size=1).filter(lambda seen: 4 not in seen or 0 in seen or seen == {4})


def messages(number):
    """Return what different observers write of call *number* of Anthropic's; the first has a span around it."""
    name, model = f"msg_01AbCdEfGhIjKlMnOpQr{number:04}", {"model": "claude-sonnet-4-5-20250929"}
    counts = {"prompt_tokens": 100, "completion_tokens": number, "total_tokens": 100 + number}
    message = {"id": name, "type": "message", "role": "assistant", "content": []} | model
    message |= {"usage": {"input_tokens": 100, "output_tokens": number}}
    nested = span(number, f"{number:015x}c", "x")
    (own,) = nested["resourceSpans"][0]["scopeSpans"][0]["spans"]
    told = {a["key"]: a for a in own["attributes"]}
    told["gen_ai.provider.name"]["value"] = {"stringValue": "anthropic"}
    told["gen_ai.response.model"]["value"] = {"stringValue": model["model"]}
    told["gen_ai.response.id"]["value"] = {"stringValue": name}
    around = [told[key] for key in told if key not in {"gen_ai.response.id", "gen_ai.operation.name"}]
    around.append({"key": "gen_ai.operation.name", "value": {"stringValue": "invoke_agent"}})
    parent = own | {"spanId": f"{number:015x}d", "name": "invoke_agent", "attributes": around}
    own["parentSpanId"] = parent["spanId"]
    nested["resourceSpans"][0]["scopeSpans"][0]["spans"].append(parent)
    return [
        nested,
        {"type": "assistant", "sessionId": "s", "uuid": f"u{number}", "requestId": f"req_{number}", "cwd": "/w"}
        | {"timestamp": "2026-08-10T08:00:02.500Z", "message": message},
        {"time": "2026-08-10T08:00:02Z", "response": message},
        {"id": name, "call_type": "acompletion", "custom_llm_provider": "anthropic", "startTime": 1786348800.0}
        | {"endTime": 1786348802.5, "status": "success", **model, **counts},
    ]


OBSERVERS = [(observations, SEEN), (messages, st.sets(st.integers(0, 3), min_size=1))]


@pytest.mark.parametrize(("observers", "who"), OBSERVERS, ids=["openai", "anthropic"])
@settings(deadline=None, max_examples=10)
@given(st.data(), st.randoms(use_true_random=False))
def test_whoever_saw_a_call_in_whatever_files_it_counts_once(observers, who, data, random):
    calls_seen = data.draw(st.lists(who, min_size=1, max_size=3))
    lines = [observers(n)[i] for n, seen in enumerate(calls_seen, 1) for i in sorted(seen)]
    random.shuffle(lines)
    cut = random.randint(0, len(lines))
    rows, batches = [], []
    for source, part in (("s1", lines[:cut]), ("s2", lines[cut:])):
        parsed = parse(Block("".join(json.dumps(line) + "\n" for line in part).encode(), sealed=True), FORMATS)
        assert parsed.rejects.is_empty()
        rows += parsed.calls.with_columns(source_id=pl.lit(source), source_path=pl.lit(source)).to_dicts()
        formats = ",".join(sorted(set(parsed.calls["format"])))
        batches.append({"committed_at": at("2026-08-10T09:00:00"), "source_id": source, "format": formats})
    asked = "select request_tokens, response_tokens from llm_calls order by 2"
    with TemporaryDirectory() as folder:
        built = build(Path(folder), llm_calls=rows, batches=batches)
        with connect(built, serving=asked) as connection:
            found = connection.sql(asked).fetchall()
    assert found == [(100, n) for n in range(1, len(calls_seen) + 1)]


def test_an_id_that_comes_again_merges_no_two_calls(tmp_path):
    def payload(hour, tokens):
        times = {"startTime": f"2026-08-10T{hour:02}:00:00Z", "endTime": f"2026-08-10T{hour:02}:00:02Z"}
        counts = {"prompt_tokens": tokens, "completion_tokens": 4, "total_tokens": tokens + 4}
        return (
            {"id": "chatcmpl-213", "custom_llm_provider": "ollama", "model": "gpt-oss", "status": "success"}
            | times
            | counts
        )

    lines = [payload(8, 900), payload(9, 100), payload(8, 900)]
    parsed = parse(Block("".join(json.dumps(line) + "\n" for line in lines).encode(), sealed=True), FORMATS)
    found, _ = calls(tmp_path, parsed.calls.with_columns(source_id=pl.lit("s1"), source_path=pl.lit("p")).to_dicts())
    assert sorted(row["request_tokens"] for row in found) == [100, 900]


@pytest.mark.parametrize("envelope", ["", "+docker-json", "+cri+journald"])
def test_a_sum_does_not_count_beside_its_calls_whatever_both_lay_in(tmp_path, envelope):
    own = {"session_id": "s", "provider": "anthropic"}
    found, _ = calls(
        tmp_path,
        [
            call("2026-02-03T10:00:00", 100, format="claude-code", source_id="a", **own),
            call("2026-02-03T10:01:00", 900, format=f"claude-code/sum{envelope}", source_id="b", requests=None, **own),
            call("2026-02-03T10:01:00", 7, format="claude-code/sum+cri", source_id="c", session_id="t", requests=None),
        ],
    )
    assert [row["total_tokens"] for row in found] == [100, 7]


def test_a_payload_and_its_row_of_the_table_are_one_call_however_they_spell_its_time(tmp_path):
    counts = {"prompt_tokens": 900, "completion_tokens": 4, "total_tokens": 904}
    own = {
        "call_type": "acompletion",
        "custom_llm_provider": "ollama",
        "model": "gpt-oss",
        "status": "success",
    } | counts
    payload = own | {"id": "chatcmpl-213", "startTime": 1786348800.2504, "endTime": 1786348802.5}
    row = own | {"request_id": "chatcmpl-213", "spend": 0, "startTime": "2026-08-10T08:00:00.250Z"}
    lines = [payload, row | {"endTime": "2026-08-10T08:00:02.500Z"}, row | {"endTime": "2026-08-10T08:00:02.501Z"}]
    parsed = parse(Block("".join(json.dumps(line) + "\n" for line in lines).encode(), sealed=True), FORMATS)
    found, _ = calls(tmp_path, parsed.calls.with_columns(source_id=pl.lit("s1"), source_path=pl.lit("p")).to_dicts())
    assert parsed.calls.height == 3
    assert [row["request_tokens"] for row in found] == [900, 900]


def test_where_the_ledger_knows_of_no_sums_none_is_looked_for(tmp_path):
    nothing = (pl.DataFrame(schema=polars_schema(columns)) for columns in (EVENTS, REJECTS))
    none, rows = [*nothing], [call("2026-02-03T10:00", source_offset=0), call("2026-02-03T10:01", source_offset=1)]
    for requests, found in ((1, False), (7, True), (None, True)):
        calls_ = pl.DataFrame([rows[0] | {"requests": 1}, rows[1] | {"requests": requests, "task": "session"}])
        warehouse = Warehouse(tmp_path / str(requests), make=True)
        warehouse.commit([Batch("s1", "app.log", None, 2, None, 0, conform(calls_, CALLS), *none)])
        connection = connect(str(tmp_path / str(requests)), serving="usage_totals")
        asked = "select getvariable('has_sums'), (select sum(requests)::bigint from llm_calls)"
        assert connection.execute(asked).fetchall() == [(found, 1 + (requests or 0))]
