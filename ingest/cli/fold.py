"""`ingest fold`: what hosts have put into the inbox of a bucket, committed."""

import time

import click

from ingest.cli.options import say, warehouse_option


@click.command()
@warehouse_option
@click.option(
    "--every", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Stay, and look again after so many seconds."
)
def fold(*, warehouse: str, every: float | None) -> None:
    """Commit what hosts that run `ingest follow --inbox` have put into the inbox of a bucket.

    Any follower of the same bucket that isn't --inbox does this by itself. Run it in cron, or with --every, where there
    is none. Several may run: what one has committed the others find done.
    """
    from ingest.errors import WarehouseError
    from ingest.warehouse.inbox import Folding

    folding = Folding(warehouse)
    if every is None:
        say(f"folded {folding.fold():,} batches")
        return
    said = ""
    while True:
        begun = time.monotonic()
        try:
            folding.fold()
            said = ""
        except WarehouseError as error:
            if str(error) != said:  # it is tried again, and told once
                click.echo(f"Warning: {error}", err=True)
            said = str(error)
        time.sleep(max(0.0, begun + every - time.monotonic()))
