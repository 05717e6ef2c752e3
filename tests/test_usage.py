"""Providers count different things inside their prompts and responses; the columns don't."""

import json
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.blocks.lines import Block
from parsers.catalogue import named
from parsers.claims.parse import parse
from parsers.rows.token_counts import TOKENS
from parsers.rows.usage_objects import FAMILIES, USAGE_DTYPE, details, summed_tokens, tokens


def of(usage, rule=tokens):
    frame = pl.DataFrame({"usage": [json.dumps(usage)]}).select(pl.col("usage").str.json_decode(USAGE_DTYPE))
    (row,) = rule(frame, "usage").select(TOKENS).to_dicts()
    return {name.removesuffix("_tokens"): value for name, value in row.items() if value is not None}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 80},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            {"request": 100, "cache_read": 80, "response": 50, "reasoning": 30, "total": 150},
            id="OpenAI chat includes the cache and reasoning",
        ),
        pytest.param(
            {
                "input_tokens": 100,
                "output_tokens": 50,
                "input_tokens_details": {"cached_tokens": 80},
                "output_tokens_details": {"reasoning_tokens": 30},
            },
            {"request": 100, "cache_read": 80, "response": 50, "reasoning": 30, "total": 150},
            id="OpenAI responses include them too",
        ),
        pytest.param(
            {
                "input_tokens": 10,
                "output_tokens": 50,
                "cache_read_input_tokens": 80,
                "cache_creation_input_tokens": 10,
                "output_tokens_details": {"thinking_tokens": 30},
            },
            {"request": 100, "cache_read": 80, "cache_write": 10, "response": 50, "reasoning": 30, "total": 150},
            id="Anthropic's input leaves the cache out",
        ),
        pytest.param(
            {"input_tokens": 10, "output_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 7}},
            {"request": 17, "cache_write": 7, "response": 5, "total": 22},
            id="a split of cache writes stands in for their sum",
        ),
        pytest.param(
            {
                "promptTokenCount": 90,
                "toolUsePromptTokenCount": 10,
                "cachedContentTokenCount": 80,
                "candidatesTokenCount": 20,
                "thoughtsTokenCount": 30,
                "totalTokenCount": 150,
            },
            {"request": 100, "cache_read": 80, "response": 50, "reasoning": 30, "total": 150},
            id="Gemini's candidates leave thoughts out",
        ),
        pytest.param(
            {"prompt_token_count": 100, "thoughts_token_count": 30},
            {"request": 100, "response": 30, "reasoning": 30, "total": 130},
            id="Gemini in snake_case, blocked after it thought",
        ),
        pytest.param(
            {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 80, "cacheWriteInputTokens": 10},
            {"request": 100, "cache_read": 80, "cache_write": 10, "response": 5, "total": 105},
            id="Bedrock's input leaves the cache out",
        ),
        pytest.param(
            {"prompt_tokens": 100, "completion_tokens": 5, "cache_read_input_tokens": 80},
            {"request": 100, "cache_read": 80, "response": 5, "total": 105},
            id="LiteLLM's prompt includes the cache, whatever it is called",
        ),
        pytest.param(
            {
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "prompt_cache_hit_tokens": 60,
                "prompt_cache_miss_tokens": 40,
            },
            {"request": 100, "cache_read": 60, "response": 5, "total": 105},
            id="DeepSeek's prompt includes the cache",
        ),
        pytest.param(
            {"prompt_tokens": 100, "input_tokens": 100, "completion_tokens": 5, "output_tokens": 5},
            {"request": 100, "response": 5, "total": 105},
            id="aliases count once",
        ),
        pytest.param({"total_tokens": 9}, {"total": 9}, id="only a total"),
        pytest.param(
            {"prompt_tokens": -1, "completion_tokens": 5}, {"response": 5, "total": 5}, id="a negative count is unknown"
        ),
        pytest.param(
            {"prompt_tokens": 0, "completion_tokens": 0}, {"request": 0, "response": 0, "total": 0}, id="zeros"
        ),
        pytest.param({}, {}, id="nothing"),
        pytest.param(None, {}, id="null"),
    ],
)
def test_tokens_mean_the_same_for_every_provider(usage, expected):
    assert of(usage) == expected


