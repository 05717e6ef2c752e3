"""Rows between DuckDB and Polars: every type comes through, errors keep DuckDB's words, nothing heavy is imported."""

import shlex
import subprocess
import sys
from dataclasses import replace

import duckdb
import polars as pl
import pytest
from warehouses import build, call

from queries.answers.answer_rows import Many, fetched
from queries.answers.reports import Answer
from queries.connection.frames import create, frame
from queries.show import texts

EVERY_TYPE = """
    select 1::bigint as a, 'x' as b, 1.5::decimal(18, 6) as c, make_timestamptz(0) as d, {'a': 1} as e, [1, 2] as f,
        date '2020-01-01' as g, 3::hugeint as h, null as i, true as j, 'u'::enum('u', 'v') as k, time '10:00' as l
"""


def test_rows_are_those_that_the_library_s_own_way_gives():
    relation = duckdb.connect().sql(EVERY_TYPE)

    assert frame(relation).equals(relation.pl())
    assert frame(relation).schema == relation.pl().schema
    assert frame(relation.filter("a > 1")).schema == relation.pl().schema


def test_intervals_are_text_at_any_depth():
    found = frame(duckdb.connect().sql("select interval 3 hour as span, 1 as n, {'a': interval 1 month} as within"))

    assert found.to_dicts() == [{"span": "03:00:00", "n": 1, "within": "{'a': 1 month}"}]


def test_columns_of_one_name_are_told_apart():
    found = frame(duckdb.connect().sql('select 1 as a, 2 as a, 3 as a_1, 4 as "say ""a""", 5 as "say ""a"""'))

    assert found.rows() == [(1, 2, 3, 4, 5)]
    assert found.columns == ["a", "a_2", "a_1", 'say "a"', 'say "a"_1']


def test_an_error_in_a_late_row_has_duckdb_s_words():
    late = "select if(range > 900000, 'x' || range, '1')::int from range(1000000)"
    with pytest.raises(duckdb.Error, match=r"^Conversion Error: Could not convert string 'x900001' to INT32"):
        frame(duckdb.connect().sql(late))


def test_a_table_made_of_a_frame_has_its_rows():
    connection = duckdb.connect()
    rows = pl.DataFrame({"a": [1, None], "b": ["x", "é" * 50], "c": [[1.5], []]})
    create(connection, "made", rows)
    create(connection, "empty", rows.clear())

    assert frame(connection.table("made")).equals(rows)
    assert frame(connection.table("empty")).schema == rows.schema


@pytest.mark.parametrize(
    "asked",
    [
        "report tpm",
        "report tpm --format table",
        "report tpm --format md --since 2026-02-03 --model gpt-5.2",
        "report cost-by-day -p grain=hour",
        "report",
        "sql 'select model, sum(total_tokens) from llm_calls group by model'",
        "statusline --refresh",
    ],
)
def test_a_small_answer_imports_neither_polars_nor_what_it_needs(tmp_path, asked):
    program = (
        "import sys; from ingest.cli import cli; cli(sys.argv[1:], standalone_mode=False);"
        " print(sorted({'polars', 'pyarrow', 'numpy', 'deltalake'} & set(sys.modules)))"
    )
    warehouse = build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:00")])
    command = [sys.executable, "-c", program, *shlex.split(asked), "-w", str(warehouse)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
    assert not done.stderr  # as when DuckDB is still in use when the process ends


KINDS = """
    select
        i::bigint as whole, i::integer as small, if(i % 3 = 0, null, i * 1.5::decimal(18, 10)) as money,
        i::hugeint * 10_000_000_000 as huge, i / 7 as ratio, if(i % 2 = 0, null, 'é "' || i) as text,
        timestamptz '2026-02-03 10:00:00.25+00' + to_minutes(i) as at, timestamp '2026-02-03 10:00' as naive,
        date '2026-02-03' + i::integer as day, i % 2 = 0 as even, null as nothing,
    from range($rows) as numbers(i) order by i
"""


@pytest.mark.parametrize("rows", [0, 1, 4_999, 5_000, 12_345])
def test_few_rows_and_many_are_the_frame_that_duckdb_hands_to_polars(rows):
    connection = duckdb.connect()
    connection.execute("set timezone = 'Europe/Berlin'")
    expected = frame(connection.sql(KINDS, params={"rows": rows}))
    found = fetched(connection, KINDS, {"rows": rows})

    assert found.height == rows
    assert found.frame.equals(expected, null_equal=True)
    assert found.frame.schema == expected.schema
    assert [list(found.column(name)) for name in found.kinds] == [column.to_list() for column in expected]
    assert connection.execute("select 1").fetchall() == [(1,)]  # nothing is left to fetch


def test_the_json_of_few_rows_is_that_of_a_frame():
    connection = duckdb.connect()
    connection.execute("set timezone = 'Europe/Berlin'")
    few = Answer("sql", "SQL", {}, fetched(connection, KINDS, {"rows": 100}))
    framed = replace(few, rows=Many(few.frame))

    for text in (texts.as_json, texts.as_csv, texts.as_markdown):
        assert text(few) == text(framed)
    assert few.only(["day", "at"]).rows.frame.equals(framed.only(["day", "at"]).rows.frame)
    assert few.rows.head(7).frame.equals(framed.rows.head(7).frame)


@pytest.mark.parametrize(
    "sql", ["select 1 as a, 2 as a", "select [1] as a", "select interval 2 day as a", "show tables"]
)
def test_what_is_no_plain_value_comes_by_polars(sql):
    connection = duckdb.connect()

    assert fetched(connection, sql, None).frame.equals(frame(connection.sql(sql)))


def test_money_is_decimal_or_float_as_one_chooses():
    relation = duckdb.connect().sql("select 1.5::decimal(18, 10) as cost_usd, 2::bigint as calls, 'x' as model")

    assert frame(relation).schema["cost_usd"] == pl.Decimal(18, 10)
    floats = frame(relation, money="float")
    assert floats.schema == {"cost_usd": pl.Float64, "calls": pl.Int64, "model": pl.String}
    assert frame(frame(relation), money="float").equals(floats)
