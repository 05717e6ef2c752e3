"""The views that count each call once, against the same said in Python, on warehouses of all kinds."""

import random
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from warehouses import build, call

import queries
from ingest.ledger import Batch
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import CALLS, EVENTS, REJECTS, conform, polars_schema

CHAINS = [None, "{}", '{"isSidechain": true}', '{"is_sidechain":TRUE}', '{"sidechain":false}', '{"sidechain":true}']
FORMATS = ["claude-code", "litellm/log", "otlp/span", "codex", "goose/sum", "goose/call"]


def any_calls(chance: random.Random, count: int) -> list[dict]:
    """Return rows whose keys, counts, chains and places repeat, and any of which may be unknown."""
    begin = datetime(2026, 2, 3, 10, tzinfo=UTC)
    formats = chance.sample(FORMATS, chance.randint(1, len(FORMATS)))

    def known(*values: object) -> object:
        return chance.choice([None, *values])

    return [
        call(
            begin + timedelta(hours=chance.randint(0, 60)),
            agent_id=known("a", "b"),
            model=known("m1", "m2", "m3"),
            session_id=known("s1", "s2"),
            success=chance.choice([None, True, False]),
            request_tokens=known(0, 5, 70),
            cache_read_tokens=known(0, 5),
            cache_write_tokens=known(0, 5),
            response_tokens=known(0, 1, 9, 9, 1 << 40),
            reasoning_tokens=known(1, 2),
            total_tokens=known(0, 6, 79, (1 << 40) + 5),
            cost_reported_usd=known(0.5, 1.25),
            cost_computed_usd=known(0.75, 2.5),
            cost_usd=known(0.75),
            cost_source=known("reported", "computed", "unpriced"),
            metadata=chance.choice(CHAINS),
            format=chance.choice(formats),
            request_id=known("r1", "chatcmpl-AbCdEfGhIjKlMnOp0001"),
            dedupe_key=known(
                "k1", "k2", "k3", "otlp:1", "litellm:chatcmpl-AbCdEfGhIjKlMnOp0001", "codex:copy:s:t1", "codex:s:t1"
            ),
            source_id=chance.choice(["f0", "f1", "g"]),
            source_offset=number,  # no two records have one place
        )
        for number in range(count)
    ]


LARGEST = ("request_tokens", "cache_read_tokens", "cache_write_tokens", "response_tokens", "reasoning_tokens")
COSTS = ("cost_reported_usd", "cost_computed_usd")
IN_SIDE_CHAIN = re.compile(r'"(is_?)?sidechain":\s*true', re.IGNORECASE)


def first(*values):
    """Return the first of *values* that is known."""
    return next((value for value in values if value is not None), None)


def largest(records, column):
    return max((record[column] for record in records if record[column] is not None), default=None)


def added(one, other):
    return None if one is None or other is None else one + other


def fullest(records):
    """Return the call that *records* are of: the best record, with the largest counts, of the main chain first."""

    def is_main(record):
        return not IN_SIDE_CHAIN.search(record["metadata"] or "")

    def quality(record):
        counts = (first(record["response_tokens"], -1), first(record["total_tokens"], -1))
        return (is_main(record), *counts, record["source_id"], -record["source_offset"])

    main = [record for record in records if is_main(record)]
    best = dict(max(records, key=quality))
    for column in (*LARGEST, *COSTS):
        best[column] = first(largest(main, column), largest(records, column))
    best["total_tokens"] = first(
        added(largest(main, "request_tokens"), largest(main, "response_tokens")),
        largest(main, "total_tokens"),
        added(largest(records, "request_tokens"), largest(records, "response_tokens")),
        largest(records, "total_tokens"),
    )
    best["cost_usd"] = first(*(largest(some, column) for column in COSTS for some in (main, records)))
    told = [name for name, column in zip(("reported", "computed"), COSTS, strict=True) if best[column] is not None]
    best["cost_source"] = told[0] if told else largest(records, "cost_source")
    return best


def rows(connection, relation):
    return connection.sql(f"from {relation}").pl().to_dicts()


