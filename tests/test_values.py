"""Logged text and numbers become typed columns the same way whichever of the ways of reading them is quicker."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.values.typed import usd, utc, zoned

FORMAT = "%Y-%m-%dT%H:%M:%S%.f%#z"
times = st.builds(
    "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}{}{}".format,
    st.integers(1, 2200),
    st.integers(0, 13),
    st.integers(0, 32),
    st.sampled_from("TTTT "),
    st.integers(0, 24),
    st.integers(0, 60),
    st.integers(0, 61),
    st.one_of(st.just(""), st.from_regex(r"\.[0-9]{0,11}", fullmatch=True)),
    st.sampled_from(["Z", "+00:00", "-00:00", "+0000", "+02:00", "z", " Z", ""]),
)


@settings(deadline=None)
@given(st.lists(st.one_of(times, st.text(max_size=30)), max_size=40))
def test_times_are_read_piece_by_piece_as_they_are_by_one_format(texts):
    column = pl.Series("text", texts, dtype=pl.String)
    whole = column.str.to_datetime(FORMAT, strict=False, time_unit="us", time_zone="UTC")
    assert zoned(column).to_list() == whole.to_list()


@pytest.mark.parametrize("digits", range(10))
@pytest.mark.parametrize("zone", ["Z", "+00:00", "+02:00", ""])
def test_a_time_is_cut_to_microseconds_whatever_its_digits_and_zone(digits, zone):
    fraction = "987654321"[:digits]
    text = f"2026-02-03T14:29:24{'.' * bool(fraction)}{fraction}{zone}"
    moment = datetime(2026, 2, 3, 14, 29, 24, int(fraction[:6].ljust(6, "0")), UTC)
    assert pl.Series([text]).to_frame("x").select(utc(pl.col("x"))).item() == moment - timedelta(
        hours=2 * (zone == "+02:00")
    )


@pytest.mark.parametrize("amount", [1e8, -1e8, 100_000_001.0, 1e27, 2e28, 1e300, float("inf"), float("nan")])
def test_an_amount_beyond_what_money_holds_is_unknown_and_harms_no_other(amount):
    for column in (pl.Series("x", [0.25, amount]), pl.Series("x", ["0.25", repr(amount)])):
        assert column.to_frame().select(usd(pl.col("x"))).to_series().to_list() == [Decimal("0.25"), None]
