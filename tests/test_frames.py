"""Rows between DuckDB and Polars: every type comes through, errors keep DuckDB's words, nothing heavy is imported."""

import subprocess
import sys

import duckdb
import polars as pl
import pytest
from warehouses import build, call

from queries.connection.frames import create, frame

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


def test_a_report_imports_neither_pyarrow_nor_numpy(tmp_path):
    program = (
        "import sys, queries; answer = queries.run(queries.connect(sys.argv[1]), 'tpm');"
        " print({'pyarrow', 'numpy'} & set(sys.modules))"
    )
    warehouse = build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:00")])
    done = subprocess.run([sys.executable, "-c", program, str(warehouse)], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"
    assert not done.stderr  # as when DuckDB is still in use when the process ends


def test_money_is_decimal_or_float_as_one_chooses():
    relation = duckdb.connect().sql("select 1.5::decimal(18, 10) as cost_usd, 2::bigint as calls, 'x' as model")

    assert frame(relation).schema["cost_usd"] == pl.Decimal(18, 10)
    floats = frame(relation, money="float")
    assert floats.schema == {"cost_usd": pl.Float64, "calls": pl.Int64, "model": pl.String}
    assert frame(frame(relation), money="float").equals(floats)
