"""Options that several commands share."""

import errno
import os
import re
import sys
from collections.abc import Callable
from typing import TypeVar

import click

from ingest.cli import completion, settings

_NO_TEXT = re.compile("[\ud800-\udfff]")
_SHOWN = 200
"""Characters of a name that nobody could mean."""

_Command = TypeVar("_Command", bound=Callable[..., object])


def _chosen(ctx: click.Context, _param: click.Parameter, option: str | None) -> str:
    """Return the warehouse, by the one rule of all commands, and say which where the command line doesn't."""
    chosen = settings.warehouse(option, has_paths=bool(ctx.params.get("paths") or ctx.params.get("place")))
    if ctx.resilient_parsing:  # the shell asks what to offer
        return chosen.value
    if option is None and chosen.value != "warehouse" and not chosen.origin.startswith("environment"):
        say(f"warehouse: {chosen.value} ({chosen.origin})")
    return _local(chosen.value)


def warehouse_name_option(command: _Command) -> _Command:
    """Add `--warehouse DIR` for a command that doesn't read it, and so neither says nor checks which."""
    return click.option(
        "-w",
        "--warehouse",
        metavar="DIR",
        shell_complete=completion.folders,
        callback=lambda _ctx, _param, option: settings.warehouse(option).value,
        help="Folder of the tables.",
    )(command)


def _local(folder: str) -> str:
    """Return *folder* if it may be a warehouse that this user may look into: one that isn't there yet may be."""
    if ":/" in folder:
        from ingest.warehouse.storage.store import at, is_address, wrong_with

        if is_address(folder):
            if wrong := wrong_with(folder):
                raise click.BadParameter(wrong)
            at(folder)
            return folder
    if not folder.isprintable() and _NO_TEXT.search(folder):
        raise click.BadParameter("the name of a warehouse is UTF-8, as Delta tables have no other")
    try:
        os.stat(folder)  # noqa: PTH116 # Path would not say why
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) not in {errno.ENOENT, errno.ENOTDIR, errno.EACCES}:
            raise click.BadParameter(f"{folder[:_SHOWN]}: {getattr(error, 'strerror', error)}") from error
        if isinstance(error, FileNotFoundError):
            return folder
    from ingest.warehouse.delta_log import FOLDERS
    from ingest.warehouse.storage.local import Folder

    Folder(folder).check(FOLDERS)
    return folder


def only_a_folder(warehouse: str, command: str) -> None:
    """Refuse a bucket for a *command* that doesn't know any."""
    if "://" in warehouse:
        raise click.UsageError(f"`ingest {command}` reads a warehouse in a folder only, and {warehouse} is a bucket.")


def warehouse_option(command: _Command) -> _Command:
    """Add `--warehouse DIR`, passed as `warehouse: str`: the folder of the tables."""
    return click.option(
        "-w",
        "--warehouse",
        metavar="DIR",
        shell_complete=completion.folders,
        callback=_chosen,
        show_default="$INGEST_WAREHOUSE, the config file's, ./warehouse, or the user's own",
        help="Folder of the tables.",
    )(command)


def mapping_option(command: _Command) -> _Command:
    """Add `--mapping FILE`, passed as `mappings: tuple[str, ...]`."""
    return click.option(
        "--mapping",
        "mappings",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False),
        help="TOML file that describes a log (see `ingest mapping`). Repeatable: the first that takes a line reads it.",
    )(command)


def _share_cores(_ctx: click.Context, _param: click.Parameter, jobs: int | None) -> int | None:
    """Let Polars, which isn't imported yet, take no more cores than there are *jobs*."""
    if jobs:
        os.environ.setdefault("POLARS_MAX_THREADS", str(jobs))
    return jobs


def reading_options(command: _Command) -> _Command:
    """Add what commands that read logs take.

    That are `format_name`, `mappings`, `prices`, `keep_raw`, `host`, `not_a_copy` and `jobs`.
    """
    for option in (
        click.option(
            "--jobs",
            type=click.IntRange(min=1),
            metavar="N",
            is_eager=True,
            callback=_share_cores,
            show_default="all cores",
            help="How many blocks of a log are parsed at once; one more takes a core and some 100 MB.",
        ),
        click.option(
            "--not-a-copy",
            is_flag=True,
            help="Read files that hold the same as another, and say no times, as logs of their own.",
        ),
        click.option(
            "--host", metavar="NAME", help="The machine of these files, where their records don't say it: column host."
        ),
        click.option(
            "--keep-raw",
            is_flag=True,
            help="Keep the text of rejected records, prompts and keys in it included, and not only their structure.",
        ),
        click.option("--prices", type=click.Path(exists=True, dir_okay=False), help="TOML file with your own prices."),
        mapping_option,
        click.option(
            "--format",
            "format_name",
            metavar="NAME",
            shell_complete=completion.formats,
            help="Read only this format, instead of any known one.",
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
