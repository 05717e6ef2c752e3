"""`ingest page`: the page of `ingest serve` as one file."""

from pathlib import Path
from typing import Any

import click

from ingest.cli import settings
from ingest.cli.options import say, warehouse_option
from ingest.cli.question import filter_options, replace, timeout_option


@click.command()
@click.argument("out", metavar="OUT.html")
@warehouse_option
@filter_options
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(["model", "agent", "project", "user", "provider"]),
    help="Let readers filter by it: one of its eight dearest values at a time. Repeatable.",
)
@timeout_option
def page(*, out: str, warehouse: str, by: tuple[str, ...], timeout: float, **filters: Any) -> None:
    """Write the page of `ingest serve` to OUT.html, which needs no server, no network and nothing installed.

    It holds the answers, not the calls: who may see it sees the names and sums of what the filters leave, and the
    calls of the fullest minutes.

    \b
      ingest page week.html --since 7d
      ingest page gpt.html --model gpt-5.2 --tz Europe/Berlin
      ingest page month.html --since 30d --by model --by agent
    """
    from ingest.cli.serve import answers
    from ingest.warehouse.at_hand import at_hand
    from queries.web.question import Place
    from queries.web.single_file import as_html

    written = as_html(
        Place(at_hand(warehouse), limits=settings.limits()), filters, answers(warehouse), by=by, timeout=timeout
    )
    if out == "-":
        click.echo(written, nl=False)
        return
    replace(Path(out), lambda file: file.write_bytes(written))
    say(f"wrote {out} ({len(written) / 1e6:,.1f} MB)")
