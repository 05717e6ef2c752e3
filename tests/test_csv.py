"""CSV files: quoted fields may hold anything, and what is torn or stray takes no other row with it."""

import csv
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.blocks.csv_rows import LONGEST, cells
from parsers.blocks.lines import Block
from parsers.catalogue import FORMATS
from parsers.claims.parse import parse

HEADER = (
    "id,pipeline_step_id,account_id,provider,model,role,input_tokens,output_tokens,total_tokens,cost_usd,duration_ms,"
    "created_at\n"
)
ROW = "{n},,7,openai,gpt-5,{role},{n},2,3,0.1,5,2026-05-01 12:00:00+00\n"


def read(text, **options):
    return parse(Block((HEADER + text).encode(), **{"sealed": True, **options}), FORMATS)


def numbers(rows):
    return rows.calls["request_id"].to_list()


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from('a ,;\n"x'), max_size=8), min_size=1, max_size=6), st.integers(0, 400))
def test_rows_are_those_that_were_written_however_the_file_is_cut(roles, cut):
    quoted = ['"' + role.replace('"', '""') + '"' for role in roles]
    data = (HEADER + "".join(ROW.format(n=i, role=role) for i, role in enumerate(quoted))).encode()
    at = data.rfind(b"\n", 0, cut) + 1

    whole = parse(Block(data, sealed=True), FORMATS)
    first = parse(Block(data[:at]), FORMATS)
    rest = parse(Block(data[first.end :], first.end, sealed=True), FORMATS, first.contexts)

    assert whole.rejects.is_empty()
    assert numbers(whole) == [str(i) for i in range(len(roles))]
    assert [role or "" for role in whole.calls["role"]] == [role.strip() for role in roles]
    assert pl.concat([first.calls, rest.calls]).equals(whole.calls)
    assert all(data[offset:].startswith(f"{i},".encode()) for i, offset in enumerate(whole.calls["source_offset"]))


@pytest.mark.parametrize("stray", ['9,,7,openai,"gpt-5', '9,,7,openai,5" disk', '"', 'x,"y'])
def test_a_stray_quote_takes_no_other_row_with_it(stray):
    good = "".join(ROW.format(n=i, role="x") for i in range(2_000))

    rows = read(good + stray + "\n" + good)

    assert len(numbers(rows)) == 4_000
    assert rows.rejects["line"].to_list() == [stray]


def test_a_quoted_field_that_is_being_written_is_waited_for():
    torn = ROW.format(n=1, role='"two\nlines"')
    rows = read(torn[: torn.index("lines")], sealed=False)

    assert numbers(rows) == []
    assert rows.rejects.is_empty()
    assert rows.end == len(HEADER)


def test_a_field_that_is_open_for_too_long_is_none():
    rows = read('9,"' + "\n" + ROW.format(n=1, role="x") * (LONGEST // 40), sealed=False)

    assert rows.rejects["line"].to_list() == ['9,"']
    assert set(numbers(rows)) == {"1"}


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from('a,"'), max_size=9).filter(lambda t: t.strip()), min_size=1, max_size=5))
def test_cells_are_those_of_a_csv_reader(rows):
    def told(row):
        try:
            return next(csv.reader([row], strict=True))
        except csv.Error:
            return None

    found = [cells and [cell or "" for cell in cells] for cells in cells(pl.Series(rows), ",", 2).to_list()]
    assert found == [told(row) for row in rows]


def test_rows_below_a_header_whose_quotes_don_t_close_are_rejected():
    header = 'pipeline_step_id,input_tokens,duration_ms,created_at,"\n'
    rows = parse(Block(f"{header}1,2,3,4,5\n1,2,3,4\n".encode(), sealed=True), FORMATS)

    assert rows.calls.is_empty()
    assert rows.rejects["reason"].to_list() == ["the quotes of the header don't close"] * 2


CALLS = "timestamp;model;prompt_tokens;completion_tokens;cost\n"


def csv_of(text, **options):
    return parse(Block(text.encode(), **{"sealed": True, **options}), FORMATS)


def test_a_header_that_changes_half_way_heads_what_follows():
    text = (
        CALLS
        + "2026-08-10T08:00:05Z;gpt-4o;900;40;0,06\n"
        + "model;total_tokens;created_at\n"
        + "gpt-5;77;2026-08-10T08:00:06Z\n"
    )

    rows = csv_of(text)

    assert rows.calls["total_tokens"].to_list() == [940, 77]
    assert rows.calls["model"].to_list() == ["gpt-4o", "gpt-5"]
    assert rows.rejects.is_empty()


def test_rows_below_a_header_that_nobody_knows_are_rejected_each():
    rows = csv_of(CALLS + "timestamp;prompt_tokens;cost;user_id;name\n2026-08-10T08:00:06Z;9;0;u;x\n" * 2)

    assert rows.calls.is_empty()
    assert rows.rejects["reason"].to_list() == ["the columns of the header don't make a call"] * 2


def test_a_comma_in_a_number_is_a_point_where_it_separates_no_cells():
    rows = csv_of(CALLS + "2026-08-10T08:00:05Z;gpt-4o;1,900;40;0,06\n")

    assert rows.calls["request_tokens"].to_list() == [1900]
    assert rows.calls["cost_reported_usd"].to_list() == [Decimal("0.06")]


@pytest.mark.parametrize(
    "header",
    [
        "date,model,dealer,cost",
        "model,input_tokens,output_tokens,requests_per_minute",
        "date,model,requests,prompt_tokens,completion_tokens,timestamp",
        "model: gpt-4o, prompt_tokens: 900, timestamp: 12",
        "timestamp",
    ],
)
def test_text_that_is_no_header_of_calls_is_left_alone(header):
    rows = csv_of(f"{header}\n2026-08-10,gpt-4o,1,2,3,4\n")

    assert (rows.claimed, rows.calls.height, rows.rejects.height) == (0, 0, 0)


def test_a_table_that_a_database_has_is_known_by_its_columns_in_a_file_too():
    header = "request_id,startTime,endTime,model,spend,prompt_tokens,completion_tokens"

    rows = csv_of(header + "\nr1,2026-08-10 08:00:00,2026-08-10 08:00:02,gpt-4o,0.01,900,40\n")

    assert rows.calls["format"].to_list() == ["litellm/spend"]


def test_a_column_with_prompts_stays_out():
    rows = csv_of("timestamp,model,total_tokens,prompt,messages\n2026-08-10T08:00:05Z,gpt-4o,9,secret,secret\n")

    assert rows.calls.height == 1
    assert "secret" not in str(rows.calls.rows())
