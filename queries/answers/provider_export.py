"""A provider's usage or cost export → tokens and cost per UTC day and model: what the report `reconcile` compares with.

| export | buckets | tokens | cost |
| --- | --- | --- | --- |
| Anthropic usage report | `data[].starting_at`, `results[]` | uncached + cache read + cache creation, output | |
| Anthropic cost report | the same | | `amount`: cents, as text |
| OpenAI usage | `data[].start_time` (Unix), `results[]` | `input_tokens` (cached included), output | |
| OpenAI costs | the same | | `amount.value` in dollars |

A CSV, or a JSON list of flat objects, has any columns with a date, a model, and tokens or cost: see `provider_csv`.
"""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl

from queries.answers.provider_csv import Row, model_of, rows_of
from queries.answers.provider_csv import rows as rows_of_csv
from queries.connection.frames import create
from queries.errors import QueryError, WordError

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "day": pl.Date,
    "model": pl.String,
    "requests": pl.Int64,
    "request_tokens": pl.Int64,
    "response_tokens": pl.Int64,
    "cost_usd": pl.Decimal(18, 10),
}
_LARGEST = 256 << 20
"""Bytes of an export that are read: its rows are held in memory as Python objects."""

_SHAPES = "the usage or cost export of Anthropic or OpenAI (JSON), or a CSV with a date, a model, and tokens or cost"


@contextmanager
def comparing(connection: duckdb.DuckDBPyConnection, file: str | None) -> Iterator[None]:
    """Give *connection* the table `provider_export` while a report runs."""
    if file is None:
        raise WordError("reconcile needs -p file=…: " + _SHAPES)
    create(connection, "provider_export", read(Path(file)))
    try:
        yield
    finally:
        connection.execute("drop table provider_export")


def read(path: Path) -> pl.DataFrame:
    """Return the rows of an export."""
    try:
        text = _text(path)
        rows = _of_json(json.loads(text)) if text.lstrip()[:1] in {"{", "["} else rows_of_csv(text)
        found = pl.DataFrame(rows, schema=_SCHEMA)
    except OSError as error:
        raise QueryError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise QueryError(f"{path}: not {_SHAPES} ({error})") from error
    if len(rows) and found["model"].null_count() == found.height:
        raise QueryError(f"{path} names no model: export it by model (OpenAI's cost: by line item)")
    return found


def _text(path: Path) -> str:
    """Return the text of the file at *path*: no pipe, no device, and no more than fits easily."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise QueryError(f"{path} is not a file; save the export to one")
    if status.st_size > _LARGEST:
        raise QueryError(f"{path} is larger than {_LARGEST / 1e6:,.0f} MB: export a shorter time")
    with path.open("rb") as file:  # which may grow meanwhile
        return file.read(_LARGEST).decode("utf-8-sig")


def _of_json(content: Row | list[Row]) -> list[Row]:
    pages = content if isinstance(content, list) else [content]
    buckets = [bucket for page in pages for bucket in page.get("data", [page])]
    if buckets and not any(isinstance(value, list | dict) for value in buckets[0].values()):
        # Rows, as OpenRouter's activity has them: a table, whose columns are known by their words.
        texts = [{key: "" if value is None else str(value) for key, value in bucket.items()} for bucket in buckets]
        return rows_of(list(texts[0]), texts)
    return [_of_result(_day(bucket), result) for bucket in buckets for result in bucket["results"]]


def _day(bucket: Row) -> date:
    if "starting_at" in bucket:
        return datetime.fromisoformat(bucket["starting_at"]).astimezone(UTC).date()
    return datetime.fromtimestamp(bucket["start_time"], UTC).date()


def _of_result(day: date, result: Row) -> Row:
    known = result.get
    amount = known("amount")
    cost = (
        None if amount is None else Decimal(str(amount["value"])) if isinstance(amount, dict) else Decimal(amount) / 100
    )
    created = known("cache_creation") or {}
    written = sum(created.values()) if isinstance(created, dict) else created
    has_tokens = "output_tokens" in result
    asked = known("input_tokens", 0) + known("uncached_input_tokens", 0) + known("cache_read_input_tokens", 0) + written
    return {
        "day": day,
        "model": known("model") or model_of(known("line_item") or known("description")),
        "requests": known("num_model_requests"),
        "request_tokens": asked if has_tokens else None,
        "response_tokens": known("output_tokens"),
        "cost_usd": cost,
    }
