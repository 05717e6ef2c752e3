"""The views that count each call once, against the plainest way to say the same, on warehouses of all kinds."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from warehouses import build, call

import queries

FULLEST = """
create view expected as
with ranked as (
    select
        *,
        struct_pack(
            main_chain := not coalesce(regexp_matches(metadata, '"(is_?)?sidechain":\\s*true', 'i'), false),
            response := coalesce(response_tokens, -1), total := coalesce(total_tokens, -1),
            source := source_id, place := -source_offset
        ) as quality,
    from identified_calls
)
select
    arg_max_null(
        columns(
            * exclude (
                call_key, quality, request_tokens, cache_read_tokens, cache_write_tokens, response_tokens,
                reasoning_tokens, total_tokens, cost_reported_usd, cost_computed_usd, cost_usd, cost_source
            )
        ),
        quality
    ),
    coalesce(max(request_tokens) filter (quality.main_chain), max(request_tokens)) as request_tokens,
    coalesce(max(cache_read_tokens) filter (quality.main_chain), max(cache_read_tokens)) as cache_read_tokens,
    coalesce(max(cache_write_tokens) filter (quality.main_chain), max(cache_write_tokens)) as cache_write_tokens,
    coalesce(max(response_tokens) filter (quality.main_chain), max(response_tokens)) as response_tokens,
    coalesce(max(reasoning_tokens) filter (quality.main_chain), max(reasoning_tokens)) as reasoning_tokens,
    coalesce(
        max(request_tokens) filter (quality.main_chain) + max(response_tokens) filter (quality.main_chain),
        max(total_tokens) filter (quality.main_chain),
        max(request_tokens) + max(response_tokens),
        max(total_tokens)
    ) as total_tokens,
    coalesce(max(cost_reported_usd) filter (quality.main_chain), max(cost_reported_usd)) as cost_reported_usd,
    coalesce(max(cost_computed_usd) filter (quality.main_chain), max(cost_computed_usd)) as cost_computed_usd,
    coalesce(
        max(cost_reported_usd) filter (quality.main_chain),
        max(cost_reported_usd),
        max(cost_computed_usd) filter (quality.main_chain),
        max(cost_computed_usd)
    ) as cost_usd,
    case
        when max(cost_reported_usd) is not null then 'reported'
        when max(cost_computed_usd) is not null then 'computed'
        else max(cost_source)
    end as cost_source,
from ranked
group by call_key
"""
"""How the view was said at first: every column of the best record, by a quality that is a struct."""

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


def rows(connection, relation):
    columns = sorted(connection.view("base_calls").columns)
    return sorted(connection.view(relation).project(", ".join(columns)).fetchall(), key=repr)


@pytest.mark.parametrize("seed", range(4))
def test_a_repeated_call_has_what_its_best_record_has_and_the_largest_counts(tmp_path, seed):
    chance = random.Random(seed)
    calls = any_calls(chance, chance.randint(5, 120))
    batches = [
        {"committed_at": c["created_at"], "source_id": c["source_id"], "format": c["format"], "calls": 1} for c in calls
    ]
    built = build(tmp_path, llm_calls=calls, batches=batches)
    with queries.connect(built, tz="UTC", serving="llm_calls") as connection:
        if "repeated_calls" in {
            name for (name,) in connection.execute("select view_name from duckdb_views()").fetchall()
        }:
            connection.execute(FULLEST)
            assert rows(connection, "repeated_calls") == rows(connection, "expected")
