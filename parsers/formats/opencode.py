"""OpenCode messages: `~/.local/share/opencode/storage/message/**/*.json`, and since 1.2 the table `message` (SQLite).

    {"id":"msg_…","sessionID":"ses_…","role":"assistant","time":{"created":1770983420000,"completed":1770983426420},
     "providerID":"anthropic","modelID":"claude-sonnet-4-5","agent":"build","cost":0.0123,
     "tokens":{"input":5,"output":40,"reasoning":12,"cache":{"read":900,"write":20}},"error":{"name":"…","data":{…}}}

A message of the assistant is a call. `input` leaves the cache out, so that the prompt is the sum; `output` leaves the
reasoning out, which is added. Times are milliseconds since 1970; the latency, from `created` to `completed`, includes
the tools that ran meanwhile. `cost` is what OpenCode computed, 0 for models without a price of their own.

A message is written when it begins, with zeros for its counts, and anew as it goes on: it is a call when it is
completed or failed. The table has the message without its identifiers, which are columns, in `data`. A message that is
in a file and in the table, to which OpenCode moves its files, is one call: `dedupe_key` is `opencode/<id>`.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Known, Parsed, alone
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format, made, read
from parsers.rows.typed_tables import Columns, typed

_COUNTS = {
    "request_tokens": "tokens.input",
    "cache_read_tokens": "tokens.cache.read",
    "cache_write_tokens": "tokens.cache.write",
    "response_tokens": "tokens.output",
    "reasoning_tokens": "tokens.reasoning",
}

_SHAPE = Shape(
    paths={
        "created_at": ("time.completed",),
        "started_at": ("time.created",),
        "model": ("modelID",),
        "provider": ("providerID",),
        **{name: (place,) for name, place in _COUNTS.items()},
        "cost": ("cost",),
        "session_id": ("sessionID",),
        "agent_id": ("agent", "mode"),
        "request_id": ("id",),
        "error": ("error.data.message", "error.name"),
        "error_type": ("error.name",),
    },
    passed_over=("role", "parentID", "tokens.total"),
    meaning=Meaning(name="opencode", time="ms", request_includes_cache=False, response_includes_reasoning=False),
    derived={"dedupe_key": pl.lit("opencode/") + pl.col("request_id")},
    counts=pl.any_horizontal(pl.col(name).is_not_null() for name in ("created_at", "error")),
)

COLUMNS: Columns = {"id": pl.String, "session_id": pl.String, "data": pl.String}
_DATA = 'cast("data" as text)'
ENDED = f"""{_DATA} like '%"role":"assistant"%' and ({_DATA} like '%"completed":%' or {_DATA} like '%"error":%')"""
"""Holds for rows of `message` that are calls and ended, as SQL."""


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of `message`."""
    rows, rejects = typed(rows, COLUMNS, required=("data",))
    named = rows.select("source_offset", request_id="id", session_id="session_id")
    records = rows.select("source_offset", "source_end", line="data")
    fields, unread = read(records, _SHAPE)
    fields = fields.drop("request_id", "session_id").join(named, on="source_offset", how="left", maintain_order="left")
    parsed = made(fields.with_columns(**_SHAPE.derived), _SHAPE, pl.concat([rejects, unread]))
    return replace(parsed, calls=parsed.calls.with_columns(format=pl.lit("opencode/message")))


FORMAT = json_format(
    "OpenCode messages, one a file",
    _SHAPE,
    claims=pl.col("line").str.contains(r'"role"\s*:\s*"assistant"')
    & pl.col("line").str.contains(r'"modelID"\s*:')
    & pl.col("line").str.contains(r'"tokens"\s*:\s*\{'),
    hints=('"modelID"',),
)

TABLE = Known(
    name="opencode/message",
    tables=("message",),
    needs=("id", "session_id", "time_created", "time_updated", "data"),
    reads=tuple(COLUMNS),
    key="id",
    times=("time_created",),
    read=alone(calls_from_rows),
    finished=ENDED,
)
