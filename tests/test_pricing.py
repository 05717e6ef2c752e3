import json
import subprocess
import sys
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache

import polars as pl
import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.prices import entries, match
from ingest.prices.entries import Period, Tier, rates
from ingest.prices.own import Override
from ingest.prices.price import Prices, changes, load_prices, price, reprice
from parsers.schema import CALLS, USD, conform

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
FIRST = datetime(2023, 1, 1, tzinfo=UTC)
PRICES = load_prices()


def call(**fields):
    known = {"created_at": AT, "provider": "openai", "model": "gpt-4o", "request_tokens": 1_000, "response_tokens": 100}
    return known | fields


def calls(*rows):
    return conform(pl.DataFrame([call(**row) for row in rows], infer_schema_length=None, strict=False), CALLS)


def priced(**fields):
    return price(calls(fields), PRICES).row(0, named=True)


@cache
def entries_of_the_table():
    """Every price of genai-prices that a name leads to, with that name and the times and lengths where it changes."""
    found = []
    for provider in match.providers():
        for model in provider.models:
            matches = match.find(provider.id, model.id)
            entry = entries.unanimous(matches)
            if entry is not None and matches[0].model is model:
                found.append((provider.id, model.id, entry))
    return found


@cache
def changing_entries():
    return [e for e in entries_of_the_table() if len(e[2].periods) > 1 or any(len(p.tiers) > 1 for p in e[2].periods)]


def moments(entry):
    starts = [datetime.combine(p.start, time(), UTC) for p in entry.periods if p.start]
    edges = [datetime.combine(AT, edge, UTC) for p in entry.periods if p.window for edge in p.window]
    near = [at + timedelta(microseconds=by) for at in starts + edges for by in (-1, 0, 1)]
    anywhere = st.timedeltas(timedelta(0), timedelta(days=1_600)).map(lambda since: FIRST + since)
    return st.one_of(anywhere, st.sampled_from(near)) if near else anywhere


@st.composite
def priced_calls(draw):
    provider, model, entry = draw(st.sampled_from(draw(st.sampled_from([entries_of_the_table, changing_entries]))()))
    tiers = [tier.above for period in entry.periods for tier in period.tiers]
    edge = draw(st.sampled_from(tiers)) + draw(st.sampled_from([0, 1]))
    prompt = draw(st.one_of(st.just(edge), st.integers(0, 2_000_000), st.integers(0, 10**11)))
    response = draw(st.one_of(st.integers(0, 200_000), st.integers(0, 10**11)))
    read = draw(st.integers(0, prompt))
    write = draw(st.integers(0, prompt - read))
    return {
        "provider": provider,
        "model": model,
        "created_at": draw(moments(entry)),
        "request_tokens": prompt,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "response_tokens": response,
        "reasoning_tokens": draw(st.integers(0, response)),
        "one_hour": draw(st.integers(0, write)),
    }


def expected(row):
    usage = Usage(
        input_tokens=row["request_tokens"],
        cache_read_tokens=row["cache_read_tokens"],
        cache_write_tokens=row["cache_write_tokens"],
        cache_write_1h_tokens=row["one_hour"],
        output_tokens=row["response_tokens"],
        output_reasoning_tokens=row["reasoning_tokens"],
    )
    found = calc_price(usage, row["model"], provider_id=row["provider"], genai_request_timestamp=row["created_at"])
    return found.total_price.quantize(Decimal("1e-10"), ROUND_HALF_EVEN)


@settings(max_examples=300, deadline=None)
@given(st.lists(priced_calls(), min_size=1, max_size=12))
def test_costs_are_to_the_last_decimal_those_of_genai_prices(rows):
    frame = calls(*(row | {"metadata": json.dumps({"cache_write_1h_tokens": row["one_hour"]})} for row in rows))
    assert price(frame, PRICES)["cost_computed_usd"].to_list() == [expected(row) for row in rows]


