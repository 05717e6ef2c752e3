"""Options that several commands share."""

from collections.abc import Callable
from typing import TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])


def warehouse_option(command: _Command) -> _Command:
    """Add `--warehouse DIR`, passed as `warehouse: str`: the folder of the tables."""
    return click.option(
        "-w",
        "--warehouse",
        envvar="INGEST_WAREHOUSE",
        default="warehouse",
        show_default="$INGEST_WAREHOUSE, else ./warehouse",
        metavar="DIR",
        help="Folder of the tables.",
    )(command)
