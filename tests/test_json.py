"""The JSON of an answer: what `json` makes of each value, whatever its type."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.answers.answer_rows import Many
from queries.answers.reports import Answer
from queries.show import texts

MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 - zones come with the column
KINDS = {
    "whole": (pl.Int64, st.integers(-(2**63), 2**63 - 1)),
    "huge": (pl.Int128, st.integers(-(2**100), 2**100)),
    "real": (pl.Float64, st.floats(allow_nan=False, allow_infinity=False)),
    "money": (pl.Decimal(38, 10), st.decimals(-(10**20), 10**20, places=10)),
    "sum": (pl.Decimal(38, 0), st.decimals(-(10**30), 10**30, places=0)),
    "yes": (pl.Boolean, st.booleans()),
    'text, "quoted" and 100%': (pl.String, st.text(max_size=8)),
    "utc": (pl.Datetime("us", "UTC"), MOMENTS.map(lambda moment: moment.replace(tzinfo=UTC))),
    "plain": (pl.Datetime("us"), MOMENTS),
    "day": (pl.Date, st.dates(date(1900, 1, 1), date(2200, 1, 1))),
    "clock": (pl.Time, st.times()),
    "span": (pl.Duration("us"), st.timedeltas(timedelta(-1000), timedelta(1000))),
    "bytes": (pl.Binary, st.binary(max_size=4)),
    "several": (pl.List(pl.String), st.lists(st.text(max_size=3), max_size=3)),
    "record": (
        pl.Struct({"a": pl.Int64, "b": pl.String}),
        st.fixed_dictionaries({"a": st.integers(0, 9), "b": st.text(max_size=3)}),
    ),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, (_, values) in KINDS.items()}), max_size=5)


def plain(value):
    """Return what JSON has for *value*."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
    raise TypeError(value)


def envelope(frame):
    return texts.as_json(Answer("sql", "SQL", {}, Many(frame)))


@given(ROWS)
@settings(deadline=None)
def test_each_value_is_what_json_makes_of_it(rows):
    frame = pl.DataFrame(rows, schema={name: kind for name, (kind, _) in KINDS.items()})
    found = envelope(frame)

    assert json.loads(found)["rows"] == json.loads(json.dumps(frame.to_dicts(), default=plain))
    lines = found.splitlines()[1:-1]
    assert [json.loads(line.removesuffix(",")) for line in lines] == json.loads(found)["rows"]


def test_json_has_offsets_in_times_plain_numbers_for_money_and_no_control_characters():
    moment = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "at": [moment, moment.replace(microsecond=5000), None],
            "cost_usd": pl.Series([Decimal("0.470949"), Decimal(-3), None], dtype=pl.Decimal(38, 10)),
            "share": [1e16, 0.1, None],
            "name": ["é\u2028\x1b", "\x7f", None],
        }
    ).with_columns(pl.col("at").dt.convert_time_zone("America/New_York"))
    assert envelope(frame).splitlines()[1:-1] == [
        r'  {"at": "2026-10-24T21:30:00-04:00", "cost_usd": 0.470949, "share": 1e+16, "name": "é\u2028\u001b"},',
        r'  {"at": "2026-10-24T21:30:00.005000-04:00", "cost_usd": -3, "share": 0.1, "name": "\u007f"},',
        r'  {"at": null, "cost_usd": null, "share": null, "name": null}',
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_has_no_number_for_is_unknown(value):
    assert json.loads(envelope(pl.DataFrame({"score": [value]})))["rows"] == [{"score": None}]
