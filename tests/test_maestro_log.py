"""maestro.log: the sample's known answers, any cut of the file, and any bytes at all."""

import itertools
import json
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.blocks.lines import Block
from parsers.claims.parse import parse, recover
from parsers.formats.maestro.log import FORMAT, MAY_SPAN
from parsers.formats.maestro.log_line import nameless
from parsers.formats.maestro.log_markers import KINDS, MARKERS

FIXTURES = Path(__file__).parent.parent / "fixtures"
TABLES = ("calls", "events", "rejects")
SAMPLE = FIXTURES / "rc3" / "maestro.log"
TRUTH = json.loads((FIXTURES / "rc3" / "truth.json").read_text())
LOGS = sorted((FIXTURES / "maestro-log").glob("*.log"))

PREFIX = "[2026-03-04T11:20:18.002Z] [coder-001] ERROR: "
FAILED = (
    f"{PREFIX}LLM call to model 'o3' failed: latency 1s, error: 500 {{\n"
    '  "message": "é"\n'
    "} (agent: coder-001, story: 9ae50aa4, state: CODING)\n"
)
CALL = (
    "[2026-03-04T11:20:19.002Z] [system] INFO: LLM call to model 'o3': latency 1s, request tokens: 10, "
    "response tokens: 3, total tokens: 13, cost $0.000100 (agent: coder-001, story: 9ae50aa4, state: CODING)\n"
)
SESSION = "[2026-03-04T11:20:17.002Z] [config] INFO: 📋 Session ID: 1765489351123456789\n"


def read(data):
    return parse(Block(data, sealed=True), [FORMAT])


def read_as_it_grows(data, cuts, *, resumed=False):
    """Parse as a reader does that sees *data* grow to each of *cuts*, and goes on where it was done."""
    parts, contexts, done = [parse(Block(b"", sealed=True), [FORMAT])], {}, 0
    for cut in (*sorted(cuts), len(data)):
        sealed = cut == len(data)
        end = cut if sealed else data.rfind(b"\n", 0, cut) + 1
        if end > done:
            known = recover(Block(data[:done]), [FORMAT]) if resumed else contexts
            rows = parse(Block(data[done:end], done, sealed=sealed), [FORMAT], known)
            parts.append(rows)
            contexts, done = rows.contexts, rows.end
    assert done == len(data)
    return {table: pl.concat([getattr(part, table) for part in parts]) for table in TABLES}


def assert_same(found, whole, why):
    for table in TABLES:
        assert found[table].equals(getattr(whole, table)), (table, why)


def test_the_sample_gives_its_known_answers():
    rows = read(SAMPLE.read_bytes())
    good = rows.calls.filter("success")
    assert good.height == TRUTH["calls_ok"]
    assert rows.calls.height - good.height == TRUTH["calls_failed"]
    assert rows.rejects.is_empty()
    for column, answers in (
        ("model", "by_model"),
        ("agent_id", "by_agent"),
        ("story_id", "by_story"),
        ("state", "by_state"),
    ):
        for name, truth in TRUTH[answers].items():
            mine = rows.calls.filter(pl.col(column).fill_null("") == name)
            # By model, the sample counts the calls that succeeded; elsewhere, all.
            assert (mine["success"].sum() if column == "model" else mine.height) == truth["calls"]
            assert (~mine["success"]).sum() == truth["failed"]
            assert mine["total_tokens"].sum() == truth["total_tokens"]
            assert f"{mine['cost_reported_usd'].sum():.6f}" == truth["cost_usd"]
    failed = rows.events.filter(kind="story_attempt_failed")["story_id"].value_counts()
    assert dict(failed.rows()) == TRUTH["story_failures"]


def test_a_call_is_announced_for_each_that_ended():
    rows = read(SAMPLE.read_bytes())
    announced = rows.events.filter(kind="call_started")["model"].value_counts().rows()
    assert sorted(announced) == sorted(rows.calls["model"].value_counts().rows())


@pytest.mark.parametrize("resumed", [False, True])
def test_rows_are_the_same_at_every_split_point_of_three_records(resumed):
    data = (SESSION + FAILED + CALL).encode()
    whole = read(data)
    assert whole.calls.height == 2
    tried = {}
    for cut in range(len(data)):
        seen = data.rfind(b"\n", 0, cut) + 1  # a reader takes whole lines only
        if seen not in tried:
            tried[seen] = read_as_it_grows(data, [cut], resumed=resumed)
        assert_same(tried[seen], whole, cut)


@pytest.mark.parametrize("path", LOGS, ids=[path.stem for path in LOGS])
def test_rows_are_the_same_line_by_line(path):
    data = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    assert_same(read_as_it_grows(data, ends), read(data), "line by line")


