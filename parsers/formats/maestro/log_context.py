"""What lines of a maestro.log say about the lines after them: the session, and that a prompt is being printed.

A session is named by a few lines at the start of the process and belongs to everything after them.

When a response is empty, older versions print the whole prompt between two marked lines. A maestro that works on its
own logs prints them too: whole lines, prefix and all, that look like records but are quotes. Between the two marks a
record that is older than the first of them is therefore a quote, and is dropped: it was read where it was first
written. Records of that time or later are real ones, of agents that went on meanwhile; so a log that ends within a
printed prompt, or goes on after a crash, loses nothing. One second is allowed for lines that are written out of order.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from parsers.blocks.format import Context
from parsers.formats.maestro.log_line import DECORATION, LEVEL, PREFIX, TIME, nameless
from parsers.schema import UTC

_SESSION = (
    r"(?:Generated session ID|Session ID|Created session record|(?P<resumed>Resuming session) \([^)\n]*\))"
    r": (?P<session>[0-9]+)"
)
SESSION_WORDS = ("ession ID: ", "session record: ", "Resuming session")
"""Literals, one of which is in each line that names a session."""

_DUMP_BEGINS = "EMPTY RESPONSE FROM LLM - DEBUGGING INFO"
_DUMP_ENDS = "END EMPTY RESPONSE DEBUG"

_SESSION_LINE = rf"{TIME} \[(?:config|kernel)\] {LEVEL} {DECORATION}{nameless(_SESSION)}"
CONTEXT_LINE = rf"^(?:{_SESSION_LINE}|{PREFIX[1:]}{DECORATION}(?:{_DUMP_BEGINS}|{_DUMP_ENDS}))"
"""Lines that change the context."""

_MARK = rf"^{DECORATION}(?:{_SESSION}|(?P<begins>{_DUMP_BEGINS})|(?P<ends>{_DUMP_ENDS}))"
_DUMP = "dump:"
_SPANS: dict[str, pl.DataType | type[pl.DataType]] = {
    "source_offset": pl.Int64,
    "session_id": pl.String,
    "since": UTC,
}
_EVENTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "source_offset": pl.Int64,
    "created_at": UTC,
    "kind": pl.String,
    "session_id": pl.String,
}
_SLACK = timedelta(seconds=1)


class Followed(NamedTuple):
    """What the lines of a block said.

    `spans` has a row for each offset from which another session or another time of printing (`since`) holds, the first
    for what held before. `events` are the sessions that began.
    """

    spans: pl.DataFrame
    events: pl.DataFrame
    context: Context


def follow(records: pl.DataFrame, context: Context) -> Followed:
    """Read the lines of *records* that change the context, one by one: they are few."""
    after = dict(context)
    spans: list[tuple[int, str | None, datetime | None]] = [(-1, after.get("session"), _since(after))]
    events: list[tuple[int, datetime, str, str]] = []
    marks = records.filter(pl.col("line").str.contains(CONTEXT_LINE))
    groups = marks.select(
        "source_offset", "created_at", "logger", pl.col("message").str.extract_groups(_MARK).struct.unnest()
    )
    for offset, time, logger, resumed, session, begins, ends in groups.iter_rows():
        since = _since(after)
        if time is None or (since is not None and time < since):
            continue
        if session is not None:
            kind = "session_resumed" if resumed else "session_started"
            if after.get("session") != session or (resumed and after.get("resumed") != session):
                events.append((offset, time, kind, session))
            after["session"] = session
            if resumed:
                after["resumed"] = session
        elif begins is not None:
            after[_DUMP + logger] = time.isoformat()
        elif ends is not None:
            after.pop(_DUMP + logger, None)
        spans.append((offset, after.get("session"), _since(after)))
    return Followed(_spans(spans), _events(events), after)


def in_context(frame: pl.DataFrame, followed: Followed) -> pl.DataFrame:
    """Return *frame*, in the order of `source_offset`, with `session_id`, and without what is quoted."""
    if frame.is_empty():
        return pl.DataFrame(schema={**frame.schema, "session_id": pl.String})
    spans = followed.spans
    if len(spans) == 1 and spans["since"][0] is None:
        return frame.with_columns(session_id=pl.lit(spans["session_id"][0], dtype=pl.String))
    joined = frame.join_asof(spans.sort("source_offset"), on="source_offset", strategy="backward")
    quoted = (pl.col("created_at") < pl.col("since")).fill_null(value=False)
    return joined.filter(~quoted).drop("since")


def _since(context: Context) -> datetime | None:
    """Return the time before which a record can only be a quote; None outside of printed prompts."""
    times = [datetime.fromisoformat(time) for key, time in context.items() if key.startswith(_DUMP)]
    return max(times) - _SLACK if times else None


def _spans(rows: list[tuple[int, str | None, datetime | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=_SPANS, orient="row").set_sorted("source_offset")


def _events(rows: list[tuple[int, datetime, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=_EVENTS, orient="row")
