"""`ingest watch`: a screen that follows the commits; `ingest follow --live` shows the same."""

import collections
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ingest.cli import settings
from ingest.cli.options import warehouse_option
from ingest.cli.question import parameter_option, value_filter_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from queries.live.screen import Watch

INSTALL = "the live screen needs textual: pip install 'llm-ingest[live]'"


@click.command()
@warehouse_option
@parameter_option
@value_filter_options
def watch(*, warehouse: str, parameters: dict[str, str], **filters: Any) -> None:
    """Show how near each model is to its limits now, what the day costs, who it is, and the last calls.

    It reads the tables only, so it runs on any machine that sees the warehouse. Keys: Enter shows the minutes of a
    model, and the calls of a minute; a, m, p, u group; w changes the window; / filters; q leaves.

    \b
      ingest watch
      ingest watch -p limit=800k       where limits.toml says none
      ingest watch --model gpt-5.2
    """
    limit = limit_of(parameters)
    screen(warehouse, filters, limit=limit).run()


def screen(
    warehouse: str, filters: "Mapping[str, Any]", *, limit: int | None = None, beside: "Callable[[], str] | None" = None
) -> "Watch":
    """Return the screen, or say which extra it needs, or that it needs a terminal."""
    try:
        from queries.live.screen import Watch
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        raise click.ClickException(INSTALL) from error
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("the screen needs a terminal; `ingest report headroom` prints how near the limits are")
    from ingest.warehouse.at_hand import EVERY, at_hand
    from queries.live.glimpse import Asked

    return Watch(Asked(Path(at_hand(warehouse, every=EVERY)), filters, settings.limits(), limit), beside)


def limit_of(parameters: "Mapping[str, str]") -> int | None:
    """Return the limit that `-p limit=` gives, as reports read it."""
    from queries.answers.reports import Report

    bound = Report("watch", "select $limit::bigint").bind(parameters)["limit"]
    if bound is not None and int(bound) < 1:
        raise click.UsageError("-p limit= takes a whole number from 1 on")
    return None if bound is None else int(bound)


def beside_follower(warehouse: str) -> int:
    """Show the screen while a process of its own follows what this one was told to; return how that process ended.

    So neither is in the other's way, and what the follower says comes after the last commit instead of over the screen.
    """
    said: collections.deque[str] = collections.deque(maxlen=20)
    shown = screen(warehouse, {}, beside=lambda: said[-1] if said else "begins")
    words = [word for word in sys.argv[1:] if word != "--live"]
    command = [sys.executable, "-m", "ingest", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as follower:  # noqa: S603 # this command

        def keep() -> None:
            for line in follower.stderr or ():
                said.append(line.strip())
            shown.call_later(shown.exit)  # it has ended by itself

        threading.Thread(target=keep, daemon=True).start()
        shown.run()
        follower.terminate()
    for line in said:
        click.echo(line, err=True)
    return follower.returncode
