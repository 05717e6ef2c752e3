"""What calls would have cost otherwise: the differences add up, and what nothing changes costs what was paid."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouses import build, call

import queries
from ingest.prices.elsewhere import Alternatives
from ingest.prices.price import load_prices, price
from parsers.schema import CALLS, conform

PRICES = load_prices()
PRICING = Alternatives(PRICES)
MODELS = [
    ("anthropic", "claude-sonnet-4-6"),
    ("anthropic", "claude-opus-4-8"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-4o"),
    ("google", "gemini-2.5-pro"),
    ("deepseek", "deepseek-chat"),
    (None, "nobody-knows-it"),
]
TOLD = [None, '{"service_tier":"batch"}', '{"service_tier":"standard","speed":"fast"}', '{"cache_write_1h_tokens":7}']


def priced(*rows):
    return price(conform(pl.DataFrame(list(rows), infer_schema_length=None), CALLS), PRICES)


@st.composite
def calls(draw):
    provider, model = draw(st.sampled_from(MODELS))
    read, written, fresh, answered = (draw(st.integers(0, 300_000)) for _ in range(4))
    return {
        "created_at": datetime(2026, 5, 1, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 4_000))),
        "provider": provider,
        "model": model,
        "request_tokens": read + written + fresh,
        "cache_read_tokens": read or draw(st.sampled_from([0, None])),
        "cache_write_tokens": written,
        "response_tokens": answered,
        "metadata": draw(st.sampled_from(TOLD)),
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(calls(), min_size=1, max_size=5))
def test_what_a_cache_made_of_a_cost_is_the_cost_without_it_less_that_with_it(made):
    paid = priced(*made)
    without = priced(*({**row, "cache_read_tokens": None, "cache_write_tokens": None} for row in made))

    found = PRICING.uncached(paid)

    net = found["saved_usd"] - found["write_cost_usd"]
    assert net.to_list() == (without["cost_computed_usd"] - paid["cost_computed_usd"]).to_list()


@settings(max_examples=60, deadline=None)
@given(calls())
def test_a_call_elsewhere_costs_what_a_call_from_there_costs(row):
    for provider, model in MODELS:
        there = PRICING.elsewhere(priced(row), model=model, provider=provider)

        moved = priced(row | {"model": model, "provider": provider})
        assert there["cost_there_usd"].item() == moved["cost_usd"].item()


@settings(max_examples=60, deadline=None)
@given(calls(), st.sampled_from([None, Decimal("0.1234567891")]))
def test_a_call_that_is_there_already_costs_what_was_paid(row, reported):
    paid = priced(row | {"cost_reported_usd": reported})
    tier = "standard" if "tier" not in (row["metadata"] or "") else "batch" if "batch" in row["metadata"] else "fast"

    there = PRICING.elsewhere(paid, model=row["model"], provider=row["provider"], tier=tier)

    assert there["cost_there_usd"].item() == paid["cost_usd"].item()


@pytest.mark.parametrize(
    ("provider", "model", "told", "tier", "factor"),
    [
        ("openai", "gpt-5.4", None, "batch", "0.5"),
        ("openai", "gpt-5.4", '{"service_tier":"batch"}', "standard", "2"),
        ("openai", "gpt-5.4", '{"service_tier":"batch"}', "priority", "4"),
        ("anthropic", "claude-opus-4-8", '{"speed":"fast"}', "batch", "0.25"),
        ("anthropic", "claude-opus-4-8", '{"inference_geo":"us"}', "batch", "0.5"),
        ("deepseek", "deepseek-chat", None, "batch", None),
        ("openai", "gpt-5.6-sol", None, "priority", None),
    ],
)
def test_another_tier_costs_what_its_rule_says_and_nothing_is_known_where_there_is_none(
    provider, model, told, tier, factor
):
    counts = {"request_tokens": 1_000, "response_tokens": 100}
    at = datetime(2026, 8, 1, tzinfo=UTC)
    paid = priced({"created_at": at, "provider": provider, "model": model, "metadata": told, **counts})

    there = PRICING.elsewhere(paid, tier=tier)["cost_there_usd"].item()

    assert there == (factor and Decimal(factor) * paid["cost_usd"].item())


def test_the_reports_say_of_each_model_what_is_known(tmp_path):
    known = {"provider": "anthropic", "model": "claude-sonnet-4-6", "cost_reported_usd": None}
    told = priced(
        call("2026-05-01T10:00", 1_100, **known, cache_read_tokens=800, cache_write_tokens=100),
        call("2026-05-01T11:00", 1_100, **known),
        call(
            "2026-05-01T12:00", 100, model="nobody-knows-it", provider=None, cost_reported_usd=None, cache_read_tokens=9
        ),
        call("2026-05-01T13:00", 100, model="says-nothing", provider=None, cost_reported_usd=None),
    )
    warehouse = build(tmp_path, llm_calls=told.to_dicts())
    with queries.connect(warehouse, tz="Asia/Tokyo") as connection:
        cache = queries.run(connection, "cache", pricing=PRICING).frame.to_dicts()
        batch = queries.run(connection, "what-if", pricing=PRICING, tier="batch").frame.to_dicts()
        moved = queries.run(connection, "what-if", pricing=PRICING, model="claude-haiku-4-5").frame.to_dicts()
        with pytest.raises(queries.QueryError, match="needs prices"):
            queries.run(connection, "cache")
        with pytest.raises(queries.QueryError, match="did you mean batch"):
            queries.run(connection, "what-if", pricing=PRICING, tier="bach")
        with pytest.raises(queries.QueryError, match="needs -p model"):
            queries.run(connection, "what-if", pricing=PRICING)

    # 3 USD a million tokens, of which a tenth is paid for reading and 1.25 times for writing.
    sonnet = cache[0]
    assert (sonnet["calls"], sonnet["request_tokens"], sonnet["read_share"]) == (2, 1_980, 800 / 1_980)
    assert (sonnet["saved_usd"], sonnet["write_cost_usd"]) == (Decimal("0.00216"), Decimal("0.000075"))
    assert (sonnet["net_usd"], sonnet["paid"]) == (Decimal("0.002085"), True)
    assert [(row["saved_usd"], row["paid"], row["unpriced_calls"]) for row in cache[1:]] == [
        (None, None, 1),
        (None, None, 0),
    ]
    assert batch[0]["cost_there_usd"] * 2 == batch[0]["cost_usd"] == -2 * batch[0]["difference_usd"]
    assert moved[0]["cost_there_usd"] * 3 == moved[0]["cost_usd"]
    assert [row["unpriced_calls"] for row in batch] == [row["unpriced_calls"] for row in moved] == [0, 1, 1]
    assert [row["cost_there_usd"] for row in moved[1:]] == [None, None]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "claude-hiku-4-5"}, "no model 'claude-hiku-4-5' has a price - did you mean claude-haiku-4-5"),
        ({"model": "gpt-4o", "provider": "opnai"}, "no provider 'opnai' has a price - did you mean openai"),
        ({"model": "claude-haiku-4-5"}, None),
        ({"model": "gpt-4o", "provider": "openai"}, None),
        ({"provider": "azure_openai"}, None),
        ({"tier": "batch"}, None),
    ],
)
def test_a_mistyped_place_is_told_from_one_without_a_price(tmp_path, asked, said):
    warehouse = build(tmp_path, llm_calls=priced(call("2026-05-01T10:00", 1_100)).to_dicts())
    with queries.connect(warehouse) as connection:
        notes = queries.run(connection, "what-if", pricing=PRICING, **asked).notes

    found = [note for note in notes if "has a price" in note]
    assert [note.startswith(said) for note in found] == ([] if said is None else [True])