def test_a_failure_that_may_go_on_is_left_for_later():
    begun = FAILED.split("\n", maxsplit=1)[0] + "\n"
    rows = parse(Block((CALL + begun).encode()), [FORMAT])
    assert rows.calls.height == 1
    assert rows.end == len(CALL.encode())


def test_a_line_being_written_at_the_end_of_a_sealed_log_is_read():
    assert read(CALL.rstrip("\n").encode()).calls.height == 1


def lines(draw_from):
    return st.lists(st.sampled_from(draw_from), max_size=12)


MARKED = [line for path in LOGS for line in path.read_bytes().splitlines(keepends=True)]


@settings(max_examples=60, deadline=None)
@given(chosen=lines(MARKED), cuts=st.lists(st.integers(0, 4000), max_size=4))
def test_rows_are_the_same_for_any_lines_and_any_cuts(chosen, cuts):
    data = b"".join(chosen)
    assert_same(read_as_it_grows(data, [cut for cut in cuts if cut < len(data)]), read(data), cuts)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_each_usage_line_is_a_call_or_a_reject_whatever_happened_to_it(data):
    line = data.draw(st.sampled_from([CALL, FAILED.replace("\n", " ")]))
    marker = line.index("'") + 1
    start = data.draw(st.integers(marker, len(line)))
    end = data.draw(st.integers(start, len(line)))
    noise = data.draw(st.text(st.characters(exclude_characters="\n\0\r", exclude_categories=["Cs"]), max_size=20))
    rows = read((CALL + line[:start] + noise + line[end:].rstrip("\n") + "\n" + CALL).encode())
    assert rows.calls.height + rows.rejects.height == 3
    assert rows.calls["request_tokens"].drop_nulls().min() >= 0


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(MARKED)), max_size=10))
def test_any_bytes_are_read_without_an_error(pieces):
    data = b"".join(pieces)
    rows = read(data)
    assert rows.end == len(data)
    for table in (rows.calls, rows.events):
        assert not table["created_at"].has_nulls()


def test_each_marker_has_an_example_among_the_fixtures():
    text = "\n".join(path.read_text(errors="replace") for path in LOGS)
    assert [marker for marker in MARKERS if not re.search(marker.begins, text)] == []


def test_each_message_of_a_marker_holds_its_word():
    examples = [line for path in LOGS for line in path.read_text(errors="replace").splitlines()]
    told = [(marker, line) for marker in MARKERS for line in examples if re.search(marker.begins, line)]
    assert [(marker, line) for marker, line in told if marker.word not in line] == []


@pytest.mark.parametrize("total", ["813579", "813,579"])
def test_totals_are_read_with_and_without_commas(total):
    line = (
        f"{PREFIX}📊 Story 9ae50aa4 metrics: prompt tokens: 812345, completion tokens: 1234, total tokens: {total}, "
        "total cost: $2.455545\n"
    )
    (told,) = read(line.encode()).events["metadata"]
    assert json.loads(told) == {
        "prompt_tokens": 812345,
        "completion_tokens": 1234,
        "total_tokens": 813579,
        "cost_usd": 2.455545,
    }


def test_records_over_lines_end_where_the_next_begins_however_near():
    spread = FAILED.replace("é", "é\n" * 50)
    whole = read((FAILED + CALL + spread + CALL + FAILED).encode())
    assert whole.calls["error"].is_not_null().to_list() == [True, False, True, False, True]
    assert whole.rejects.is_empty()


@pytest.mark.parametrize("name", ["call-events", "story-events"])
def test_each_line_about_an_event_is_an_event(name):
    data = (FIXTURES / "maestro-log" / f"{name}.log").read_bytes()
    told = [
        line for line in data.splitlines() if line.startswith(b"[2026") and not line.endswith((b": done", b"(max: 3)"))
    ]
    assert read(data).events.height == len(told)


def test_each_kind_has_an_example_among_the_fixtures():
    seen = set(itertools.chain.from_iterable(read(path.read_bytes()).events["kind"].to_list() for path in LOGS))
    assert seen == set(KINDS)


def test_markers_stay_valid_without_their_names():
    for marker in MARKERS:
        assert re.compile(nameless(marker.begins)).groups == 0


def test_each_message_that_may_span_lines_is_known_to():
    examples = [line for path in LOGS for line in path.read_text(errors="replace").splitlines()]
    for marker in MARKERS:
        told = [line for line in examples if marker.tail is not None and re.search(marker.begins, line)]
        assert all(re.search(MAY_SPAN, line) for line in told), marker
