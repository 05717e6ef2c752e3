"""The server's application: a request → a page, an answer, or a stream of commits."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files as resources
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from queries.answers import reports as saved
from queries.errors import LateError, QueryError, WordError
from queries.show import texts
from queries.web import changes, guard, panels
from queries.web import question as questions
from queries.web.desk import BusyError, Desk
from queries.web.question import Question

if TYPE_CHECKING:
    from concurrent.futures import Future

log = logging.getLogger(__name__)

PAGE = "page.html"
ASSETS = {
    PAGE: "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "charts.js": "text/javascript",
    "page.js": "text/javascript",
}
_JSON = "application/json"
_STATUS: tuple[tuple[type[QueryError], int], ...] = (
    (BusyError, 429),
    (LateError, 504),
    (questions.UnreadableError, 503),
    (questions.AbsentError, 404),
    (WordError, 400),
    (QueryError, 422),
)
"""What an error is called in HTTP, the first that fits."""

_MOST_PAIRS = 200
_SECONDS = 5.0


@dataclass(frozen=True)
class Entrance:
    """Who may come in: the names of this server, whether any IP address will do, and the token, if one is asked for."""

    hosts: frozenset[str]
    by_address: bool = False
    token: str | None = None


@dataclass
class Site:
    """The application, as a server calls it."""

    desk: Desk
    entrance: Entrance
    more: Mapping[str, Callable[[], bytes]]
    """Answers that come from no report, by name."""
    look_every: float
    """Seconds between two looks for a commit."""
    closing: bool = False
    """Whether the server is being stopped, which ends the streams."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: whatever it is, with a status and one line of text at least."""
        if scope["type"] != "http":
            return
        try:
            response = await self._respond(Request(scope, receive))
        except guard.Refusal as refusal:
            response = _error(refusal.status, refusal.why)
            response.headers.update(dict(refusal.headers))
        except QueryError as error:
            response = _error(next(status for kind, status in _STATUS if isinstance(error, kind)), str(error))
        except Exception as error:  # noqa: BLE001 - a bug of ours must tell nothing to whoever asked
            log.error("%s %s: %s: %s", scope["method"], scope["path"], type(error).__name__, error)  # noqa: TRY400 - nor many lines
            response = _error(500, "this should not have happened; the server's log says more")
        response.headers.update(guard.ALWAYS)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path, headers, entrance = request.url.path, request.headers, self.entrance
        target = (request.scope["raw_path"] + request.scope["query_string"]).decode("latin-1")
        guard.check(request.method, target, headers, entrance.hosts, by_address=entrance.by_address)
        pairs = _pairs(request)
        if path == "/" and entrance.token and (given := dict(pairs).get("token")):
            return _welcome(entrance.token, given)
        guard.admit(entrance.token, headers)
        if (name := path.removeprefix("/") or PAGE) in ASSETS:
            return Response(asset(name), media_type=ASSETS[name])
        if path == "/api/stream":
            stream = changes.stream(self.desk, self, after=headers.get("last-event-id"))
            return StreamingResponse(stream, media_type="text/event-stream")
        return await _answer(path, pairs, self.desk, self.more)


@cache
def asset(name: str) -> bytes:
    """Return a file of the page."""
    return (resources("queries.web") / "assets" / name).read_bytes()


async def _answer(path: str, pairs: questions.Pairs, desk: Desk, more: Mapping[str, Callable[[], bytes]]) -> Response:
    """Return the answer to the question at *path*."""
    if path == "/api/reports":
        listed = saved.listing(saved.folders(desk.place.reports, desk.place.warehouse))
        return Response(texts.as_json(listed), media_type=_JSON)
    if path == "/api/panels":
        asked = questions.read("", pairs, desk.place.zone)
        if asked.parameters:
            raise WordError(f"the page has no filter called {asked.parameters[0][0]!r}")
        planned = desk.once(("panels", asked, desk.minute()), lambda: _plan(desk, asked))
        return Response(await _of(planned), media_type=_JSON)
    if (name := path.removeprefix("/api/")) in more and path.startswith("/api/"):
        # Files grow without a commit, so these answers hold for seconds.
        return Response(await _of(desk.once((name, time.time() // _SECONDS), more[name])), media_type=_JSON)
    if path.startswith("/api/reports/"):
        asked = questions.read(path.removeprefix("/api/reports/"), pairs, desk.place.zone)
        return _sent(asked, await _of(desk.ask(asked)))
    raise guard.Refusal(404, "there is nothing here; api/reports lists the reports")


def _plan(desk: Desk, asked: Question) -> bytes:
    with desk.connection(asked) as connection:
        return json.dumps(panels.plan(connection, asked, desk.place.warehouse), ensure_ascii=False).encode()


async def _of(future: "Future[bytes]") -> bytes:
    """Wait for *future*, which others may wait for too: who leaves doesn't take it from them."""
    return await asyncio.shield(asyncio.wrap_future(future))


def _sent(asked: Question, body: bytes) -> Response:
    response = Response(body, media_type=questions.FORMS[asked.form])
    if asked.form == "csv":
        response.headers["Content-Disposition"] = f'attachment; filename="{asked.report}.csv"'
    return response


def _pairs(request: Request) -> list[tuple[str, str]]:
    try:
        text = request.scope["query_string"].decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS)
    except ValueError as error:
        raise guard.Refusal(400, "the query is no UTF-8, or has too many fields") from error


def _welcome(token: str, given: str) -> Response:
    """Have the browser remember the token, and forget the address that it stood in."""
    if not guard.is_token(token, given):
        raise guard.Refusal(401, "that is not the token")
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    response.set_cookie(guard.COOKIE, token, httponly=True, samesite="lax")
    return response


def _error(status: int, why: str) -> Response:
    return Response(json.dumps({"error": why}), status, media_type=_JSON)
