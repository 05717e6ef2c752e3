"""Errors of providers that say what the rate limit is, word for word as providers write them."""

import json

import polars as pl
import pytest

from parsers import FORMATS, Block, parse

# ruff: noqa: E501, ISC004 -- texts as they are

ERRORS = [
    (
        "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 28747, "
        "Requested 4251. Please try again in 5.996s. Visit https://platform.openai.com/account/rate-limits",
        ("openai", "TPM", 30000, 28747, 4251, 5996.0),
    ),
    (
        "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 40112.",
        ("openai", "TPM", 30000, None, 40112, None),
    ),
    (
        "Rate limit reached for gpt-4o in organization org-x on requests per min (RPM): Limit 3, Used 3, Requested 1. "
        "Please try again in 20s.",
        ("openai", "RPM", 3, 3, 1, 20000.0),
    ),
    (
        "Rate limit reached for model `gpt-4o` in organization `org_01` on requests per day (RPD): Limit 1000, Used "
        "1000, Requested 1. Please try again in 1h26m24s.",
        ("openai", "RPD", 1000, 1000, 1, 5184000.0),
    ),
    (
        "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 6000, Used 5990, Requested 90. Please try again in "
        "880ms.",
        ("openai", "TPM", 6000, 5990, 90, 880.0),
    ),
    (
        "This request would exceed your organization's rate limit of 40,000 input tokens per minute. For details, see …",
        ("openai", "ITPM", 40000, None, None, None),
    ),
    (
        "This request would exceed the rate limit for your organization (0f6a) of 8,000 output tokens per minute.",
        ("openai", "OTPM", 8000, None, None, None),
    ),
    (
        "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-02-01 have exceeded token "
        "rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds.",
        ("openai", "TPM", None, None, None, 26000.0),
    ),
    (
        '429 RESOURCE_EXHAUSTED {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "15"}, '
        '{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "39s"}',
        ("openai", "RPM", 15, None, None, 39000.0),
    ),
    (
        "ThrottlingException: Too many tokens, please wait before trying again.",
        ("openai", "TPM", None, None, None, None),
    ),
    (
        "Your request rate is too high. Reduce the frequency of requests.",
        ("openai", "RPM", None, None, None, None),
    ),
    (
        "Token limit is exceeded. Try again in 2 minutes.",
        ("openai", "TPM", None, None, None, 120000.0),
    ),
    (
        "You are using a Trial key, which is limited to 10 API calls / minute.",
        ("openai", "RPM", 10, None, None, None),
    ),
    (
        "Number of requests has exceeded your per-minute rate limit (https://docs.anthropic.com/)",
        ("openai", "RPM", None, None, None, None),
    ),
    (
        "{'quotaId': 'GenerateContentInputTokensPerModelPerMinute-FreeTier', 'quotaValue': '250000'}, {'retryDelay': '7.5s'}",
        ("openai", "ITPM", 250000, None, None, 7500.0),
    ),
    (
        "429 RESOURCE_EXHAUSTED. You exceeded your current quota, please check your plan and billing details.\n"
        "* Quota exceeded for metric: generate_content_free_tier_requests, limit: 15\n"
        '"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"\nPlease retry in 28.5s.',
        ("openai", "RPM", 15, None, None, 28500.0),
    ),
]
HEADED = [
    (
        {
            "x-ratelimit-limit-tokens": "30000",
            "x-ratelimit-remaining-tokens": "1253",
            "x-ratelimit-limit-requests": 500,
            "x-ratelimit-remaining-requests": 499,
        },
        [("TPM", 30000, 28747, None), ("RPM", 500, 1, None)],
    ),
    (
        {
            "anthropic-ratelimit-input-tokens-limit": "40000",
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-requests-limit": "50",
            "retry-after": "12",
        },
        [("ITPM", 40000, 40000, 12000.0), ("RPM", 50, None, 12000.0)],
    ),
    ({"x_ratelimit_limit_tokens": 6000, "retry-after-ms": 880}, [("TPM", 6000, None, 880.0)]),
    ({"x-ratelimit-limit-requests-day": 14400}, [("RPD", 14400, None, None)]),
    ({"llm_provider-x-ratelimit-limit-tokens": 9}, [("TPM", 9, None, None)]),
    ({"retry-after": "12"}, []),
    ({"x-ratelimit-remaining-tokens": "12"}, []),
]


def told(error):
    line = {
        "event": "LLM_ERROR",
        "provider": "openai",
        "model": "gpt-4o",
        "run_id": "r1",
        "step_id": "s1",
        "error": error,
    }
    rows = parse(Block(json.dumps(line).encode() + b"\n", sealed=True), FORMATS)
    return rows.calls, rows.events.filter(pl.col("kind") == "rate_limited")


@pytest.mark.parametrize(("error", "expected"), ERRORS)
def test_an_error_that_states_a_limit_is_an_event(error, expected):
    calls, events = told(error)
    (event,) = events.to_dicts()
    said = json.loads(event["metadata"])
    names = ("provider", "dimension", "limit", "used", "requested")
    assert (*(said.get(name) for name in names), event["wait_ms"]) == expected
    assert (event["model"], event["run_id"], event["source_offset"]) == ("gpt-4o", "r1", 0)
    assert calls["success"].to_list() == [False]
    assert "\n" not in event["reason"]


@pytest.mark.parametrize("error", ["overloaded_error", "rate limit exceeded", "your limit 30 was read", "HTTP 429"])
def test_an_error_that_states_none_is_none(error):
    assert told(error)[1].is_empty()


@pytest.mark.parametrize(("headers", "expected"), HEADED)
@pytest.mark.parametrize("key", ["headers", "response_headers", None])
def test_headers_that_state_a_limit_are_events(headers, expected, key):
    line = {"time": "2026-08-10T08:00:00Z", "model": "gpt-4o", "prompt_tokens": 100, "completion_tokens": 20}
    line |= headers if key is None else {key: headers}
    rows = parse(Block(json.dumps(line).encode() + b"\n", sealed=True), FORMATS)

    said = [(json.loads(event["metadata"]), event) for event in rows.events.to_dicts()]
    assert rows.calls["success"].to_list() == [True]
    assert [(m["dimension"], m["limit"], m.get("used"), event["wait_ms"]) for m, event in said] == expected
    assert {(event["kind"], event["model"], m["provider"]) for m, event in said} <= {
        ("rate_limited", "gpt-4o", "openai")
    }


def test_groq_counts_requests_by_the_day_where_others_count_by_the_minute():
    line = {"model": "llama-3.3-70b", "provider": "groq", "prompt_tokens": 1, "completion_tokens": 2}
    text = json.dumps(line | {"headers": {"x-ratelimit-limit-requests": "14400"}})
    rows = parse(Block(text.encode() + b"\n", sealed=True), FORMATS)

    assert json.loads(rows.events["metadata"].item()) == {"provider": "groq", "dimension": "RPD", "limit": 14400}
