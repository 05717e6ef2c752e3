"""Every report answers the same, to the last digit, however many threads DuckDB has and whichever ends first."""

import numpy as np
import polars as pl
import pytest
from warehouses import at, build

import queries
from ingest import alternatives

COUNT, SOURCES = 400_000, 3
START, NOW = at("2026-11-01T00:00:00"), at("2026-11-03T00:00:00")
PARAMETERS = {
    "budget": {"limit": "20000000"},
    "limits": {"limit": "100000"},
    "headroom": {"at": "2026-11-01T05:00:30Z"},
    "what-if": {"tier": "batch"},
}
ASKED = [name for name in queries.names() if name not in {"reconcile", "prices-drift"}]
"""All that need no file of the user's."""


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """Files of several row groups, which threads share; twenty calls have one time, as in logs without fractions."""
    folder, chance = tmp_path_factory.mktemp("threads"), np.random.default_rng(1)

    def one_of(*names):
        return pl.Series(names).gather(chance.integers(0, len(names), COUNT))

    request, response, failed = (
        chance.integers(10, 3_000, COUNT),
        chance.integers(1, 500, COUNT),
        chance.random(COUNT) < 0.03,
    )
    seconds = np.sort(chance.integers(0, COUNT // 20, COUNT))
    calls = pl.DataFrame(
        {
            "created_at": pl.Series(seconds * 1_000_000).cast(pl.Duration("us")) + START,
            "latency_ms": chance.random(COUNT) * 5_000,
            "model": one_of("gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"),
            "agent_id": one_of("coder", "architect", None),
            "session_id": one_of("s1", "s2", "s3", "s4"),
            "story_id": one_of("st1", "st2"),
            "user_id": one_of("ada", "bob"),
            "source_id": one_of(*map(str, range(SOURCES))),
            "source_offset": np.arange(COUNT) * 300,
            "success": ~failed,
            "error": pl.Series(failed).replace_strict({True: "429", False: None}, return_dtype=pl.String),
            "request_tokens": request,
            "response_tokens": response,
            "total_tokens": request + response,
            "cost_usd": (request * 3 + response * 15) / 1_000_000,
        }
    ).with_columns(
        format=pl.lit("app-json"),
        source_path=pl.lit("app.jsonl"),
        started_at=pl.col("created_at") - pl.duration(microseconds=pl.col("latency_ms") * 1_000),
        cost_computed_usd="cost_usd",
        cost_source=pl.lit("computed"),
        known_model=pl.lit(value=True),
    )
    for of_source in calls.partition_by("source_id"):
        build(folder, llm_calls=of_source)
    return folder


@pytest.mark.parametrize("name", ASKED)
def test_threads_change_no_answer(warehouse, name):
    answers = set()
    for threads in (1, 4):
        with queries.connect(warehouse, tz="UTC", now=NOW, serving=queries.load(name).reach) as connection:
            connection.execute(f"set threads = {threads}")
            found = queries.run(connection, name, pricing=alternatives(warehouse), **PARAMETERS.get(name, {}))
        answers.add(found.frame.write_json())

    assert len(answers) == 1
