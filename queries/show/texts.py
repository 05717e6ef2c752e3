"""Rows → text or bytes: the JSON envelope, CSV, Markdown, Parquet. Tables for people are in `terminal_table`."""

import io
import json
import math
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from parsers.values.messages import visible
from queries.answers.answer_rows import is_moment, is_number, is_whole
from queries.answers.reports import Answer
from queries.show.cells import cell

if TYPE_CHECKING:
    import polars as pl

_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_FORMULA = r"^[=+\-@\t\r]"
_ISO = "%Y-%m-%dT%H:%M:%S%.f%:z"


def as_json(answer: Answer) -> str:
    """Return the envelope that every report has, one row a line; times ISO 8601, money numbers, unknown null."""
    names = [_ENCODER.encode(name).replace("%", "%%") for name in answer.rows.kinds]
    row = "  {" + ", ".join(f"{name}: %s" for name in names) + "}"
    columns = (_json_column(kind, answer.rows.column(name)) for name, kind in answer.rows.kinds.items())
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
    kinds = answer.rows.kinds
    rule = ["---:" if is_number(kinds[name]) else "---" for name in kinds]
    columns = [[cell(name, value).replace("|", "\\|") for value in answer.rows.column(name)] for name in kinds]
    lines = [" | ".join(row) for row in ([visible(name) for name in kinds], rule, *zip(*columns, strict=True))]
    return "".join(f"| {line} |\n" for line in lines)


def as_parquet(answer: Answer) -> bytes:
    """Return a Parquet file."""
    buffer = io.BytesIO()
    answer.frame.write_parquet(buffer)
    return buffer.getvalue()


def _json_column(kind: str, values: Sequence[Any]) -> list[str]:
    """Return each of *values* as JSON, as `_ENCODER` writes it. Rows one by one take four times as long."""
    if is_whole(kind):
        return ["null" if value is None else str(value) for value in values]
    if kind == "DOUBLE":
        return ["null" if value is None or not math.isfinite(value) else repr(value) for value in values]
    if is_moment(kind):
        return ["null" if value is None else f'"{_iso(value)}"' for value in values]
    if kind == "VARCHAR":
        known: dict[str | None, str] = {value: _ENCODER.encode(value) for value in set(values)}
        return [known[value] for value in values]
    if is_number(kind):
        return ["null" if value is None else repr(_plain(value)) for value in values]
    return list(map(_ENCODER.encode, values))


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


def _iso(moment: datetime | str) -> str:
    return moment if isinstance(moment, str) else moment.isoformat()  # a text is one that Python has no time for


def _csv_column(name: str, kind: "pl.DataType") -> "pl.Expr":
    import polars as pl  # which writes a million rows in the time of a few thousand here

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
