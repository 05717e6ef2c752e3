"""`ingest mapping`: the page that explains how to describe a log of one's own."""

from importlib.resources import files as resources

import click


def page() -> str:
    """Return the page on mappings, as it is in the documentation too."""
    return (resources("parsers.mapping") / "mapping.md").read_text("utf-8")


class _Page(click.Command):
    """A command whose help is the page itself."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(page())


@click.command(cls=_Page)
def mapping() -> None:
    """Print how to describe a log of your own: each key of a mapping file, with examples."""
    click.echo(page(), nl=False)
