"""CSV files: quoted fields may hold anything, and what is torn or stray takes no other row with it."""

import csv
import json
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.blocks.csv_rows import LONGEST, columns
from parsers.blocks.lines import RECORDS, Block
from parsers.catalogue import FORMATS
from parsers.claims.parse import parse
from parsers.jsonl.fields import extract
from parsers.jsonl.table_cells import CELLS, as_lines, extract_cells
from parsers.jsonl.unknown_fields import LEFTOVERS

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

    for count in {2, *(len(row) for row in map(told, rows) if row and len(row) > 1)}:
        table, fits = columns(pl.Series(rows), ",", count)
        right = [row for row in map(told, rows) if row and len(row) == count]
        assert [[cell or "" for cell in row] for row in table.rows()] == right
        assert fits.to_list() == [told(row) in right for row in rows]


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


CELL = st.sampled_from(
    [
        None, "word", "12", "a b c", "O'Brien \"x\"", '{"a": 1', '{"a": "w", "b": {"c": 2}}', '{"prompt": "secret"}',
        '{"a":1},"model":{"x":2}', '["x", "y"]', "[1],[2]", '[{"a": 1}]', '{"a":1},{"b":2}', "{}", "true", "ünï",
    ]
)  # fmt: skip
COLUMNS = ("model", "prompt_tokens", "usage", "metadata", "extra", "note", "tags", "response")


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, CELL)), min_size=1, max_size=4))
def test_cells_mean_what_they_would_in_json_lines(rows):
    cells = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))
    places = {"model": ("model",), "top": ("prompt_tokens",), "in": ("usage", "a"), "b": ("usage", "b", "c")}
    numbers = pl.DataFrame({"source_offset": range(len(rows)), "source_end": range(len(rows))})
    lines = numbers.with_columns(line=as_lines(cells)).select(*RECORDS)

    expected, rejects = extract(lines, places)
    found = extract_cells(numbers.with_columns(pl.lit(cells.to_struct()).alias(CELLS), line=pl.lit("")), places)

    assert rejects.is_empty()
    for name in places:
        if name in found.columns:
            assert found[name].to_list() == expected[name].to_list()
        else:
            assert expected[name].is_null().all()
    assert list(map(told, found[LEFTOVERS])) == list(map(told, expected[LEFTOVERS]))


def told(leftovers):
    return json.loads(leftovers or "{}")


def test_a_cell_that_looks_like_more_fields_stays_one_cell():
    forged = '{""a"":1},""prompt_tokens"":7,""usage"":{""x"":2}'
    rows = csv_of(f'timestamp,model,total_tokens,note\n2026-08-10T08:00:05Z,gpt-4o,9,"{forged}"\n')

    assert rows.calls.select("total_tokens", "request_tokens", "metadata").rows() == [(9, None, None)]
