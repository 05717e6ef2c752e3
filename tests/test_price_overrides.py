from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ingest.errors import IngestError
from ingest.prices.entries import rates
from ingest.prices.own import load
from ingest.prices.price import load_prices

PLAIN = '[[price]]\nmodel = "m"\ninput = 1\noutput = 2\n'
BEFORE = datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
AFTER = datetime(2026, 1, 1, tzinfo=UTC)


def written(folder, text):
    path = folder / "prices.toml"
    path.write_text(text)
    return path


def usd(**prices):
    return rates({kind: Decimal(price) for kind, price in prices.items()})


def test_prices_per_thousand_are_a_thousand_times_those_per_million(tmp_path):
    thousand = load(written(tmp_path, PLAIN.replace("input = 1\n", 'per = "1K"\ninput = 0.001\n')))
    assert thousand[0].period.tiers[0].rates == usd(input="1", output="2000")


def test_what_has_no_price_of_its_own_costs_what_it_is_part_of(tmp_path):
    entry = load(written(tmp_path, PLAIN + "cache_write = 1.25\n"))[0]
    found = entry.period.tiers[0].rates
    assert found == usd(input="1", output="2", cache_read="1", cache_write="1.25", cache_write_1h="1.25", reasoning="2")


def test_an_own_price_replaces_the_table_and_only_for_its_provider(tmp_path):
    text = '[[price]]\nprovider = "azure"\nmodels = ["GPT-4o", "gpt-4.1"]\ninput = 1\noutput = 2\n'
    prices = load_prices(written(tmp_path, text))
    assert prices.entry("azure_openai", "gpt-4o").rates_at(AFTER, 0) == usd(input="1", output="2")
    assert prices.entry("azure", "gpt-4.1").rates_at(AFTER, 0) == usd(input="1", output="2")
    assert prices.entry("openai", "gpt-4o") == load_prices().entry("openai", "gpt-4o")


def test_an_own_price_counts_from_its_start_and_the_table_before(tmp_path):
    text = '[[price]]\nmodel = "gpt-4o"\nstart = 2026-01-01\ninput = 1\noutput = 2\n'
    entry = load_prices(written(tmp_path, text)).entry("openai", "gpt-4o")
    assert entry.rates_at(BEFORE, 0) == load_prices().entry("openai", "gpt-4o").rates_at(BEFORE, 0)
    assert entry.rates_at(AFTER, 0) == usd(input="1", output="2")


def test_a_model_that_only_the_file_knows_has_no_price_before_its_start(tmp_path):
    text = '[[price]]\nmodel = "own"\nstart = "2026-01-01"\ninput = 1\noutput = 2\n'
    entry = load_prices(written(tmp_path, text)).entry(None, "own")
    assert entry.rates_at(BEFORE, 0) is None
    assert entry.period_at(AFTER).start == date(2026, 1, 1)


def test_an_own_price_for_a_provider_beats_one_for_any(tmp_path):
    prices = load_prices(
        written(tmp_path, PLAIN + PLAIN.replace("model", 'provider = "vllm"\nmodel').replace("2", "9"))
    )
    assert prices.entry("vllm", "m").rates_at(AFTER, 0).output == usd(input="1", output="9").output
    assert prices.entry("ollama", "m").rates_at(AFTER, 0).output == usd(input="1", output="2").output


def test_the_version_names_the_table_and_changes_with_the_file(tmp_path):
    one, other = load_prices(written(tmp_path, PLAIN)).version, load_prices(written(tmp_path, PLAIN + "\n")).version
    assert load_prices().version.startswith("genai-prices/")
    assert one.startswith(load_prices().version + "+")
    assert one != other


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (PLAIN + "inptu = 3\n", "line 5: unknown key 'inptu'"),
        (PLAIN + PLAIN.replace("2", '"x"'), "line 8: output must be a number of USD"),
        (PLAIN.replace("1", "-1"), "line 3: input = -1 is no price"),
        (PLAIN.replace("1", "nan"), "line 3: input = NaN is no price"),
        (PLAIN.replace("1", "true"), "line 3: input must be a number"),
        (PLAIN.replace("1", "2000000"), "line 3: input = 2000000 is no price"),
        (PLAIN.replace("1", "0.0000000000000000001"), "more than 18 decimals; round it"),
        (PLAIN.replace("output = 2\n", ""), "line 1: no output price; add output = …"),
        (PLAIN.replace('model = "m"\n', ""), "name the model once"),
        (PLAIN + 'models = ["m"]\n', "line 5: name the model once"),
        (PLAIN.replace('"m"', "[]"), "line 2: model must be a name"),
        (PLAIN.replace('model = "m"', "models = []"), "line 2: models must be a list of names"),
        (PLAIN + 'start = "soon"\n', "line 5: 'soon' is not a day"),
        (PLAIN + "start = 2026-01-01T10:00:00\n", "line 5: start must be a UTC day"),
        (PLAIN + 'per = "1G"\n', "line 5: per = '1G' is neither"),
        (PLAIN + 'provider = ""\n', "line 5: provider must be a name"),
        (PLAIN + PLAIN, "m has two prices without a start (prices.toml, line 1 and prices.toml, line 5): remove one"),
        ("[price]\nmodel = 1\n", "each price is a table [[price]]"),
        ("price = [1]\n", "line 1: a price is a table"),
        ("[[prices]]\n", "unexpected prices"),
        ("model = \n", "is not TOML: Invalid value (at line 1, column 9)"),
    ],
)
def test_an_error_names_the_line_and_the_remedy(tmp_path, text, problem):
    with pytest.raises(IngestError) as error:
        load(written(tmp_path, text))
    assert problem in str(error.value)
    assert str(tmp_path / "prices.toml") in str(error.value)


def test_a_file_that_is_missing_or_not_text_is_an_error_with_its_path(tmp_path):
    with pytest.raises(IngestError, match="can't be read: No such file"):
        load_prices(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(IngestError, match="not UTF-8 at byte 0"):
        load_prices(binary)


def test_an_empty_file_adds_nothing(tmp_path):
    assert load(written(tmp_path, "")) == ()