def test_every_model_of_the_table_costs_what_the_table_says():
    counts = {
        "created_at": AT,
        "request_tokens": 300_001,
        "cache_read_tokens": 100_007,
        "cache_write_tokens": 50_021,
        "response_tokens": 1_003,
        "reasoning_tokens": 501,
        "one_hour": 20_011,
    }
    rows = [counts | {"provider": provider, "model": model} for provider, model, _ in entries_of_the_table()]
    frame = calls(*(row | {"metadata": '{"streamed":true,"cache_write_1h_tokens":20011}'} for row in rows))
    assert len(rows) > 1_000
    assert price(frame, PRICES)["cost_computed_usd"].to_list() == [expected(row) for row in rows]


def test_only_the_cost_columns_change():
    frame = calls({"error": "x", "metadata": '{"a":1}'}, {"model": "no-such-model"})
    after = price(frame, PRICES)
    ours = ["cost_computed_usd", "cost_usd", "cost_source", "pricing_version", "known_model", "unpriced_units"]
    assert after.schema == frame.schema
    assert after.drop(ours).equals(frame.drop(ours))


def test_no_calls_are_priced_as_no_calls():
    frame = calls({}).clear()
    assert price(frame, PRICES).schema == frame.schema


def test_pricing_again_changes_nothing():
    frame = price(calls({}, {"model": "no-such-model"}, {"cost_reported_usd": Decimal("0.5")}), PRICES)
    assert price(frame, PRICES).equals(frame)


def test_a_reported_cost_wins_and_the_computed_one_stands_beside_it():
    row = priced(cost_reported_usd=Decimal("0.5"))
    assert (row["cost_usd"], row["cost_source"]) == (Decimal("0.5"), "reported")
    assert row["cost_computed_usd"] == Decimal("0.0035")


def test_an_unknown_model_has_no_cost_and_says_so():
    row = priced(model="gpt-4o-ultra")
    assert (row["cost_usd"], row["cost_source"], row["known_model"]) == (None, "unpriced", False)
    assert row["pricing_version"] == PRICES.version


def test_a_failed_call_without_tokens_is_not_unpriced():
    row = priced(request_tokens=None, response_tokens=None, success=False)
    assert (row["cost_usd"], row["cost_source"], row["known_model"]) == (None, None, True)


def test_a_prompt_without_an_answer_costs_its_prompt():
    assert priced(response_tokens=None)["cost_usd"] == Decimal("0.0025")


def test_an_answer_to_an_unknown_prompt_has_no_cost():
    row = priced(request_tokens=None)
    assert (row["cost_usd"], row["cost_source"]) == (None, "unpriced")


def test_a_call_without_a_model_is_neither_known_nor_unknown():
    row = priced(model=None)
    assert (row["cost_source"], row["known_model"], row["pricing_version"]) == ("unpriced", None, None)


@pytest.mark.parametrize(
    "counts",
    [
        {"cache_read_tokens": 900, "cache_write_tokens": 101},
        {"request_tokens": -1},
        {"request_tokens": 2**62},
        {"cache_write_tokens": 5, "metadata": '{"cache_write_1h_tokens":6}'},
    ],
)
def test_counts_that_contradict_each_other_have_no_cost(counts):
    row = priced(**counts)
    assert (row["cost_usd"], row["cost_source"], row["known_model"]) == (None, "unpriced", True)


def test_a_hit_in_a_proxy_cache_costs_nothing_but_what_was_reported():
    assert priced(metadata='{"cache_hit":true}')["cost_usd"] == 0
    assert priced(metadata='{"cache_hit": false}')["cost_usd"] == Decimal("0.0035")
    assert priced(metadata='{"cache_hit":true}', cost_reported_usd=Decimal("0.1"))["cost_usd"] == Decimal("0.1")


def test_one_hour_writes_cost_twice_the_input_and_the_others_a_quarter_more():
    claude = {"provider": "anthropic", "model": "claude-sonnet-4-5", "response_tokens": 0, "cache_write_tokens": 1_000}
    assert priced(**claude)["cost_usd"] == Decimal("0.00375")
    assert priced(**claude, metadata='{"é":"ü","cache_write_1h_tokens":1000,"z":"é"}')["cost_usd"] == Decimal("0.006")


