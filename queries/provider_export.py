"""A provider's usage or cost export → tokens and cost per UTC day and model: what the report `reconcile` compares with.

| export | buckets | tokens | cost |
| --- | --- | --- | --- |
| Anthropic usage report | `data[].starting_at`, `results[]` | uncached + cache read + cache creation, output | |
| Anthropic cost report | the same | | `amount`: cents, as text |
| OpenAI usage | `data[].start_time` (Unix), `results[]` | `input_tokens` (cached included), output | |
| OpenAI costs | the same | | `amount.value` in dollars |
| CSV | a row each: `date…`, `day…`, `time…` | `input…`/`prompt…`, `output…`/`completion…` | `cost…`, `amount…` |
"""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from queries.errors import QueryError
from queries.frames import create

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "day": pl.Date,
    "model": pl.String,
    "requests": pl.Int64,
    "request_tokens": pl.Int64,
    "response_tokens": pl.Int64,
    "cost_usd": pl.Decimal(18, 10),
}
_SHAPES = "the usage or cost export of Anthropic or OpenAI (JSON), or a CSV with a date, a model, and tokens or cost"

Row = dict[str, Any]  # JSON: whatever the provider wrote


@contextmanager
def comparing(connection: duckdb.DuckDBPyConnection, file: str | None) -> Iterator[None]:
    """Give *connection* the table `provider_export` while a report runs."""
    if file is None:
        raise QueryError("reconcile needs -p file=…: " + _SHAPES)
    create(connection, "provider_export", read(Path(file)))
    try:
        yield
    finally:
        connection.execute("drop table provider_export")


def read(path: Path) -> pl.DataFrame:
    """Return the rows of an export."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _of_json(json.loads(text)) if text.lstrip()[:1] in {"{", "["} else _of_csv(text)
        return pl.DataFrame(rows, schema=_SCHEMA)
    except OSError as error:
        raise QueryError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation, StopIteration) as error:
        raise QueryError(f"{path}: not {_SHAPES} ({error})") from error


def _of_json(content: Row | list[Row]) -> list[Row]:
    pages = content if isinstance(content, list) else [content]
    buckets = [bucket for page in pages for bucket in page.get("data", [page])]
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
        "model": known("model") or _model_of(known("line_item") or known("description")),
        "requests": known("num_model_requests"),
        "request_tokens": asked if has_tokens else None,
        "response_tokens": known("output_tokens"),
        "cost_usd": cost,
    }


def _model_of(line_item: str | None) -> str | None:
    """Return the model of a line such as `gpt-5.2, input`; other charges have none."""
    return line_item.split(",")[0].strip() if line_item and "," in line_item else None


def _of_csv(text: str) -> list[Row]:
    reader = csv.DictReader(text.splitlines())
    names = {name.strip().lower(): name for name in reader.fieldnames or []}

    def column(*prefixes: str) -> str | None:
        return next(
            (names[n] for n in names for prefix in prefixes if n.startswith(prefix) or n.endswith(f"_{prefix}")), None
        )

    day = column("date", "day", "start", "time", "usage_date")
    if day is None:
        raise ValueError("no column with a date")
    columns = {
        "model": column("model"),
        "requests": column("requests", "num_model_requests", "calls"),
        "request_tokens": column("input", "prompt", "request_tokens"),
        "response_tokens": column("output", "completion", "response_tokens"),
        "cost_usd": column("cost", "amount"),
    }
    return [
        {"day": date.fromisoformat(row[day][:10]), **{key: _value(key, row, name) for key, name in columns.items()}}
        for row in reader
    ]


def _value(key: str, row: dict[str, str], name: str | None) -> str | int | Decimal | None:
    text = (row[name] or "").strip() if name else ""
    if not text or key == "model":
        return text or None
    plain = text.replace(",", "").lstrip("$")
    return Decimal(plain) if key == "cost_usd" else int(Decimal(plain))
