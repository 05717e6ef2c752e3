"""Zed's `threads.db` (SQLite): one row a thread of its agent, a JSON document, mostly packed by zstd.

`cumulative_token_usage` adds up all requests; the input leaves the cache out. Earlier versions left it at zero: there
`request_token_usage` has the last request of each turn, and their sum is the least that the thread took (`sum_of`
tells). A thread of a sub-agent is a row of its own, whose counts are in no other. A row is the sum of its thread,
`zed/sum`, of unknown many requests; it changes as the thread goes on: the largest counts are the sum.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
import pyarrow as pa

from parsers.blocks.format import Known, Parsed, alone
from parsers.blocks.lines import reject
from parsers.jsonl.decode import loads
from parsers.rows.calls import Meaning, calls
from parsers.rows.typed_tables import Columns, parsed, typed
from parsers.schema import SESSION

COLUMNS: Columns = dict.fromkeys(("id", "data_type", "data"), pl.String)

_LARGEST = 256 << 20
"""What unpacks to more bytes is no thread."""

_COUNTS = {
    "request_tokens": "input_tokens",
    "response_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}
_FIELDS = ("session_id", "provider", "model", "sum_of", *_COUNTS)

_MEANING = Meaning(
    name="zed",
    request_includes_cache=False,
    requires=(("request_tokens", "response_tokens"),),
    metadata=("sum_of",),
    constants={"variant": "sum", "task": SESSION},
)


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the sums in *rows* of `threads`; one that hasn't called yet has none."""
    rows, rejects = typed(rows.with_columns(line=pl.struct("id").struct.json_encode()), COLUMNS)
    # A document each, and few: no columns would unpack them faster.
    threads = [_sum(*row) for row in rows.select("id", "data_type", "data").iter_rows()]
    found = pl.DataFrame(threads, schema=dict.fromkeys(_FIELDS, pl.String), orient="row")
    sums = (
        rows.select("source_offset", "source_end", "line").hstack(found).with_columns(requests=pl.lit(None, pl.String))
    )
    unread = pl.col("session_id").is_null()
    made = calls(sums.filter(~unread & pl.col("sum_of").is_not_null()), _MEANING)
    return parsed(made.calls, [rejects, reject(sums.filter(unread), "`data` can't be read"), made.rejects])


def _sum(key: str, kind: str | None, data: str | None) -> tuple[str | None, ...]:
    """Return what a thread used, as `_FIELDS`; all NULL for what is no thread."""
    try:
        thread = _unpacked(kind, bytes.fromhex(data or ""))
    except (OSError, ValueError):
        return (None,) * len(_FIELDS)
    model = _object(thread.get("model"))
    turns = thread.get("request_token_usage")
    for sum_of, usages in (
        ("thread", [thread.get("cumulative_token_usage")]),
        ("turns", turns.values() if isinstance(turns, dict) else turns if isinstance(turns, list) else ()),
    ):
        counts = [_total(usages, name) for name in _COUNTS.values()]
        if any(counts):
            return key, _text(model.get("provider")), _text(model.get("model")), sum_of, *map(str, counts)
    return key, *(None,) * (len(_FIELDS) - 1)


def _unpacked(kind: str | None, data: bytes) -> Mapping[str, Any]:
    """Return the document in *data*.

    Raises:
        OSError: It can't be unpacked.
        ValueError: It is no JSON, or too large.
    """
    if kind == "zstd":
        data = pa.CompressedInputStream(pa.BufferReader(data), "zstd").read(_LARGEST)
    if len(data) >= _LARGEST:
        raise ValueError(f"more than {_LARGEST} bytes")
    thread = loads(data.decode())
    if not isinstance(thread, dict):
        raise ValueError("no object")  # noqa: TRY004 -- of what was read, not of an argument
    return thread


def _object(value: Any) -> Mapping[str, Any]:  # Any: JSON
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _total(usages: Iterable[Any], name: str) -> int:
    counts = (_object(usage).get(name) for usage in usages)
    return sum(count for count in counts if isinstance(count, int) and not isinstance(count, bool))


TABLE = Known(
    name="zed/sum",
    tables=("threads",),
    needs=("id", "summary", "updated_at", "data_type", "data"),
    reads=tuple(COLUMNS),
    key="id",
    times=("updated_at",),
    read=alone(calls_from_rows),
    rewritten=True,
    query="(select rowid, id, updated_at, data_type, hex(data) as data from threads)",
)
