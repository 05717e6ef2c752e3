"""What a call's tier, place and searches make of its price, by the rules of `tiers.toml`."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from ingest.prices.price import load_prices, price, reprice
from ingest.prices.tiers import rules
from parsers import FORMATS, Block, parse
from parsers.schema import CALLS, conform

PRICES = load_prices()
COUNTS = {"request_tokens": 1_000, "cache_read_tokens": 300, "cache_write_tokens": 200, "response_tokens": 100}


def cost(provider, model, metadata, on="2026-07-01", **columns):
    row = {"provider": provider, "model": model, "metadata": metadata, **COUNTS, **columns}
    frame = conform(pl.DataFrame([row | {"created_at": datetime.fromisoformat(on).replace(tzinfo=UTC)}]), CALLS)
    priced = price(frame, PRICES)
    assert reprice(priced, PRICES).equals(priced)
    return priced["cost_computed_usd"].item()


@pytest.mark.parametrize(
    ("provider", "model", "metadata", "on", "factor"),
    [
        ("anthropic", "claude-opus-4-6", '{"speed":"fast"}', "2026-05-11", "6"),
        ("anthropic", "claude-opus-4-6", '{"speed":"standard"}', "2026-05-11", "1"),
        ("anthropic", "claude-opus-4-7", '{"speed":"fast"}', "2026-07-31", "6"),
        ("anthropic", "claude-opus-4-7", '{"speed":"fast"}', "2026-08-01", "1"),
        ("anthropic", "claude-opus-4-8", '{"speed": "fast"}', "2026-09-10", "2"),
        ("anthropic", "claude-opus-4-8", '{"speed":"fast","inference_geo":"us"}', "2026-09-10", "2.2"),
        ("anthropic", "claude-sonnet-4-6", '{"inference_geo":"us"}', "2026-09-10", "1.1"),
        ("anthropic", "claude-sonnet-5", '{"inference_geo":"us"}', "2026-09-10", "1.1"),
        ("anthropic", "claude-sonnet-4-5", '{"inference_geo":"us"}', "2026-09-10", "1"),
        ("anthropic", "claude-sonnet-4-6", '{"inference_geo":"not_available"}', "2026-09-10", "1"),
        ("anthropic", "claude-sonnet-4-6", '{"usage.service_tier":"batch"}', "2026-09-10", "0.5"),
        ("anthropic", "claude-sonnet-4-6", '{"service_tier":"priority"}', "2026-09-10", "1"),
        ("openai", "gpt-5.5", '{"service_tier":"priority"}', "2026-08-20", "2.5"),
        ("openai", "gpt-5.4", '{"service_tier":"fast"}', "2026-08-20", "2"),
        ("openai", "gpt-5.4", '{"service_tier":"flex"}', "2026-08-20", "0.5"),
        ("openai", "gpt-5.5", '{"service_tier":"default"}', "2026-08-20", "1"),
        ("google", "gemini-2.5-pro", '{"service_tier":"batch"}', "2026-08-20", "0.5"),
    ],
)
def test_a_tier_costs_as_often_its_standard_price_as_its_rule_says(provider, model, metadata, on, factor):
    assert cost(provider, model, metadata, on) == Decimal(factor) * cost(provider, model, None, on)


def test_a_tier_that_nobody_priced_has_no_cost():
    assert cost("openai", "gpt-5.6-sol", '{"service_tier":"default"}') is not None
    assert cost("openai", "gpt-5.6-sol", '{"service_tier":"priority"}') is None


def test_searches_of_the_web_cost_ten_dollars_a_thousand():
    plain = cost("anthropic", "claude-sonnet-4-6", None)
    for metadata in ('{"web_search_requests":"5"}', '{"web_search_requests":5,"web_fetch_requests":9}'):
        assert cost("anthropic", "claude-sonnet-4-6", metadata) == plain + Decimal("0.05")
    assert cost("anthropic", "claude-sonnet-4-6", '{"web_fetch_requests":"3","web_search_requests":"0"}') == plain
    fast = cost("anthropic", "claude-opus-4-6", '{"speed":"fast"}')
    both = cost("anthropic", "claude-opus-4-6", '{"speed":"fast","web_search_requests":"5"}')
    assert both == fast + Decimal("0.05")


def test_calls_without_a_tier_beside_those_with_one_keep_their_price():
    at = datetime(2026, 8, 20, tzinfo=UTC)
    rows = [
        {"provider": "openai", "model": "gpt-5.5", "metadata": metadata, **COUNTS, "created_at": at}
        for metadata in (None, '{"service_tier":"priority"}', '{"speed":"fast"}', None)
    ]
    priced = price(conform(pl.DataFrame(rows), CALLS), PRICES)["cost_computed_usd"].to_list()
    assert priced[0] == priced[2] == priced[3] == priced[1] / Decimal("2.5")


def test_the_tier_of_an_api_object_is_known_to_its_price():
    response = {"id": "resp_0123456789abcdef", "object": "response", "model": "gpt-5.4", "service_tier": "flex"}
    usage = {"input_tokens": 1_000, "output_tokens": 100, "total_tokens": 1_100}
    line = json.dumps(response | {"created_at": 1_780_000_000, "usage": usage}) + "\n"
    row = parse(Block(line.encode(), sealed=True), FORMATS).calls

    assert cost("openai", "gpt-5.4", row["metadata"].item()) == cost("openai", "gpt-5.4", None) / 2


def test_every_model_with_a_rule_is_one_of_the_price_table():
    for rule in rules().factors:
        for model in (rule.models or frozenset()) | rule.but:
            assert PRICES.entry(rule.provider, model).model == model
