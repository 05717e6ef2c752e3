"""Providers count different things inside their prompts and responses; the columns don't."""

import json

import polars as pl
import pytest

from parsers.rows.token_counts import TOKENS
from parsers.rows.usage_objects import USAGE_DTYPE, details, summed_tokens, tokens


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
