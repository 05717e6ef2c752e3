"""The server: one socket, one process, requests that come whole and soon, and a stop that waits for nobody."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Mapping

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from queries.web.app import Entrance, Site
from queries.web.desk import Desk

_HEADER_BYTES = 16_384
_HEADER_SECONDS = 10.0
_MOST_CONNECTIONS = 256
_LOOK_SECONDS = 1.0
_STOP_SECONDS = 1


class _Hurried(H11Protocol):
    """A connection that is closed when a request isn't whole in time: uvicorn would wait for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._late = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        self._late.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        self._late.cancel()
        if self.cycle is None or self.cycle.response_complete:
            self._late = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._late.cancel()
        self._late = self.loop.call_later(_HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn, which tells its streams to end when it is to stop."""

    def __init__(self, config: uvicorn.Config, site: Site) -> None:
        super().__init__(config)
        self._site = site

    def handle_exit(self, sig: int, frame: object) -> None:
        self._site.closing = True
        super().handle_exit(sig, frame)  # type: ignore[arg-type] # a frame


def serve(desk: Desk, entrance: Entrance, more: Mapping[str, Callable[[], bytes]], listening: socket.socket) -> None:
    """Answer who asks at the socket *listening*, until SIGINT or SIGTERM."""
    site = Site(desk, entrance, more, _LOOK_SECONDS)
    config = uvicorn.Config(
        site,
        http=_Hurried,
        ws="none",
        lifespan="off",
        log_level=logging.CRITICAL,  # of bad requests we tell who sends them, and nobody else
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _signal, _frame: None)  # uvicorn raises them again when it has stopped
    try:
        _Server(config, site).run(sockets=[listening])
    finally:
        desk.close()
