"""What the shell offers after TAB. It is asked at every key, so what is dear is imported where it is used."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, ZshComplete, add_completion_class

from ingest.cli import settings

_NEWEST = 100
"""So many files of the newest days say which values there are."""

_AS_NAMED = {"model", "provider", "role", "project", "host"}
"""The filters whose column is called as they are; others end in `_id`."""


class _Bash(BashComplete):
    """Leaves no blank behind `limit=`."""

    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)", "COMPREPLY+=($value); [[ $value == *= ]] && compopt -o nospace"
    )


class _Zsh(ZshComplete):
    """Leaves no blank behind `limit=`."""

    source_template = (
        ZshComplete.source_template.replace("local -a response", "local -a response behind")
        .replace('"plain" ]]; then', '"plain" ]]; then\n            [[ "$key" == *= ]] && behind=(-S "")')
        .replace("completions_with_descriptions -U", 'completions_with_descriptions -U "${behind[@]}"')
    )


def teach() -> None:
    """Let shells have what they do from here."""
    add_completion_class(_Bash)
    add_completion_class(_Zsh)


def report_names(ctx: click.Context, _parameter: click.Parameter | None, incomplete: str) -> list[CompletionItem]:
    """Offer the reports that there are, each with its title."""
    found = {file.stem: file for folder in _folders(ctx) for file in folder.glob("*.sql")}
    return [
        CompletionItem(name, help=_title(file)) for name, file in sorted(found.items()) if name.startswith(incomplete)
    ]


def parameters(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the parameters of the report that was named, as its comment explains them."""
    # An option that is still without its value leaves what came before it in `args`.
    name = ctx.params.get("name") or ctx.params.get("report_name") or next(iter(ctx.args), None)
    for folder in reversed(list(_folders(ctx))):
        file = folder / f"{name}.sql"
        if name and file.is_file():
            lines = (line.removeprefix("-- $").partition(": ") for line in _comment(file) if line.startswith("-- $"))
            return [CompletionItem(f"{key}=", help=said) for key, _, said in lines if key.startswith(incomplete)]
    return []


def _folders(ctx: click.Context) -> Iterator[Path]:
    """Yield where reports are, the nearest last."""
    # Finding a package does not import it.
    package = importlib.util.find_spec("queries")
    for place in (package.submodule_search_locations or []) if package else []:
        yield Path(place) / "reports"
    warehouse = ctx.params.get("warehouse") or settings.warehouse().value
    own = (str(Path(warehouse) / "reports"), os.environ.get("INGEST_REPORTS"), ctx.params.get("reports"))
    yield from (Path(folder) for folder in own if folder and Path(folder).is_dir())


def _title(file: Path) -> str:
    return next((line.removeprefix("--").strip() for line in _comment(file)), "")


def _comment(file: Path) -> Iterator[str]:
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.startswith("--"):
            return
        yield line


def files(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to offer files, which it knows better."""
    return [CompletionItem(incomplete, type="file")]


def folders(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to offer folders."""
    return [CompletionItem(incomplete, type="dir")]


def zones(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer time zones."""
    from zoneinfo import available_timezones

    return [CompletionItem(name) for name in sorted(available_timezones()) if name.startswith(incomplete)]


def formats(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the formats that are read."""
    from parsers import FORMATS

    return [CompletionItem(name) for name in sorted(f.name for f in FORMATS) if name.startswith(incomplete)]


def values(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the values of a filter that the newest calls of the warehouse have; none where it can't be read.

    Files that were merged meanwhile may be among those that are read: for a suggestion that does no harm.
    """
    try:
        calls = Path(ctx.params.get("warehouse") or settings.warehouse().value) / "llm_calls"
        newest = sorted(calls.glob("date=*/*.parquet"), key=lambda file: file.parent.name, reverse=True)[:_NEWEST]
        found = _values(newest, str(parameter.name)) if newest else []
    except Exception:  # noqa: BLE001 # whatever is wrong with it: a traceback between two keys would help nobody
        return []
    return [CompletionItem(value) for value in found if value.startswith(incomplete) and value.isprintable()]


def _values(paths: list[Path], name: str) -> list[str]:
    import polars as pl

    column = {"tool": pl.col("format").str.extract(r"^([^/+]+)")}.get(name)
    if column is None:
        column = pl.col(name if name in _AS_NAMED else f"{name}_id")
    scanned = pl.scan_parquet(paths, glob=False, extra_columns="ignore", missing_columns="insert")
    return sorted(scanned.select(column.drop_nulls().unique()).collect().to_series().to_list())
