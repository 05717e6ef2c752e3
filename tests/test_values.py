"""Logged text and numbers become typed columns the same way whichever of the ways of reading them is quicker."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.blocks.format import apart
from parsers.jsonl.unknown_fields import joined
from parsers.rows.typed_tables import typed
from parsers.schema import UTC as UTC_TIME
from parsers.values.lenient import dollars, time
from parsers.values.typed import metadata, usd, utc, zoned

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


@pytest.mark.parametrize("offset", ["Z", "UTC", " UTC", "+00", "+0000", "+00:00", ""])
@pytest.mark.parametrize("fraction", ["", ".5", ".500000", ".50000001", ".000001"])
def test_a_time_in_utc_is_the_same_however_that_is_written(fraction, offset):
    at = datetime(2026, 5, 1, 12, tzinfo=UTC) + timedelta(microseconds=int(fraction[1:7].ljust(6, "0")))
    texts = pl.DataFrame({"text": [f"2026-05-01{between}12:00:00{fraction}{offset}" for between in "T "]})
    assert texts.select(utc(pl.col("text"))).to_series().to_list() == [at, at]


def test_numbers_among_times_say_their_unit_by_their_size():
    known = ["1777636800", "1777636800000", "1777636800000000", "1777636800000000000", "1777636800.0", "1.7776368e9"]
    unknown = ["17", "-1777636800", "1777636800 s", "inf", "1" * 30]
    texts = pl.DataFrame({"text": [*known, "2026-05-01 12:00:00 UTC", *unknown]})
    expected = [datetime(2026, 5, 1, 12, tzinfo=UTC)] * (len(known) + 1) + [None] * len(unknown)
    assert texts.select(time(pl.col("text"))).to_series().to_list() == expected
    assert typed(texts, {"text": UTC_TIME})[0]["text"].to_list() == [at for at in expected if at]


def test_counts_of_a_table_are_whole_and_not_negative():
    rows = pl.DataFrame({"n": ["812", "812.0", " 3 ", "nan", "", None, "-1", "1.5", "9223372036854775808"]})
    values, rejects = typed(rows, {"n": pl.Int64})
    assert values["n"].to_list() == [812, 812, 3, None, None, None]
    assert len(rejects) == 3


def test_metadata_is_json_whatever_its_types_and_whichever_of_two_objects_is_there():
    rows = pl.DataFrame({"a": [1, None, -7], "b": [True, False, None], "c": ["x", 'y"z', None]})
    own = metadata({name: pl.col(name) for name in rows.columns})
    made = rows.select(joined(own, pl.Series([None, '{"d":1}', None], dtype=pl.String))).to_series()
    assert made.to_list() == ['{"a":1,"b":true,"c":"x"}', '{"b":false,"c":"y\\"z","d":1}', '{"a":-7}']


@pytest.mark.parametrize("pattern", [r'"(?:in|out)put"\s*:', r'"[pP]romptTokens"', r'"a"|"b"'])
def test_words_apart_are_found_where_they_are_and_nowhere_else(pattern):
    words = ['{"input": 1}', '{"output":1}', '{"promptTokens"', '{"xinput":1}', '"b', '"a"']
    lines = pl.Series([*words, "", "\0\1\2", "a\0\1\2\n\0\1\2"])
    assert lines.str.contains(apart(pattern)).to_list() == lines.str.contains(pattern).to_list()


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.0123", 0.0123),
        ("$0.0123", 0.0123),
        ("-$1.5", None),
        ("$1,234.50", 1_234.5),
        ("1,234", 1_234),
        ("1,234,567", 1_234_567),
        ("0,0123", 0.0123),
        ("1234,5", 1_234.5),
        ("1.234,56", 1_234.56),
        ("0.0123 USD", 0.0123),
        ("USD 2", 2),
        ("US$ 0,5", 0.5),
        ("3 $", 3),
        (" 1e-05 ", 1e-05),
        ("12 €", None),
        ("1,23,4", None),
        ("n/a", None),
    ],
)
def test_an_amount_of_dollars_is_read_as_people_write_it(text, amount):
    assert pl.Series([text]).to_frame("text").select(dollars(pl.col("text"))).item() == amount
