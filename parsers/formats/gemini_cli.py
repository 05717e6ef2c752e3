"""Gemini CLI sessions: `~/.gemini/tmp/*/chats/session-*.json`, one document, and `.jsonl`, one object a line.

    {"sessionId":"…","projectHash":"…","startTime":"…","lastUpdated":"…","messages":[{"id":"…","type":"user",…},
     {"id":"…","timestamp":"2026-01-01T00:00:03.000Z","type":"gemini","model":"gemini-2.5-pro","content":"…",
      "tokens":{"input":9000,"output":300,"cached":8000,"thoughts":120,"tool":0,"total":9420}}]}

Newer versions append: the fields of the session are the first line, each message is a line, written again when it
changed (a tool that ended), and `{"$set":{…}}` changes fields of the session, its whole history among them. What such a
line holds has been a line before, so it is no call.

A message of type `gemini` with tokens is a call. `input` is the prompt with what is cached; `tool` is what Gemini
counts as `toolUsePromptTokenCount`, and is added to it; `output` leaves the thoughts out, which are added. `timestamp`
is when the message was recorded; there is no latency. The session is named once: by the line before, or by what is
around the messages of a document.

Messages are written again and again: a document as a whole whenever it grows, and all of it when a session goes on in
the newer form. Their ids are unique: `dedupe_key` is `gemini-cli:<id>`.
"""

from dataclasses import replace

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, made, read

_COUNTS = {
    "request_tokens": "input",
    "cache_read_tokens": "cached",
    "response_tokens": "output",
    "reasoning_tokens": "thoughts",
    "total_tokens": "total",
}

_SHAPE = Shape(
    paths={
        "created_at": ("timestamp",),
        "model": ("model",),
        **{name: (f"tokens.{key}",) for name, key in _COUNTS.items()},
        "tool_tokens": ("tokens.tool",),
        "session_id": ("sessionId",),
        "request_id": ("id",),
        "type": ("type",),
    },
    meaning=Meaning(name="gemini-cli", response_includes_reasoning=False, dedupe="gemini-cli"),
    internal=("tool_tokens", "type"),
)


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    fields, rejects = read(records, _SHAPE)
    before = pl.lit(context.get("session_id"), dtype=pl.String)
    fields = fields.with_columns(session_id=pl.coalesce(pl.col("session_id").forward_fill(), before))
    counted = pl.any_horizontal(pl.col(name).is_not_null() for name in _COUNTS)
    called = fields.filter((pl.col("type") == "gemini") & counted).with_columns(request_tokens=_asked())
    parsed = made(called.drop(_SHAPE.internal), _SHAPE, rejects)
    last = fields["session_id"].tail(1).drop_nulls().to_list()
    return replace(parsed, context={"session_id": last[0]} if last else {})


def _asked() -> pl.Expr:
    tool = pl.col("tool_tokens").cast(pl.Int64, strict=False)
    both = (pl.col("request_tokens").cast(pl.Int64, strict=False) + tool).cast(pl.String)
    return pl.coalesce(both, "request_tokens")


_LINE = pl.col("line")
_SESSION = _LINE.str.contains(r'"projectHash"\s*:') & _LINE.str.contains(r'"sessionId"\s*:')
_MESSAGE = _LINE.str.contains(r'"type"\s*:\s*"gemini"') & _LINE.str.contains(r'"tokens"\s*:\s*\{')

FORMAT = Format(
    name="gemini-cli",
    title="Gemini CLI sessions",
    json=True,
    claims=_SESSION | _MESSAGE,
    parse=_parse,
    sets_context=_SESSION,
    hints=('"gemini"', '"projectHash"'),
)
