"""OpenCode messages: files, `~/.local/share/opencode/storage/message/**/*.json`, and SQLite tables since 1.2 and 2.

    {"id":"msg_…","sessionID":"ses_…","role":"assistant","time":{"created":1770983420000,"completed":1770983426420},
     "providerID":"anthropic","modelID":"claude-sonnet-4-5","agent":"build","cost":0.0123,
     "tokens":{"input":5,"output":40,"reasoning":12,"cache":{"read":900,"write":20}},"error":{"name":"…","data":{…}}}

A message of the assistant is a call. `input` leaves the cache out, so that the prompt is the sum; `output` leaves the
reasoning out, which is added. Times are milliseconds since 1970; the latency, from `created` to `completed`, includes
the tools that ran meanwhile. `cost` is what OpenCode computed, 0 for models without a price of their own.

A message is written when it begins, with zeros for its counts, and anew as it goes on: it is a call when it is
completed or failed. The tables, `message` and in version 2 `session_message`, have the message without its identifiers,
which are columns, in `data`; in version 2 its role is the column `type`, its model an object, and its folder that of
the session in `session_v2`.

A fork copies the messages of its session under new ids, with their times and counts, and calls no model for it. So
`dedupe_key` is not the id but `opencode/<times>:<model>:<counts>`: copies are one call, as are a message that is in a
file and in the table to which OpenCode moved it.
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

_KEY = pl.lit("opencode/") + pl.concat_str(
    pl.col("started_at").fill_null(""),
    pl.col("created_at").fill_null(""),
    pl.col("model").fill_null("").str.replace_all("/", "_", literal=True),
    *(pl.col(name).fill_null("") for name in _COUNTS),
    separator=":",
)

_SHAPE = Shape(
    paths={
        "created_at": ("time.completed",),
        "started_at": ("time.created",),
        "model": ("modelID", "model.id"),
        "provider": ("providerID", "model.providerID"),
        **{name: (place,) for name, place in _COUNTS.items()},
        "cost": ("cost",),
        "session_id": ("sessionID",),
        "agent_id": ("agent", "mode"),
        "project": ("path.cwd", "path.root"),
        "request_id": ("id",),
        "error": ("error.data.message", "error.name"),
        "error_type": ("error.name",),
    },
    passed_over=("role", "parentID", "tokens.total"),
    meaning=Meaning(name="opencode", time="ms", request_includes_cache=False, response_includes_reasoning=False),
    derived={"dedupe_key": _KEY},
    counts=pl.any_horizontal(pl.col(name).is_not_null() for name in ("created_at", "error")),
)

COLUMNS: Columns = {"id": pl.String, "session_id": pl.String, "directory": pl.String, "data": pl.String}
_DATA = 'cast("data" as text)'
_ENDED = f"({_DATA} like '%\"completed\":%' or {_DATA} like '%\"error\":%')"
ENDED = f"""{_DATA} like '%"role":"assistant"%' and {_ENDED}"""
"""Holds for rows of `message` that are calls and ended, as SQL."""


def _query(table: str, directory: str, models: tuple[str, ...]) -> str:
    """Return the rows of *table*, with the key that copies have in common: SQL for what `_KEY` is."""

    def value(*places: str) -> str:
        found = ", ".join(f"json_extract(m.data, '$.{place}')" for place in places)
        return f"coalesce({found}, '')"

    model = f"replace({value(*models)}, '/', '_')"
    parts = [value("time.created"), value("time.completed"), model, *(value(place) for place in _COUNTS.values())]
    return f"""(
        select m.rowid as rowid, m.id, m.session_id, m.time_created, m.data, {directory} as directory,
            {" || ':' || ".join(parts)} as call_key
        from {table} as m
        where json_valid(m.data)
    )"""  # noqa: S608 # names of this file


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of `message`."""
    return _calls(rows, "message")


def calls_from_rows_of_v2(rows: pl.DataFrame) -> Parsed:
    """Return the calls of *rows* of `session_message`."""
    return _calls(rows, "session_message")


def _calls(rows: pl.DataFrame, table: str) -> Parsed:
    rows, rejects = typed(rows, COLUMNS, required=("data",))
    named = rows.select("source_offset", "directory", request_id="id", session_id="session_id")
    records = rows.select("source_offset", "source_end", line="data")
    fields, unread = read(records, _SHAPE)
    fields = fields.drop("request_id", "session_id").join(named, on="source_offset", how="left", maintain_order="left")
    fields = fields.with_columns(project=pl.coalesce("project", "directory")).drop("directory")
    parsed = made(fields.with_columns(**_SHAPE.derived), _SHAPE, pl.concat([rejects, unread]))
    return replace(parsed, calls=parsed.calls.with_columns(format=pl.lit(f"opencode/{table}")))


FORMAT = json_format(
    "OpenCode messages, one a file",
    _SHAPE,
    claims=pl.col("line").str.contains(r'"role"\s*:\s*"assistant"')
    & pl.col("line").str.contains(r'"modelID"\s*:')
    & pl.col("line").str.contains(r'"tokens"\s*:\s*\{'),
    hints=('"modelID"',),
)

TABLES = (
    Known(
        name="opencode/message",
        tables=("message",),
        needs=("id", "session_id", "time_created", "time_updated", "data"),
        reads=tuple(COLUMNS),
        key="id",
        times=("time_created",),
        read=alone(calls_from_rows),
        finished=ENDED,
        query_key="call_key",
        query=_query("message", "null", ("modelID", "model.id")),
    ),
    Known(
        name="opencode/session_message",
        tables=("session_message",),
        needs=("id", "session_id", "type", "seq", "time_created", "data"),
        reads=tuple(COLUMNS),
        key="id",
        times=("time_created",),
        read=alone(calls_from_rows_of_v2),
        finished=_ENDED,
        query_key="call_key",
        query=_query(
            "(select rowid, * from session_message where type = 'assistant')",
            "(select s.directory from session_v2 as s where s.id = m.session_id)",
            ("modelID", "model.id"),
        ),
    ),
)
