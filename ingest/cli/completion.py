"""What the shell offers after TAB. It is asked at every key, so nothing here imports DuckDB or reads the warehouse."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from ingest.cli import settings


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