@pytest.mark.parametrize("seed", range(4))
def test_a_repeated_call_has_what_its_best_record_has_and_the_largest_counts(tmp_path, seed):
    chance = random.Random(seed)
    calls = any_calls(chance, chance.randint(5, 120))
    batches = [
        {"committed_at": c["created_at"], "source_id": c["source_id"], "format": c["format"], "calls": 1} for c in calls
    ]
    built = build(tmp_path, llm_calls=calls, batches=batches)
    with queries.connect(built, tz="UTC", serving="llm_calls") as connection:
        found, records = rows(connection, "llm_calls"), rows(connection, "identified_calls")

    by_key = defaultdict(list)
    for number, record in enumerate(records):
        del record["side_chain"]
        by_key[record.pop("call_key") or number].append(record)
    expected = [fullest(same) if len(same) > 1 else same[0] for same in by_key.values()]
    assert 0 < len(expected) < len(records)
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def any_stream(chance: random.Random, count: int) -> pl.DataFrame:
    """Return calls of three sources as they were streamed: with the same key and growing counts, replayed, or alone."""
    found = []
    for one in any_calls(chance, count):
        times = chance.choice([1, 1, 2, 3])
        for nth in range(times):
            response = None if one["response_tokens"] is None else one["response_tokens"] // (times - nth)
            known = [count for count in (one["request_tokens"], response) if count is not None]
            total = sum(known) if known else None
            reported = chance.choice([None, None, one["cost_reported_usd"]])
            cost = reported if reported is not None else one["cost_computed_usd"]
            source = "unpriced" if cost is None else "computed" if reported is None else "reported"
            found.append(
                one
                | {"response_tokens": response, "total_tokens": total, "source_offset": 10 * one["source_offset"] + nth}
                | {"cost_reported_usd": reported, "cost_usd": cost, "cost_source": source}
            )
    frame = pl.DataFrame(found, schema_overrides=polars_schema(CALLS), infer_schema_length=None)
    return conform(frame.sort("source_offset"), CALLS)


def committed(folder: Path, calls: pl.DataFrame, most: int) -> Path:
    """Write *calls* in order of their places, at most so many a commit."""
    warehouse = Warehouse(folder, make=True)
    nothing = pl.DataFrame(schema=polars_schema(EVENTS)), pl.DataFrame(schema=polars_schema(REJECTS))
    ends: dict[str, int] = {}
    for some in calls.iter_slices(most):
        batches = [
            Batch(name, f"{name}.log", ends.get(name), rows["source_offset"][-1] + 1, None, 0, rows, *nothing)
            for (name,), rows in some.partition_by("source_id", as_dict=True).items()
        ]
        warehouse.commit(batches)
        ends |= {batch.source_id: batch.end for batch in batches}
    return folder


@pytest.mark.parametrize("asked", [{}, {"model": "m1"}, {"agent": "a"}, {"session": "s1"}], ids=str)
@pytest.mark.parametrize("seed", range(6))
def test_what_one_commit_found_superseded_changes_no_answer(tmp_path, seed, asked):
    chance = random.Random(seed)
    calls = any_stream(chance, chance.randint(20, 80))
    answers, marked = [], []
    for most in (calls.height, 1, chance.randint(2, 9)):
        warehouse = committed(tmp_path / f"w{most}", calls, most)
        with queries.connect(warehouse, tz="UTC", serving="llm_calls", **asked) as connection:
            answers.append(sorted(rows(connection, "llm_calls"), key=repr))
            (told,) = rows(connection, "(select sum(superseded) as superseded, sum(calls) as calls from batches)")
            marked.append(told["superseded"])
            assert told["calls"] == calls.height

    assert answers[0]
    assert answers[0] == answers[1] == answers[2]
    assert marked[0] > marked[1] == 0


def test_records_of_before_are_told_apart_when_they_are_asked_for(tmp_path):
    """A warehouse whose ledger doesn't say that anybody looked is one of an older version."""
    calls = any_stream(random.Random(1), 60)
    with queries.connect(committed(tmp_path / "new", calls, calls.height), tz="UTC", serving="llm_calls") as connection:
        new = sorted(rows(connection, "llm_calls"), key=repr)
    batches = [
        {"committed_at": c["created_at"], "source_id": c["source_id"], "format": c["format"], "calls": 1}
        for c in calls.to_dicts()
    ]
    with queries.connect(
        build(tmp_path / "old", llm_calls=calls.to_dicts(), batches=batches), tz="UTC", serving="llm_calls"
    ) as connection:
        assert sorted(rows(connection, "llm_calls"), key=repr) == new
