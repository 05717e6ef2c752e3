"""What `report`, `sql` and `export` share: the options that filter calls, and how an answer is written."""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ingest.cli import settings
from ingest.cli.completion import files, parameters, values, zones
from ingest.cli.options import json_option

if TYPE_CHECKING:
    from queries.answers.reports import Answer

FORMATS = ["table", "json", "csv", "md", "parquet", "html", "svg", "png"]
_BINARY = {"parquet": "Parquet", "png": "PNG"}

_Command = TypeVar("_Command", bound=Callable[..., object])

_FILTERS = [
    click.option(
        "--since", metavar="WHEN", help="Calls from a date, time or age: 2026-02-03, today, 2026-02-03T14:00, 24h, 7d."
    ),
    click.option("--until", metavar="WHEN", help="Calls before a time or age; a date includes that day."),
    click.option(
        "--model", metavar="NAME", multiple=True, shell_complete=values, help="Calls of this model; may be given again."
    ),
    click.option("--agent", metavar="ID", multiple=True, shell_complete=values, help="Calls of this agent."),
    click.option("--story", metavar="ID", multiple=True, shell_complete=values, help="Calls for this story."),
    click.option("--session", metavar="ID", multiple=True, shell_complete=values, help="Calls of this session."),
    click.option("--user", metavar="ID", multiple=True, shell_complete=values, help="Calls on behalf of this user."),
    click.option(
        "--account", metavar="ID", multiple=True, shell_complete=values, help="Calls on behalf of this account."
    ),
    click.option("--role", metavar="NAME", multiple=True, shell_complete=values, help="Calls of this kind of agent."),
    click.option("--project", metavar="NAME", multiple=True, shell_complete=values, help="Calls for this project."),
    click.option(
        "--tool",
        metavar="NAME",
        multiple=True,
        shell_complete=values,
        help="Calls that this tool logged, such as claude-code.",
    ),
    click.option("--host", metavar="NAME", multiple=True, shell_complete=values, help="Calls of this machine."),
    click.option("--provider", metavar="NAME", multiple=True, shell_complete=values, help="Calls to this provider."),
    click.option(
        "--tz",
        metavar="ZONE",
        shell_complete=zones,
        default=lambda: (zone := settings.zone()) and zone.value,
        help="Time zone of minutes, hours and days, such as Europe/Berlin. Default: the config file's, the system's.",
    ),
]

_OUTPUT = [
    click.option("--format", "form", type=click.Choice(FORMATS), help="Default: table on a terminal, json in a pipe."),
    json_option,
    click.option(
        "-o", "--output", metavar="FILE", shell_complete=files, help="Write to FILE; its extension says the format."
    ),
    click.option("--all", "all_rows", is_flag=True, help="Show all rows of a table, not just a screen of them."),
    click.option("--columns", metavar="A,B", help="Only these columns, in this order."),
    click.option("--long", is_flag=True, help="Show each row of a table as lines, with all its columns."),
]

TIMEOUT = 300.0
"""Seconds after which a question is given up, unless the user says otherwise."""


def timeout_option(command: _Command) -> _Command:
    """Add `--timeout SECONDS`, passed as `timeout: float`, 0 for none."""
    return click.option(
        "--timeout",
        type=click.FloatRange(min=0),
        default=TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="Give up a question after so long; 0: never.",
    )(command)


def filter_options(command: _Command) -> _Command:
    """Add the filters, passed as keywords that `queries.connect` takes."""
    return _with(_FILTERS, command)


def value_filter_options(command: _Command) -> _Command:
    """Add the filters but those of time."""
    return _with(_FILTERS[2:], command)


def output_options(command: _Command) -> _Command:
    """Add `form`, `output`, `all_rows`, `columns` and `long`, to be passed on to `write`."""
    return _with(_OUTPUT, command)


def parameter_option(command: _Command) -> _Command:
    """Add `-p NAME=VALUE`, passed as `parameters: dict[str, str]`."""
    return click.option(
        "-p",
        "--parameter",
        "parameters",
        metavar="NAME=VALUE",
        multiple=True,
        callback=pairs,
        shell_complete=parameters,
        help="Set a parameter; may be given again.",
    )(command)


def write(  # noqa: PLR0913 # one parameter an option
    answer: "Answer",
    *,
    zone: str,
    form: str | None,
    output: str | None,
    all_rows: bool,
    columns: str | None = None,
    long: bool = False,
) -> None:
    """Write *answer* to *output* or stdout."""
    if columns:
        answer = answer.only([name.strip() for name in columns.split(",")])
    form = form or (_form_of(output) if output else "table" if sys.stdout.isatty() else "json")
    if output and output != "-":
        replace(Path(output), lambda file: file.write_bytes(_bytes(answer, form, zone, long=long)))
    elif form == "table" and sys.stdout.isatty() and not long:
        _table(answer, zone=zone, all_rows=all_rows)
    elif form in _BINARY and sys.stdout.isatty():
        raise click.UsageError(f"{_BINARY[form]} is not for a terminal; use -o FILE.")
    else:
        click.echo(_bytes(answer, form, zone, long=long), nl=False)


def replace(path: Path, write_to: Callable[[Path], object]) -> None:
    """Let *write_to* write a file beside *path*, and give it that name only once it is whole.

    A device or a pipe is written to as it is, and a symbolic link goes on pointing to where it did.
    """
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            write_to(path)
            return
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            part = Path(folder) / path.name
            write_to(part)
            if path.is_dir():
                path.rename(Path(folder) / "replaced")
            part.replace(path)
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror or error}; choose another place") from error


def _bytes(answer: "Answer", form: str, zone: str, *, long: bool = False) -> bytes:
    if form == "table":
        from queries.show import terminal_table

        answer = terminal_table.renamed(answer, settings.names())
        return (terminal_table.as_lines if long else terminal_table.as_text)(answer, zone=zone).encode()
    if form in {"html", "svg", "png"}:
        from queries.show.charts import pictures

        return {"html": pictures.as_html, "svg": pictures.as_svg, "png": pictures.as_png}[form](answer)
    from queries.show import texts

    if form == "parquet":
        return texts.as_parquet(answer)
    return {"json": texts.as_json, "csv": texts.as_csv, "md": texts.as_markdown}[form](answer).encode()


def _table(answer: "Answer", *, zone: str, all_rows: bool) -> None:
    from rich.console import Console

    from queries.show.terminal_table import renamed, table

    console = Console()
    table(renamed(answer, settings.names()), console, zone=zone, rows=None if all_rows else max(console.height - 8, 10))


def _form_of(output: str) -> str:
    forms = {f".{form}": form for form in FORMATS if form != "table"} | {".txt": "table"}
    try:
        return forms[Path(output).suffix.lower()]
    except KeyError as error:
        raise click.UsageError(
            f"{output}: choose an extension of {', '.join(forms)} (`ingest report` takes --format too)."
        ) from error


def pairs(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Return what was given as NAME=VALUE."""
    named = [pair.partition("=") for pair in given]
    for name, equals, _ in named:
        if not equals:
            raise click.BadParameter(f"{name!r} is not NAME=VALUE")
    return {name: value for name, _, value in named}


def _with(options: Sequence[Callable[[Any], Any]], command: _Command) -> _Command:
    for option in reversed(options):
        command = option(command)  # click's decorators return what they are given
    return command
