"""`ingest serve`: the page, and the reports over HTTP."""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ingest.cli import settings
from ingest.cli.options import say, warehouse_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Given = TypeVar("_Given")

INSTALL = "`ingest serve` needs a web server: pip install 'llm-ingest[web]'"


@click.command()
@warehouse_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; another needs a token.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8_080, show_default=True, help="0 takes a free one.")
@click.option("--token", metavar="SECRET", help="What a visitor must know; others here see it in `ps`.")
@click.option(
    "--token-file", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Read the token from FILE."
)
@click.option(
    "--allow-host", "allowed", multiple=True, metavar="NAME", help="A name that this server is asked by. Repeatable."
)
@click.option("--at-once", type=click.IntRange(1, 64), default=2, show_default=True, help="Questions at a time.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up a question after so long.",
)
@click.option(
    "--tz",
    metavar="ZONE",
    default=lambda: (zone := settings.zone()) and zone.value,
    help="Time zone of who asks for none. Default: the config file's, the system's.",
)
@click.option("--reports", metavar="DIR", help="Folder of your own reports, as for `ingest report`.")
@click.option("--prices", type=click.Path(exists=True, dir_okay=False), help="Own prices, as for `ingest report`.")
def serve(  # noqa: PLR0913 - an option each
    *,
    warehouse: str,
    host: str,
    port: int,
    token: str | None,
    token_file: str | None,
    allowed: tuple[str, ...],
    at_once: int,
    timeout: float,
    tz: str | None,
    reports: str | None,
    prices: str | None,
) -> None:
    """Show the warehouse on a page, and answer reports over HTTP; stop with Ctrl-C.

    It only reads, listens at this machine alone unless told otherwise, and follows each commit.

    \b
      ingest serve                              then open http://127.0.0.1:8080/
      curl '127.0.0.1:8080/api/reports/tpm?since=7d'
      curl -N 127.0.0.1:8080/api/stream         what each commit changed
      ingest serve --host 0.0.0.0 --token-file ~/.ingest-token
    """
    from ingest.choices import alternatives
    from queries.connection.connect import is_there
    from queries.connection.filters import zone_called

    if tz:
        zone_called(tz)
    secret = _secret(token, token_file)
    try:
        from queries.web import guard
        from queries.web.app import Entrance
        from queries.web.desk import Desk
        from queries.web.listen import serve as run
        from queries.web.question import Place
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in {"starlette", "uvicorn", "h11", "anyio"}:
            raise
        raise click.ClickException(INSTALL) from error

    local = guard.is_local(host)
    if not local and secret is None:
        raise click.UsageError(f"Who can reach {host} could read everything: give a --token-file, or a --token.")
    if secret is not None and len(secret) < guard.SHORTEST_TOKEN:
        raise click.UsageError(f"A token has at least {guard.SHORTEST_TOKEN} characters: openssl rand -hex 16")
    from ingest.warehouse.at_hand import EVERY, at_hand

    here = at_hand(warehouse, every=EVERY)
    if not is_there(here):
        say(
            f"no warehouse at {warehouse} yet: the page shows it once `ingest follow` or `ingest backfill` has made one"
        )
    place = Place(here, reports, tz, lambda: _told(lambda: alternatives(warehouse, prices)), settings.limits())
    desk = Desk(place, at_once=at_once, waiting=64, timeout=timeout)
    entrance = Entrance(frozenset(guard.hosts(host, allowed)), by_address=not local, token=secret)
    with _listening(host, port) as listening:
        address = f"[{host}]" if ":" in host else host
        # A warning is said also under --quiet: without the port, nobody could ask.
        click.echo(f"{warehouse} is at http://{address}:{listening.getsockname()[1]}/ (Ctrl-C ends)", err=True)
        run(desk, entrance, answers(warehouse, prices), listening)


def answers(warehouse: str, prices: str | None = None) -> "Mapping[str, Callable[[], bytes]]":
    """Return what the page shows that no report says: sources as `ingest status -j` has them, and prices."""
    return {
        "status": lambda: _told(lambda: _status(warehouse)),
        "prices": lambda: _told(lambda: _prices(warehouse, prices)),
    }


def _told(give: "Callable[[], _Given]") -> "_Given":
    """Return what *give* gives, or its error as one that the page knows."""
    from ingest.errors import IngestError
    from queries.errors import QueryError

    try:
        return give()
    except IngestError as error:
        raise QueryError(str(error)) from error


def _status(warehouse: str) -> bytes:
    from ingest.cli.status import as_json
    from ingest.history.unrecognised import Notes
    from ingest.maintenance.status import sizes, sources
    from ingest.warehouse.warehouse import Warehouse

    opened = Warehouse(warehouse)
    return as_json(warehouse, sources(opened), sizes(opened), Notes(warehouse).unread()).encode()


def _prices(warehouse: str, own: str | None) -> bytes:
    """Return the prices that hold now of the models that the warehouse has calls of."""
    from ingest.choices import prices_of
    from ingest.prices.view import of_models
    from ingest.warehouse.warehouse import Warehouse

    calls = Warehouse(warehouse).tables["llm_calls"].scan().select("provider", "model")
    models = calls.unique().drop_nulls("model").sort("provider", "model", nulls_last=True).collect()
    rows = of_models(prices_of(own, warehouse), models.rows(), datetime.now(UTC))
    return json.dumps({"prices": rows}, default=float, ensure_ascii=False).encode()


def _secret(token: str | None, file: str | None) -> str | None:
    if token is not None and file is not None:
        raise click.UsageError("Give a --token or a --token-file, not both.")
    from ingest.errors import reason
    from parsers.values.by_hand import text_of

    try:
        return text_of(Path(file)).strip() if file else token
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} can't be read: {reason(error)}") from error


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise click.ClickException(f"can't listen at {host}:{port}: {why}; choose another --port or --host") from error
