"""Exports and the warehouse itself, as other tools open them: the same rows, and the right types."""

from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from warehouses import build, call

import queries
from ingest.cli import cli

WHEN = datetime(2026, 2, 3, 10, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    calls = [
        call(WHEN, 1_000, cost_reported_usd=Decimal("0.0000000001"), cost_usd=Decimal("0.0000000001")),
        call("2026-02-03T10:05:00", None, error="boom"),
    ]
    return build(tmp_path_factory.mktemp("w"), llm_calls=calls)


@pytest.fixture(scope="module", params=["calls", "filtered", "report"])
def file(request, warehouse, tmp_path_factory):
    path = tmp_path_factory.mktemp("exports") / "it.parquet"
    arguments = {
        "calls": ["export", path, "-w", warehouse],
        "filtered": ["export", path, "-w", warehouse, "--until", "2026-02-03T10:01", "--tz", "UTC"],
        "report": ["export", path, "-w", warehouse, "--report", "burst", "--tz", "Asia/Kolkata"],
    }[request.param]
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return path


def test_polars_opens_it(file):
    frame = pl.read_parquet(file)

    assert isinstance(frame.schema["created_at"], pl.Datetime)
    assert frame.schema["created_at"].time_zone
    assert frame.schema["total_tokens"] == pl.Int64
    assert isinstance(frame.schema["cost_usd"], pl.Decimal)
    assert (frame["created_at"][0], frame["total_tokens"][0]) == (WHEN, 1_000)
    assert frame["cost_usd"][0] == Decimal("0.0000000001")


def test_pandas_opens_it(file):
    frame = pd.read_parquet(file)

    assert isinstance(frame["created_at"].dtype, pd.DatetimeTZDtype)
    assert pd.api.types.is_numeric_dtype(frame["total_tokens"])
    assert frame["created_at"][0] == pd.Timestamp(WHEN)
    assert frame["cost_usd"][0] == Decimal("0.0000000001")


def test_duckdb_opens_it(file):
    found = duckdb.sql("from read_parquet($file)", params={"file": str(file)})
    types = dict(zip(found.columns, map(str, found.types), strict=True))

    assert types["created_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["total_tokens"] == "BIGINT"
    assert types["cost_usd"].startswith("DECIMAL")
    assert found.order("created_at").pl()["created_at"][0] == WHEN


def test_pyarrow_opens_it(file):
    table = pq.read_table(file)

    assert pa.types.is_timestamp(table.schema.field("created_at").type)
    assert table.schema.field("created_at").type.tz
    assert table.schema.field("total_tokens").type == pa.int64()
    assert pa.types.is_decimal(table.schema.field("cost_usd").type)
    assert table["cost_usd"][0].as_py() == Decimal("0.0000000001")


def test_polars_reads_the_warehouse_without_us(warehouse):
    frame = pl.scan_delta(str(warehouse / "llm_calls")).collect()

    assert frame.height == 2
    assert frame.schema["created_at"] == pl.Datetime("us", "UTC")
    assert frame["total_tokens"].sum() == 1_000


def test_a_view_is_a_frame_in_one_line(warehouse):
    frame = queries.connect(warehouse).sql("from tpm_peaks").pl()

    assert frame["peak_tpm"].to_list() == [1_000]
