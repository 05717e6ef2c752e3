"""`ingest verify`: does the warehouse hold what it says?"""

import json
import sys

import click

from ingest.cli.options import form_option, wants_json, warehouse_option


@click.command()
@warehouse_option
@click.option("--no-sources", is_flag=True, help="Don't read the logs again.")
@form_option
def verify(*, warehouse: str, no_sources: bool, form: str | None) -> None:
    """Check logs, files, ledger, offsets and row counts, and the sources that still exist, byte by byte.

    Exits with 1 when something is wrong. Followers may go on meanwhile.
    """
    from ingest.maintenance.verify import verify as check

    verdict = check(warehouse, read_sources=not no_sources)
    if wants_json(form):
        click.echo(json.dumps({"good": verdict.good, **vars(verdict)}, indent=2))
    else:
        click.echo("looked at " + ", ".join(f"{count:,} {what}" for what, count in verdict.checked.items()))
        for problem in verdict.problems:
            click.echo(f"wrong: {problem}")
        for note in verdict.notes:
            click.echo(f"note: {note}")
        click.echo("all is well" if verdict.good else f"{len(verdict.problems):,} problems; see `ingest repair --help`")
    if not verdict.good:
        sys.exit(1)
