"""What calls count beside text, sound, pictures, films and searches: charged as the price table says, else counted."""

import json
from decimal import ROUND_HALF_EVEN, Decimal

import polars as pl
import pytest
from click.testing import CliRunner
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from genai_prices.types import ModelPrice
from hypothesis import given, settings
from hypothesis import strategies as st
from warehouses import at

import queries
from ingest.cli import cli
from ingest.prices.entries import UNITS
from ingest.prices.price import load_prices, price, reprice
from ingest.prices.units import units
from parsers.schema import CALLS, conform

PRICES = load_prices()
AT = at("2026-09-10T10:00:00")
PRICED = sorted(
    (provider.id, model.id)
    for provider in providers
    if provider.id in {"openai", "google"}
    for model in provider.models
    if isinstance(model.prices, ModelPrice)
    and model.prices.input_mtok is not None
    and any(
        getattr(model.prices, f"{kind}_mtok") for kind in ("input_audio", "output_audio", "input_image", "output_image")
    )
)


def priced(metadata, **columns):
    row = {"created_at": AT, "provider": "openai", "model": "gpt-audio", "metadata": json.dumps(metadata)} | columns
    frame = conform(pl.DataFrame([row]), CALLS)
    found = price(frame, PRICES)
    assert reprice(found, PRICES).equals(found)
    return found.row(0, named=True)


@st.composite
def calls(draw):
    """Return a model, and counts of a call of which each part fits into what it is a part of."""
    provider, model = draw(st.sampled_from(PRICED))
    audio, image, text = (draw(st.integers(0, 5_000)) for _ in range(3))
    cached_audio, cached_image, cached_text = (draw(st.integers(0, whole)) for whole in (audio, image, text))
    spoken, written = draw(st.integers(0, 3_000)), draw(st.integers(0, 3_000))
    return {
        "provider": provider,
        "model": model,
        "input": audio + image + text,
        "cache_read": cached_audio + cached_image + cached_text,
        "input_audio": audio,
        "cache_audio": cached_audio,
        "input_image": image,
        "cache_image": cached_image,
        "output": spoken + written,
        "output_audio": spoken,
    }


def expected(call):
    usage = Usage(
        input_tokens=call["input"],
        cache_read_tokens=call["cache_read"],
        input_audio_tokens=call["input_audio"],
        cache_audio_read_tokens=call["cache_audio"],
        input_image_tokens=call["input_image"],
        cache_image_read_tokens=call["cache_image"],
        output_tokens=call["output"],
        output_audio_tokens=call["output_audio"],
    )
    found = calc_price(usage, call["model"], provider_id=call["provider"], genai_request_timestamp=AT)
    return found.total_price.quantize(Decimal("1e-10"), ROUND_HALF_EVEN)


def as_openai(call):
    return {
        "usage.prompt_tokens_details.audio_tokens": call["input_audio"],
        "usage.prompt_tokens_details.image_tokens": call["input_image"],
        "usage.input_token_details": {
            "cached_tokens_details": {"audio_tokens": call["cache_audio"], "image_tokens": call["cache_image"]}
        },
        "usage.completion_tokens_details": {"text_tokens": 1, "audio_tokens": call["output_audio"]},
    }


def as_gemini(call):
    def by_modality(**counts):
        return [{"modality": name.upper(), "tokenCount": count} for name, count in counts.items()]

    return {
        "usageMetadata.promptTokensDetails": by_modality(text=1, audio=call["input_audio"], image=call["input_image"]),
        "usageMetadata.cacheTokensDetails": by_modality(audio=call["cache_audio"], image=call["cache_image"]),
        "usageMetadata.candidatesTokensDetails": by_modality(audio=call["output_audio"], text=1),
    }


@settings(max_examples=200, deadline=None)
@given(calls(), st.sampled_from([as_openai, as_gemini]))
def test_sound_and_pictures_cost_what_genai_prices_says(call, written):
    found = priced(
        written(call),
        provider=call["provider"],
        model=call["model"],
        request_tokens=call["input"],
        cache_read_tokens=call["cache_read"],
        response_tokens=call["output"],
    )
    assert found["cost_computed_usd"] == expected(call)


def test_every_unit_of_the_rules_may_have_a_price():
    assert {unit.name for unit in units()} == set(UNITS)


def test_more_sound_than_the_prompt_holds_is_no_more_than_the_prompt():
    whole = priced({"input_audio_tokens": 1_000}, request_tokens=1_000, response_tokens=0)
    beyond = priced({"input_audio_tokens": 10**15}, request_tokens=1_000, response_tokens=0)
    assert whole["cost_computed_usd"] == beyond["cost_computed_usd"] == Decimal("0.032")


def test_what_the_cache_must_have_held_is_charged_as_cached():
    told = {"prompt_tokens_details.audio_tokens": 800, "cached_tokens_details.audio_tokens": 700}
    counts = {"model": "gpt-realtime", "request_tokens": 1_000, "cache_read_tokens": 900, "response_tokens": 10}
    untold = {"prompt_tokens_details.audio_tokens": 800}
    assert priced(told, **counts)["cost_computed_usd"] == priced(untold, **counts)["cost_computed_usd"]


@pytest.mark.parametrize(
    ("model", "metadata", "unpriced"),
    [
        ("gpt-audio", {"input_audio_tokens": 5, "output_audio_tokens": 3}, None),
        ("gpt-5.2", {"input_audio_tokens": 5, "output_audio_tokens": 3}, 8),
        ("gpt-audio", {"web_search_requests": 2}, 2),
        ("gpt-5.2", {"web_search_requests": "2"}, None),
        ("no-such-model", {"usage.completion_tokens_details.image_tokens": 7}, 7),
        ("gpt-audio", {"audio_tokens": 7, "note": "web_search_requests"}, None),
        ("gpt-audio", {"input_audio_tokens": 0}, None),
    ],
)
def test_what_has_no_price_of_its_own_is_counted(model, metadata, unpriced):
    assert priced(metadata, model=model, request_tokens=100, response_tokens=10)["unpriced_units"] == unpriced


