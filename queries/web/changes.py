"""What commits changed, told to who listens: server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import datetime
from importlib.resources import files as resources
from typing import Any, Protocol

from queries.answers.reports import Report
from queries.errors import QueryError
from queries.show import texts
from queries.web import question as questions
from queries.web.desk import Desk
from queries.web.question import Question

_BEAT_SECONDS = 15.0
"""How often a silent stream says that it is still there, so that nobody between takes it for dead."""

_REPORT = Report("changes", (resources("queries") / "web" / "changes.sql").read_text(encoding="utf-8"))


class Server(Protocol):
    """What says how often to look, and whether it is being stopped."""

    look_every: float
    closing: bool


async def stream(desk: Desk, server: Server, *, after: str | None) -> AsyncIterator[bytes]:
    """Yield an event for the last commit, and one for each that comes.

    *after* is the last event's name, its `committed_at`, for who was there before: what came meanwhile is one event.
    """
    known, seen, spoke = _moment(after), "", time.monotonic()
    yield b"retry: 3000\n\n"
    while not server.closing:
        try:
            version = await asyncio.to_thread(desk.committed)
            if version != seen:
                about, seen = ("changes", known), version
                changed = desk.once(about, lambda: _changed(desk, known))  # noqa: B023 - awaited at once
                text = await asyncio.shield(asyncio.wrap_future(changed))
                if text and (committed := json.loads(text)["committed_at"]) != known:
                    known, spoke = committed, time.monotonic()
                    yield b"id: " + committed.encode() + b"\nevent: commit\ndata: " + text + b"\n\n"
        except QueryError as error:
            yield b"event: trouble\ndata: " + " ".join(str(error).split()).encode() + b"\n\n"
            seen = ""
        if time.monotonic() - spoke > _BEAT_SECONDS:
            spoke = time.monotonic()
            yield b": still here\n\n"
        await asyncio.sleep(server.look_every)


def _changed(desk: Desk, after: str | None) -> bytes:
    """Return what was committed after a moment, or last, as one line of JSON; nothing where nothing was."""
    parameters = (("after", after),) if after else ()
    asked = Question("changes", filters=(("tz", ("UTC",)),), parameters=parameters)
    with desk.connection(asked) as connection:
        envelope: dict[str, Any] = json.loads(texts.as_json(questions.answered(connection, asked, _REPORT, desk.place)))
    (row,) = envelope["rows"]
    return json.dumps(row, ensure_ascii=False).encode() if row["committed_at"] else b""


def _moment(name: str | None) -> str | None:
    """Return the moment that an event was called by; None for what no event of ours is called."""
    try:
        return name and datetime.fromisoformat(name).isoformat()
    except ValueError:
        return None