@pytest.mark.parametrize(
    ("provider", "model", "found"),
    [
        ("anthropic", "claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("anthropic", "Claude-Sonnet-4-5-Latest", "claude-sonnet-4-5"),
        ("openai", "gpt-5.2-20251211", "gpt-5.2"),
        ("azure_openai", "gpt-4.1", "gpt-4.1"),
        ("vertex_ai", "claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("google", "models/gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
        ("bedrock", "us.anthropic.claude-opus-4-7-v1:0", "regional.anthropic.claude-opus-4-7-v1:0"),
        ("openai", "openai/gpt-4o", "gpt-4o"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::x1", "ft:gpt-4o-mini"),
        (None, "gpt-4o", "gpt-4o"),
        ("litellm", "anthropic/claude-opus-4-1", "claude-opus-4-1"),
        (None, "us.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("anthropic", "eu.anthropic.claude-opus-4-7-v1:0", "regional.anthropic.claude-opus-4-7-v1:0"),
        ("meta", "bedrock/meta.llama3-3-70b-instruct-v1:0", "meta.llama3-3-70b-instruct-v1:0"),
        ("anthropic", "claude-sonnet-4-5[1m]", "claude-sonnet-4-5"),
        ("voyage", "voyage-3", "voyage-3"),
    ],
)
def test_names_with_a_release_or_a_path_lead_to_their_model(provider, model, found):
    entry = PRICES.entry(provider, model)
    assert entry is not None
    assert entry.model == found


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("google", "gemini-1.5-flash-8b"),  # the library prices it as gemini-1.5-flash, which costs twice as much
        ("google", "gemini-3.6-flash-lite"),
        ("anthropic", "claude-opus-4-10"),
        ("anthropic", "claude-4-opus-fast"),
        ("openai", "gpt-5-nano-custom"),
        ("openai", "gpt-4.1-turbo"),
        ("ollama", "gpt-oss-20b"),
        ("openai-compatible", "gpt-4o"),
        ("my-gateway", "anthropic.claude-opus-4-7-v1:0"),
        ("openai", "whisper-1"),  # priced by the hour: zero tokens' worth would be a lie
        ("anthropic", ""),
        (None, "llama3:8b"),
    ],
)
def test_names_that_only_resemble_a_model_are_not_priced(provider, model):
    assert PRICES.entry(provider, model) is None


@pytest.mark.parametrize(
    ("provider", "model", "seller"),
    [
        ("openai.responses", "gpt-4o", "openai"),
        ("azure-openai.chat", "gpt-4.1-mini", "azure"),
        ("google.generative-ai", "gemini-2.5-flash", "google"),
        ("xai.chat", "grok-4", "xai"),
        ("gateway", "anthropic/claude-sonnet-4", "anthropic"),
        ("spring_ai", "gpt-4o", "openai"),
        ("LangChain", "claude-sonnet-4-5", "anthropic"),
        ("somebody-else", "deepseek-chat", "deepseek"),
    ],
)
def test_a_provider_that_no_table_knows_is_the_one_before_its_dot_else_the_models_maker(provider, model, seller):
    found = PRICES.entry(provider, model)
    assert found is not None
    assert found.periods == PRICES.entry(seller, model.rpartition("/")[2]).periods


@pytest.mark.parametrize("provider", ["vllm", "ollama", "lm_studio", "openai-compatible", "llama.cpp", "localhost"])
@pytest.mark.parametrize("model", ["gpt-oss-120b", "deepseek-chat", "gpt-4o"])
def test_what_people_run_themselves_has_no_price_of_its_maker(provider, model):
    assert PRICES.entry(provider, model) is None


def test_an_own_price_counts_for_whom_an_unknown_provider_stands_for():
    period = Period(None, None, (Tier(0, rate("1")),))
    own = Prices("own", (Override("openai", "gpt-4o", period, "f"),))
    assert own.entry("openai.chat", "gpt-4o").periods == (period,)
    assert own.entry("vllm", "gpt-4o") is None


def test_no_provider_and_two_prices_is_no_price():
    cheap, dear = Period(None, None, (Tier(0, rate("1")),)), Period(None, None, (Tier(0, rate("2")),))
    own = Prices("own", (Override("a", "m", cheap, "f"), Override("b", "m", dear, "f")))
    assert own.entry(None, "m") is None
    assert own.entry("a", "m").periods == (cheap,)


def test_an_own_price_at_bedrock_counts_for_what_only_bedrock_calls_so():
    period, name = Period(None, None, (Tier(0, rate("1")),)), "us.anthropic.claude-opus-4-7-v1:0"
    own = Prices("own", (Override("bedrock", name, period, "f"), Override("bedrock", "gpt-4o", period, "f")))
    assert own.entry("anthropic", name).periods == (period,)
    assert own.entry("openai", "gpt-4o").periods != (period,)
    assert own.entry("my-gateway", name) is None


def rate(usd):
    return rates({"input": Decimal(usd), "output": Decimal(usd)})


def test_costs_round_half_to_even_at_the_tenth_decimal():
    half = Prices("own", (Override(None, "m", Period(None, None, (Tier(0, rate("0.00005")),)), "f"),))
    frame = calls(*({"model": "m", "request_tokens": n, "response_tokens": 0} for n in (1, 2, 3, 5, 7)))
    found = price(frame, half)["cost_computed_usd"].to_list()
    assert found == [Decimal(n) / 10**10 for n in (0, 1, 2, 2, 4)]


def test_a_cost_that_does_not_fit_its_column_is_unknown():
    dear = Prices("own", (Override(None, "m", Period(None, None, (Tier(0, rate("1000000")),)), "f"),))
    frame = calls({"model": "m", "request_tokens": 10**9})
    assert price(frame, dear).select("cost_usd", "cost_source").row(0) == (None, "unpriced")


def test_changes_are_summed_by_model_and_leave_reported_costs_alone():
    before = price(calls({}, {}, {"model": "gpt-4.1"}, {"cost_reported_usd": Decimal(1)}), PRICES)
    own = Prices("own", (Override(None, "gpt-4o", Period(None, None, (Tier(0, rate("1")),)), "f"),))
    after = price(before, own)
    assert after["cost_reported_usd"].equals(before["cost_reported_usd"])
    assert after["cost_usd"].to_list()[3] == 1
    assert changes(before, after).rows() == [
        ("openai", "gpt-4o", 3, Decimal("0.0105"), Decimal("0.0033"), Decimal("-0.0072")),
    ]
    assert changes(before, before).is_empty()


def test_repricing_stamps_only_the_calls_whose_cost_changes():
    before = price(calls({}, {"model": "gpt-4.1"}, {"model": "new"}, {"cost_reported_usd": Decimal(1)}), PRICES)
    period = Period(None, None, (Tier(0, rate("1")),))
    own = Prices("own", (Override(None, "gpt-4o", period, "f"), Override(None, "new", period, "f")))
    after = reprice(before, own)
    assert after["pricing_version"].to_list() == ["own", PRICES.version, "own", "own"]
    assert after["cost_source"].to_list() == ["computed", "computed", "computed", "reported"]
    assert after["cost_usd"].to_list()[3] == 1
    assert after.drop(
        "cost_computed_usd", "cost_usd", "cost_source", "pricing_version", "known_model", "unpriced_units"
    ).equals(
        before.drop("cost_computed_usd", "cost_usd", "cost_source", "pricing_version", "known_model", "unpriced_units")
    )
    assert reprice(after, own).equals(after)


def test_money_has_the_type_of_its_column():
    assert price(calls({}), PRICES).schema["cost_usd"] == USD


def test_the_price_table_is_imported_only_when_something_is_priced():
    script = "import sys, ingest.prices.price as p; p.load_prices(); print('genai_prices' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