def test_a_factor_holds_for_sound_and_not_for_searches():
    counts = {"provider": "google", "model": "gemini-2.5-flash", "request_tokens": 1_000, "response_tokens": 0}
    audio, search = {"input_audio_tokens": 1_000}, {"web_search_requests": 1}
    cost = [
        priced(metadata, **counts)["cost_computed_usd"]
        for metadata in (audio, audio | {"service_tier": "batch"}, audio | search | {"service_tier": "batch"})
    ]
    assert cost == [Decimal("0.001"), Decimal("0.0005"), Decimal("0.0355")]


def test_own_prices_may_name_units(tmp_path):
    own = tmp_path / "prices.toml"
    own.write_text('[[price]]\nmodel = "ours"\nper = "1K"\ninput = 1\noutput = 2\ninput_audio = 3\nsearch = 40\n')
    frame = conform(
        pl.DataFrame(
            [
                {
                    "created_at": AT,
                    "model": "ours",
                    "request_tokens": 1_000,
                    "response_tokens": 0,
                    "metadata": '{"input_audio_tokens":500,"web_search_requests":1}',
                }
            ]
        ),
        CALLS,
    )
    assert price(frame, load_prices(own))["cost_computed_usd"].item() == Decimal("2.04")


USAGE = {
    "prompt_tokens": 1_000,
    "completion_tokens": 500,
    "total_tokens": 1_500,
    "prompt_tokens_details": {"audio_tokens": 800},
    "completion_tokens_details": {"audio_tokens": 400},
}
MODALITIES = [{"modality": "TEXT", "token_count": 200}, {"modality": "AUDIO", "token_count": 800}]
SPAN = {
    "llm.model_name": {"stringValue": "gpt-audio"},
    "llm.provider": {"stringValue": "openai"},
    "llm.token_count.prompt": {"intValue": "1000"},
    "llm.token_count.completion": {"intValue": "500"},
    "llm.token_count.prompt_details.audio": {"intValue": "800"},
    "llm.token_count.completion_details.audio": {"intValue": "400"},
}
AUDIO = Decimal("0.0527")  # 200 and 800 tokens in at 2.50 and 32 USD a million, 100 and 400 out at 10 and 64


@pytest.mark.parametrize(
    ("record", "cost"),
    [
        ({"ts": "2026-09-10T10:00:00Z", "model": "gpt-audio", "usage": USAGE}, AUDIO),
        (
            {
                "id": "chatcmpl-0123456789abcdef",
                "object": "chat.completion",
                "created": 1789000000,
                "model": "gpt-audio",
            }
            | {"choices": [], "usage": USAGE},
            AUDIO,
        ),
        (
            {
                "request_id": "r1",
                "call_type": "acompletion",
                "startTime": "2026-09-10T10:00:00Z",
                "endTime": "2026-09-10T10:00:01Z",
                "model": "gpt-audio",
                "custom_llm_provider": "openai",
                "prompt_tokens": 1_000,
                "completion_tokens": 500,
                "total_tokens": 1_500,
                "api_key": "h",
                "status": "success",
                "metadata": {"usage_object": USAGE},
            },
            AUDIO,
        ),
        (
            {
                "ts": "2026-09-10T10:00:00Z",
                "model": "gemini-2.5-flash",
                "provider": "google",
                "usage_metadata": {
                    "prompt_token_count": 1_000,
                    "candidates_token_count": 500,
                    "total_token_count": 1_500,
                    "prompt_tokens_details": MODALITIES,
                },
            },
            Decimal("0.00211"),
        ),
        (
            {
                "resourceSpans": [
                    {
                        "scopeSpans": [
                            {
                                "spans": [
                                    {
                                        "traceId": "a" * 32,
                                        "spanId": "b" * 16,
                                        "startTimeUnixNano": "1789000000000000000",
                                        "endTimeUnixNano": "1789000001000000000",
                                        "attributes": [{"key": key, "value": value} for key, value in SPAN.items()],
                                    }
                                ]
                            }
                        ]
                    }
                ]
            },
            AUDIO,
        ),
    ],
    ids=["application", "response", "litellm", "gemini", "span"],
)
def test_sound_is_charged_whatever_wrote_it_down(tmp_path, record, cost):
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n")
    done = CliRunner().invoke(cli, ["backfill", str(tmp_path / "a.jsonl"), "-w", str(tmp_path / "w")])
    assert done.exit_code == 0, done.output

    with queries.connect(tmp_path / "w", tz="UTC") as connection:
        assert connection.sql("select cost_usd, unpriced_units from llm_calls").fetchall() == [(cost, None)]


def test_coverage_counts_units_without_a_price_and_lines_that_nobody_read(tmp_path):
    unread = {"kind": "done", "served_model": "gpt-5", "n_tokens": 940}
    calls = {"ts": "2026-09-10T10:00:00Z", "model": "gpt-5.2", "usage": USAGE}
    log = tmp_path / "a.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in (calls, unread, unread)))
    done = CliRunner().invoke(cli, ["backfill", str(log), "-w", str(tmp_path / "w")])
    assert "2 lines" in done.output

    with queries.connect(tmp_path / "w", tz="UTC", serving="coverage") as connection:
        found = queries.run(connection, "coverage").frame.select("format", "rows", "unpriced_units", "unread_lines")
        assert found.rows() == [("app-json", 1, 1_200, 0), (None, 0, 0, 2)]
