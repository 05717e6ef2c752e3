"""The command line: every command parses its arguments, calls one function and prints what it returns."""

import gc
import importlib
import logging
import os
import re
from typing import cast

import click

from ingest.errors import IngestError
from parsers.values.messages import denied, visible_lines
from queries.errors import QueryError

# Have Polars keep freed memory for five seconds instead of half a second: every block of a log needs what the last one
# freed, and asking the system for it again takes a tenth of the time. Its allocator reads this once, when imported.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:5000,muzzy_decay_ms:0")

# Nothing here uses NumPy's linear algebra, which would start a thread that spins for 0.1 s.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Imports and expressions make many objects and hardly any garbage: to collect it at the default rate would take 60 ms.
gc.set_threshold(20_000, 50, 50)

_PASSWORD = re.compile(r"([A-Za-z][\w+.-]*://[^\s/@:]*):[^\s@/]*@")

COMMANDS = {
    "follow": "Follow logs into the warehouse, exactly once, until stopped.",
    "backfill": "Read history into the warehouse: rotated, compressed, thousands of files.",
    "verify": "Check that the warehouse holds what it says, and what its logs still say.",
    "repair": "Put a damaged warehouse back to its last good state.",
    "expire": "Delete the rows of days that are older than you need.",
    "compact": "Merge small files; followers and backfills do it by themselves.",
    "fold": "Commit what many hosts have put into the inbox of a bucket.",
    "dims": "Take snapshots of sessions, stories and failures, to name what calls belong to.",
    "status": "Show what has been read from each source, and what is behind.",
    "statusline": "Show one line for prompts and editors: tokens a minute, cost today.",
    "report": "Run a saved report, or list them all.",
    "check": "Ask the rules of alerts.toml, and tell what crossed them.",
    "sql": "Run read-only SQL on the same tables and views that the reports use.",
    "export": "Hand calls or a report to other tools: Parquet, CSV, DuckDB.",
    "watch": "Show limits, cost and calls as they come, on a screen.",
    "serve": "Show a page of it, live, and answer reports over HTTP.",
    "page": "Write that page as one file that needs no network.",
    "explain": "Show how a line is read: format, fields, columns, or why it is rejected.",
    "mapping": "Explain how to describe a log of your own, with examples.",
    "prices": "Show model prices, and which models would be unpriced.",
    "reprice": "Compute the cost of stored calls again, by other prices.",
    "config": "Show the settings of the config file, the environment and the defaults.",
}
"""Each command is `ingest.cli.<name>.<name>`, imported only when it is run, so that `--help` stays quick."""


class _Told(click.ClickException):
    """An error of one line, with the exit code that its kind has."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc] # click has it for the class


def _repeatable(text: str) -> str:
    """Return what an error says, that no terminal obeys it, and without the password of an address in it."""
    return visible_lines(_PASSWORD.sub(r"\1:…@", text))


class _Root(click.Group):
    """Imports a command when it is used; shows our own errors as one line, and lets bugs keep their traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = getattr(importlib.import_module(f"ingest.cli.{cmd_name}"), cmd_name)
        return cast("click.Command", command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from ingest.cli.completion import report_names

            if any(report.value == args[0] for report in report_names(ctx, None, args[0])):
                ctx.fail(f"{args[0]} is a report: run `ingest report {args[0]}`")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            error.__dict__["message"] = _repeatable(error.message)  # click repeats what it was given
            raise
        except (IngestError, QueryError) as error:
            raise _Told(_repeatable(str(error)), getattr(error, "exit_code", 1)) from error
        except PermissionError as error:
            what = error.filename or re.sub(r".*\(os error 13\): | \(set POLARS_.*", "", str(error))
            raise click.ClickException(visible_lines(denied(what, written=True))) from error


def _spelled_out(record: logging.LogRecord) -> bool:
    """Let a message say the names of files and values of logs so that no terminal obeys them."""
    record.msg, record.args = visible_lines(record.getMessage()), None
    return True


@click.group(cls=_Root, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="llm-ingest", prog_name="ingest")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")
@click.pass_context
def cli(ctx: click.Context, /, *, quiet: bool) -> None:
    """Turn the logs of LLM applications into one table, exactly once, and answer questions about it.

    \b
      ingest                          which logs are here, and what reads them
      ingest follow maestro.log       tail a log into ./warehouse until stopped
      ingest backfill logs/           the same for history
      ingest report tpm               how near the rate limit, per model
      ingest export calls.parquet     hand the data to a notebook

    Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failure, 2 usage, 3 a limit was crossed,
    4 rejects under --strict.
    """
    logging.basicConfig(
        format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING if quiet else logging.INFO
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(_spelled_out)
    if ctx.invoked_subcommand is None:
        from ingest.cli import found

        found.show()


if "_INGEST_COMPLETE" in os.environ:  # a shell asks
    from ingest.cli import completion

    completion.teach()
