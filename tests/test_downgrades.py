"""What calls past the warning line would have cost a tier lower: by our tiers, and by a user's own in the warehouse."""

from decimal import Decimal

import pytest
from warehouses import build, call

import queries

OWN = """
as_of = 2026-10-01

[[tier]]
models = "claude-opus-"
to = "house-model"
input_usd = 1.0
output_usd = 2.0

[[tier]]
models = "tiny"
to = "tinier"
"""


@pytest.fixture
def warehouse(tmp_path):
    rows = [
        call("2026-02-03T10:00:00", 900, model="claude-opus-4-5", agent_id="a", source_offset=1),
        call(
            "2026-02-03T11:00:00",
            1_000,
            model="claude-opus-4-5",
            agent_id="a",
            request_tokens=800,
            cache_read_tokens=300,
            response_tokens=200,
            cost_usd=Decimal("0.05"),
            source_offset=2,
        ),
        call("2026-02-03T10:00:00", 2_000, model="tiny-local", agent_id="b", source_offset=3),
        call("2026-02-03T11:00:00", 2_000, model="tiny-local", agent_id="b", source_offset=4),
    ]
    return build(tmp_path / "w", llm_calls=rows)


def budget(warehouse):
    with queries.connect(warehouse, tz="UTC") as connection:
        frame = queries.run(connection, "budget", by="agent", limit=1_000).frame
    return {row["key"]: (row["downgrade_to"], row["downgrade_saving_usd"]) for row in frame.to_dicts()}


def test_a_family_has_the_tier_below_it_that_we_know(warehouse):
    saving = 0.05 - (500 * 3.00 + 300 * 0.30 + 200 * 15.00) / 1e6
    assert budget(warehouse) == {"a": ("claude-sonnet-4-5", pytest.approx(saving)), "b": (None, None)}


def test_a_tier_of_the_users_own_counts_before_ours_and_may_have_no_price(warehouse):
    (warehouse / "downgrades.toml").write_text(OWN)
    saving = 0.05 - (500 * 1.0 + 300 * 1.0 + 200 * 2.0) / 1e6
    assert budget(warehouse) == {"a": ("house-model", pytest.approx(saving)), "b": ("tinier", None)}


@pytest.mark.parametrize(
    "text",
    [
        "[[tier]]\nto = 'x'",
        "[[tier]]\nmodels = 'x'\nprice = 1",
        "[[tier]]\nmodels = 'x'\nto = 3",
        "[[tier]]\nmodels = 'x'\ninput_usd = 'cheap'",
        "[tier]\nmodels = 'x'",
        "tier = [1]",
        "as_of = 'yesterday'",
        "[[tier",
    ],
)
def test_a_ladder_that_cannot_be_read_says_which_file_and_what_it_takes(warehouse, text):
    (warehouse / "downgrades.toml").write_text(text)
    with pytest.raises(queries.QueryError, match=r"downgrades\.toml: "):
        budget(warehouse)
