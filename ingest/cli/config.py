"""`ingest config`: what is settled, and where."""

import json
import os

import click

from ingest.cli import settings
from ingest.cli.options import form_option, wants_json

_SYSTEM = "default, the system's"


@click.group()
def config() -> None:
    """Show the settings of the config file, the environment and the defaults.

    \b
      warehouse = "~/calls"         folder of the tables
      zone = "Europe/Berlin"        of minutes, hours and days
      limits = "~/limits.toml"      rate limits and a budget
      [names]                       what tables on a terminal show instead
      "claude-opus-4-5" = "opus"

    They are in ~/.config/llm-ingest/config.toml (or in $XDG_CONFIG_HOME). Options come before the environment, and
    that before the file.
    """


@config.command()
@click.option("-w", "--warehouse", metavar="DIR", help="As a command would be given it.")
@click.option("--tz", metavar="ZONE", help="As a report would be given it.")
@form_option
def show(*, warehouse: str | None, tz: str | None, form: str | None) -> None:
    """Show each setting, its value and where that comes from."""
    rows = [(key, *setting) for key, setting in _all(warehouse, tz)]
    if wants_json(form):
        click.echo(json.dumps([dict(zip(("setting", "value", "origin"), row, strict=True)) for row in rows], indent=2))
        return
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for key, value, origin in rows:
        click.echo(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {origin}")


def _all(warehouse: str | None, tz: str | None) -> list[tuple[str, settings.Setting]]:
    said, where = settings.config(), settings.config_file()
    system = settings.Setting(os.environ.get("TZ") or "the system's", "environment, $TZ")
    zone = settings.zone(tz) or (system if os.environ.get("TZ") else system._replace(origin=_SYSTEM))
    chosen = settings.warehouse(warehouse)
    in_it = settings.Setting(os.path.join(chosen.value, "limits.toml"), "default, in the warehouse")  # noqa: PTH118
    named = [
        (f"names.{name}", settings.Setting(shown, said.place(name, "names")))
        for name, shown in said.values.get("names", {}).items()
    ]
    there = "" if where.exists() else ", which isn't there"
    return [
        (
            "config",
            settings.Setting(
                str(where),
                ("environment, $XDG_CONFIG_HOME" if os.environ.get("XDG_CONFIG_HOME") else "default") + there,
            ),
        ),
        ("warehouse", chosen),
        ("zone", zone),
        ("limits", said.path("limits") or in_it),
        *named,
    ]
