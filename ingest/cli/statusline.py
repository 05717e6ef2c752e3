"""`ingest statusline`: one line for prompts and editors, from a small file, without reading the warehouse.

Who uses it has the file: `--refresh` makes it, and then each commit, backfill and report leaves it anew, in a process
of its own, so that none of them waits.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ingest.cli import settings
from ingest.cli.options import only_a_folder, warehouse_name_option

_MINUTE = 60
_STALE = 120
"""Seconds after which the line says how old its numbers are."""
_AGAIN = 10
"""Seconds between two refreshes, at least."""


@click.command()
@warehouse_name_option
@click.option("--refresh", is_flag=True, help="Read the warehouse now, and keep it up to date from then on.")
def statusline(*, warehouse: str, refresh: bool) -> None:
    """Show one line: tokens of the last minute, and what today cost against the budget.

    It reads a small file and no warehouse, in less than 0.1 s. --refresh makes that file; from then on each commit of
    `follow`, each backfill and each report leaves it anew. The line says when its numbers are old, or missing.

    \b
      ingest statusline --refresh
      PS1='$(ingest statusline) \\$ '
    """
    if refresh:
        only_a_folder(warehouse, "statusline")
        _refresh(warehouse)
    click.echo(line(_read(cache_file(warehouse)), time.time()))


def refresh_later(warehouse: str, *, seconds: float = 0) -> bool:
    """Have the file made anew, if this user has it, in a process that nobody waits for, unless it is that young."""
    try:
        is_young = time.time() - cache_file(warehouse).stat().st_mtime < seconds
    except OSError:
        return False  # not in use
    if not is_young:
        command = [
            sys.executable,
            "-m",
            "ingest",
            "-q",
            "statusline",
            "--refresh",
            "-w",
            str(Path(warehouse).absolute()),
        ]
        silent = subprocess.DEVNULL
        _STARTED[:] = [process for process in _STARTED if process.poll() is None]
        _STARTED.append(subprocess.Popen(command, stdin=silent, stdout=silent, stderr=silent, start_new_session=True))  # noqa: S603
    return not is_young


_STARTED: list[subprocess.Popen[bytes]] = []
"""What was started and may still run: who forgets a process can't let go of it when it ends."""


class Commits:
    """What a follower has committed since the file was made anew: that is done every few seconds, and at the end."""

    def __init__(self, warehouse: str) -> None:
        self._warehouse, self._seen = warehouse, 0

    def came(self, commits: int) -> None:
        """Have the file made anew, if *commits* are more than were seen, and it isn't that of a moment ago."""
        if commits > self._seen and refresh_later(self._warehouse, seconds=_AGAIN):
            self._seen = commits

    def ended(self, commits: int) -> None:
        """Have it made anew for the last time."""
        if commits > self._seen:
            refresh_later(self._warehouse)


def cache_file(warehouse: str) -> Path:
    """Return the file of *warehouse*, which is there once it was asked for."""
    name = hashlib.sha256(os.fsencode(Path(warehouse).absolute())).hexdigest()[:16]
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "llm-ingest" / f"statusline-{name}.json"


def line(kept: Mapping[str, Any] | None, now: float) -> str:
    """Return what to show of what was *kept*, at the moment *now*."""
    if kept is None:
        return "ingest: no numbers yet, run `ingest statusline --refresh`"
    parts = [_tokens(kept, now), _cost(kept, now)]
    if (age := now - kept["at"]) > _STALE:
        parts.append(f"as of {_spoken(age)} ago")
    return " · ".join(parts)


def _tokens(kept: Mapping[str, Any], now: float) -> str:
    by_model: dict[str, int] = {}
    for second, model, tokens in kept["recent"]:
        if now - _MINUTE < second <= now:
            by_model[model or "?"] = by_model.get(model or "?", 0) + tokens
    said = f"TPM {sum(by_model.values()):,}"
    if not by_model:
        return said
    # The one that is nearest to its limit, or the largest where none has one.
    limits = kept["limits"]
    model = max(by_model, key=lambda name: (by_model[name] / limits.get(name, float("inf")), by_model[name]))
    share = f" at {by_model[model] / limits[model]:.0%} of its limit" if model in limits else ""
    return f"{said} ({model}{share})"


def _cost(kept: Mapping[str, Any], now: float) -> str:
    if now >= kept["day_ends"]:
        return "today unknown"
    spent, budget = kept["cost_usd"], kept["budget_usd"]
    without = kept["unpriced_calls"]
    unpriced = f", {without:,} call{'s' * (without != 1)} unpriced" if without else ""
    if spent is None:
        return f"today {'unknown' if without else '$0.00'}{unpriced}"
    if budget is None:
        return f"today ${spent:,.2f}{unpriced}"
    return f"today ${spent:,.2f} of ${budget:,.2f} ({spent / budget:.0%}){unpriced}"


def _spoken(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) and kept.keys() >= _KEYS else None


_KEYS = {"at", "recent", "limits", "cost_usd", "budget_usd", "unpriced_calls", "day_ends"}


def _refresh(warehouse: str) -> None:
    from queries.answers.at_a_glance import glance

    chosen = settings.zone()
    kept = glance(warehouse, tz=chosen and chosen.value, limits=settings.limits())
    file = cache_file(warehouse)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as part:
            json.dump(kept, part)
        Path(part.name).replace(file)
    except OSError as error:
        raise click.ClickException(f"cannot write {file}: {error.strerror}; set $XDG_CACHE_HOME") from error
