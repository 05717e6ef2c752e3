"""Rows → text or bytes: the JSON envelope, CSV, Markdown, Parquet. Tables for people are in `terminal_table`."""

import io
import json
import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import polars as pl

from parsers.values.messages import visible
from queries.answers.reports import Answer
from queries.show.cells import cell

_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORMULA = r"^[=+\-@\t\r]"
_ISO = "%Y-%m-%dT%H:%M:%S%.f%:z"


def as_json(answer: Answer) -> str:
    """Return the envelope that every report has, one row a line; times ISO 8601, money numbers, unknown null."""
    names = [_ENCODER.encode(name).replace("%", "%%") for name in answer.frame.columns]
    row = "  {" + ", ".join(f"{name}: %s" for name in names) + "}"
    columns = map(_json_column, answer.frame.get_columns())
    rows = _safe(",\n".join(map(row.__mod__, zip(*columns, strict=True))))
    head: dict[str, object] = {"report": answer.name, "title": answer.title, "parameters": answer.parameters}
    if answer.notes:
        head["notes"] = list(answer.notes)
    opening = _dumps(head).removesuffix("}")
    return f'{opening}, "rows": [\n{rows}\n]}}\n' if rows else f'{opening}, "rows": []}}\n'


def as_csv(answer: Answer) -> str:
    """Return CSV that a spreadsheet opens safely: a text that it would run as a formula gets a leading apostrophe."""
    columns = [_csv_column(name, kind) for name, kind in answer.frame.schema.items()]
    return answer.frame.select(columns).write_csv()


def as_markdown(answer: Answer) -> str:
    """Return a Markdown table, numbers right-aligned."""
    frame = answer.frame
    names = frame.columns
    rule = ["---:" if frame.schema[name].is_numeric() else "---" for name in names]
    body = [
        [cell(name, value).replace("|", "\\|") for name, value in row.items()] for row in frame.iter_rows(named=True)
    ]
    lines = [" | ".join(row) for row in ([visible(name) for name in names], rule, *body)]
    return "".join(f"| {line} |\n" for line in lines)


def as_parquet(answer: Answer) -> bytes:
    """Return a Parquet file."""
    buffer = io.BytesIO()
    answer.frame.write_parquet(buffer)
    return buffer.getvalue()


def _json_column(column: pl.Series) -> list[str]:
    """Return each value as JSON, as `_ENCODER` writes it. Rows one by one take four times as long."""
    kind = column.dtype
    if kind.is_integer() or kind == pl.Boolean:
        return column.cast(pl.String).fill_null("null").to_list()
    if kind.is_float():
        return ["null" if v is None or not math.isfinite(v) else repr(v) for v in column.to_list()]
    if isinstance(kind, pl.Decimal):
        texts = column.cast(pl.String).str.strip_suffix("." + "0" * (kind.scale or 0)).fill_null("null").to_list()
        return [repr(float(text)) if "." in text else text for text in texts]
    if isinstance(kind, pl.Datetime):
        zone = "%:z" if kind.time_zone else ""
        times = column.cast(pl.Datetime("us", kind.time_zone)).alias("at").to_frame()
        whole = pl.when(pl.col("at").dt.microsecond() == 0)
        plain, fine = (pl.col("at").dt.strftime(f'"%Y-%m-%dT%H:%M:%S{part}{zone}"') for part in ("", "%.6f"))
        return times.select(whole.then(plain).otherwise(fine).fill_null("null")).to_series().to_list()
    if kind == pl.String:
        known: dict[str | None, str] = {value: _ENCODER.encode(value) for value in column.unique().to_list()}
        return [known[value] for value in column.to_list()]
    return list(map(_ENCODER.encode, column.to_list()))


def _dumps(value: object) -> str:
    return _safe(_ENCODER.encode(value))


def _safe(text: str) -> str:
    """Escape what json leaves as it is and a terminal may obey."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _csv_column(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if kind == pl.String:
        return pl.when(column.str.contains(_FORMULA)).then("'" + column).otherwise(column).alias(name)
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        return column.dt.strftime(_ISO)
    if kind == pl.Binary:
        return column.bin.encode("hex")
    if kind.is_nested():
        return column.map_elements(
            lambda v: _dumps(v.to_list() if isinstance(v, pl.Series) else v), return_dtype=pl.String
        )
    return column


_ENCODER = json.JSONEncoder(default=_plain, ensure_ascii=False, allow_nan=False)