def test_a_sum_over_providers_adds_their_families():
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "input_tokens": 10, "output_tokens": 20}
    usage |= {"cache_read_input_tokens": 5, "promptTokenCount": 100, "candidatesTokenCount": 200}
    assert of(usage, summed_tokens) == {"request": 116, "cache_read": 5, "response": 222, "total": 338}


def test_details_keep_the_split_of_cache_writes():
    usage = {
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
        "service_tier": "batch",
    }
    frame = pl.DataFrame({"usage": [json.dumps(usage)]}).select(pl.col("usage").str.json_decode(USAGE_DTYPE))
    (row,) = frame.select(**details(pl.col("usage"))).to_dicts()
    assert row == {
        "cache_write_5m_tokens": 1,
        "cache_write_1h_tokens": 2,
        "service_tier": "batch",
        "web_search_requests": None,
    }


def written(counts, family, placement):
    """Return a record that gives *counts* in the spelling of *family*, its usage object where *placement* says."""
    prompt, cached, response, reasoning = counts
    cache_inside, reasoning_inside = family.cache_inside, family.reasoning_inside
    values = {
        "request": prompt if cache_inside or not family.cache_read else prompt - cached,
        "response": response if reasoning_inside or not family.reasoning else response - reasoning,
        "cache_read": cached,
        "reasoning": reasoning,
        "total": prompt + response,
    }
    usage = {}
    for attribute, value in values.items():
        if places := getattr(family, attribute):
            *above, key = places[0].split(".")
            inner = usage
            for name in above:
                inner = inner.setdefault(name, {})
            inner[key] = value
    return {"time": "2026-01-01T00:00:00Z", "model": "m", **placement(usage)}


PLACEMENTS = {
    "top": lambda usage: usage,
    "usage": lambda usage: {"usage": usage},
    "nested": lambda usage: {"extra": {"usage": usage}},
    "metadata": lambda usage: {"usage_metadata": usage},
}
STATED = [family for family in FAMILIES if family.total]


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(*[st.integers(0, 10_000)] * 4),
    st.sampled_from(STATED),
    st.sampled_from(sorted(PLACEMENTS)),
    st.booleans(),
    st.booleans(),
)
def test_a_record_that_states_its_total_gives_that_total(counts, family, placement, turn_cache, turn_reasoning):
    """Also where it counts its parts on the other side of their wholes than its family does."""
    fresh, cached, own, reasoning = counts
    turned = replace(
        family,
        cache_inside=family.cache_inside is not turn_cache,
        reasoning_inside=family.reasoning_inside is not turn_reasoning,
    )
    line = json.dumps(written((fresh + cached, cached, own + reasoning, reasoning), turned, PLACEMENTS[placement]))
    rows = parse(Block(line.encode(), sealed=True), named(["app-json"]))

    (call,) = rows.calls.to_dicts()

    assert call["total_tokens"] == fresh + cached + own + reasoning
    assert call["request_tokens"] + call["response_tokens"] == call["total_tokens"]
    assert "contradicted" not in call.values()


@pytest.mark.parametrize(
    ("usage", "source", "total"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 500}, "contradicted", 105),
        ({"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}, "provider", 105),
        ({"prompt_tokens": 100, "total_tokens": 105}, "provider", 105),
        ({"prompt_tokens": 100, "total_tokens": 90}, "contradicted", 100),
        ({"prompt_tokens": 100}, "partial", 100),
        ({"total_tokens": 100}, "partial", 100),
        ({}, None, None),
    ],
)
def test_who_says_so(usage, source, total):
    frame = pl.DataFrame({"usage": [json.dumps(usage)]}).select(pl.col("usage").str.json_decode(USAGE_DTYPE))
    (row,) = tokens(frame, "usage").to_dicts()
    assert (row["token_source"], row["total_tokens"]) == (source, total)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_each_family_is_read_as_its_row_of_the_table_says(family):
    reasoning = 7 if family.reasoning else 0
    cached = 60 if family.cache_read else 0
    line = json.dumps(written((100, cached, 20, reasoning), family, PLACEMENTS["usage"]))
    (call,) = parse(Block(line.encode(), sealed=True), named(["app-json"])).calls.to_dicts()
    assert (call["request_tokens"], call["response_tokens"], call["total_tokens"]) == (100, 20, 120)
    assert (call["cache_read_tokens"] or 0, call["reasoning_tokens"] or 0) == (cached, reasoning)
