"""Options that several commands share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ingest.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.prices.price import Prices
    from parsers import Format

_Command = TypeVar("_Command", bound=Callable[..., object])


def _local(ctx: click.Context, _param: click.Parameter, folder: str) -> str:
    """Return *folder* if it may be a warehouse that this user may look into: one that isn't there yet may be."""
    if ctx.resilient_parsing:  # the shell asks what to offer
        return folder
    if "://" in folder:
        raise click.BadParameter(f"{folder} is an address; a warehouse is a folder of this machine")
    from ingest.warehouse.storage.local import check

    check(Path(folder))
    return folder


def warehouse_option(command: _Command) -> _Command:
    """Add `--warehouse DIR`, passed as `warehouse: str`: the folder of the tables."""
    return click.option(
        "-w",
        "--warehouse",
        envvar="INGEST_WAREHOUSE",
        default="warehouse",
        show_default="$INGEST_WAREHOUSE, else ./warehouse",
        metavar="DIR",
        callback=_local,
        help="Folder of the tables.",
    )(command)


def reading_options(command: _Command) -> _Command:
    """Add the options of the commands that read logs: `format_name`, `mapping`, `prices`, `keep_raw`."""
    for option in (
        click.option(
            "--keep-raw",
            is_flag=True,
            help="Keep the text of rejected records, prompts and keys in it included, and not only their structure.",
        ),
        click.option("--prices", type=click.Path(exists=True, dir_okay=False), help="TOML file with your own prices."),
        click.option("--mapping", type=click.Path(exists=True, dir_okay=False), help="TOML file that describes a log."),
        click.option(
            "--format", "format_name", metavar="NAME", help="Read only this format, instead of any known one."
        ),
    ):
        command = option(command)
    return command


def table_option(command: _Command) -> _Command:
    """Add `--table NAME`, passed as `tables: tuple[str, ...]`: which tables of databases to read."""
    return click.option(
        "--table",
        "tables",
        multiple=True,
        metavar="NAME",
        help="Table of a database to read, instead of all known ones. Repeatable.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add `-j`, a short way to write `--format json`, passed as `form` too."""
    return click.option("-j", "--json", "form", flag_value="json", help="Short for --format json.")(command)


def form_option(command: _Command) -> _Command:
    """Add `--format table|json` and `-j`, passed as `form`, which `wants_json` reads."""
    choice = click.Choice(["table", "json"])
    option = click.option("--format", "form", type=choice, help="Default: table on a terminal, json in a pipe.")
    return option(json_option(command))


def wants_json(form: str | None) -> bool:
    """Whether to print JSON: *form* asks for it, or there is no terminal."""
    return (form or ("table" if sys.stdout.isatty() else "json")) == "json"


def is_quiet() -> bool:
    """Whether `ingest --quiet` was asked for."""
    return bool(click.get_current_context().find_root().params.get("quiet"))


def say(message: str) -> None:
    """Say on stderr how it went, unless the user wants to read nothing but warnings and errors."""
    if not is_quiet():
        click.echo(message, err=True)


def formats_of(format_name: str | None, mapping: str | None) -> "Sequence[Format]":
    """Return the formats to read: the one named, the one that a mapping describes, or all.

    Raises:
        IngestError: There is no such format, or the mapping is wrong.
    """
    from parsers import FORMATS

    if mapping:
        from ingest.mappings import load_mapping
        from parsers.mapping.mapping import format_of

        return [format_of(load_mapping(Path(mapping)))]
    if not format_name:
        return FORMATS
    chosen = [f for f in FORMATS if f.name == format_name]
    if not chosen:
        raise IngestError(f"no format {format_name!r}; known are {', '.join(sorted(f.name for f in FORMATS))}")
    return chosen


def allow_labels(warehouse: str) -> None:
    """Let texts with blanks pass under the names that the user calls labels, in `privacy.toml` of the warehouse.

    Raises:
        IngestError: The file can't be read, or has something else than `labels`.
    """
    file = Path(warehouse, "privacy.toml")
    if not file.exists():
        return
    import tomllib

    from parsers.values.privacy import extend_labels

    try:
        listed = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise IngestError(f'cannot read {file}: {error}; it takes one line such as `labels = ["squad"]`') from error
    labels = listed.pop("labels", [])
    if listed or not isinstance(labels, list) or not all(isinstance(name, str) for name in labels):
        raise IngestError(f'{file} takes one line such as `labels = ["squad"]`: names of fields, as text')
    extend_labels(labels)


def prices_of(path: str | None, warehouse: str) -> "Prices":
    """Return the price table: the user's own prices from *path*, else from the warehouse, over the built-in ones."""
    from ingest.prices.installed import usual_file
    from ingest.prices.price import load_prices

    own = Path(warehouse, "prices.toml")
    return load_prices(Path(path) if path else own if own.exists() else None, kept=usual_file())
