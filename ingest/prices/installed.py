"""What genai-prices says of the models that were asked for, kept between runs: importing it takes 0.2 s.

The file holds nothing that isn't in the installed table: without it, everything is as before, only later.
"""

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import date, time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ingest.prices import entries, match
from ingest.prices.entries import Entry, Period, Rates, Tier, unanimous

MOST = 5_000
"""Entries beyond these are not kept: names of models may be anything."""

Found = dict[tuple[str | None, str], Entry | None]


@dataclass
class Listed:
    """The installed price table, asked by provider and model; with a *file*, what was asked before is read from it."""

    file: Path | None = None
    _found: Found | None = None
    _kept: int = 0

    def entry(self, provider: str | None, model: str) -> Entry | None:
        """Return the prices of *model* at *provider*; None when the table has none, or several that disagree."""
        found, key = self._known(), (provider, model)
        if key not in found:
            found[key] = unanimous(match.find(provider, model))
        return found[key]

    def load(self) -> None:
        """Read what was asked before, or the table itself if that was nothing."""
        if not self._known():
            match.providers()

    def keep(self) -> None:
        """Keep what was asked for the next run; where that can't be written, the next run asks again."""
        found = self._known()
        if self.file is None or self._kept in {len(found), MOST}:
            return
        kept = [[*key, entry] for key, entry in list(found.items())[:MOST]]
        self._kept = len(kept)
        with contextlib.suppress(OSError, ValueError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.file.parent, delete=False, encoding="utf-8") as new:
                json.dump({"made_of": _state(), "entries": kept}, new, default=str)
            Path(new.name).replace(self.file)

    def _known(self) -> Found:
        if self._found is None:
            self._found = {} if self.file is None else _read(self.file)
            self._kept = len(self._found)
        return self._found


def usual_file() -> Path | None:
    """Return the file in the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache`); None without a home."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:
        return None
    return folder / "llm-ingest" / f"genai-prices-{version('genai-prices')}.json"


def _read(file: Path) -> Found:
    """Return what *file* keeps; nothing if it was made of another table, or by another version of the code."""
    try:
        kept = json.loads(file.read_bytes())
        if kept["made_of"] != _state():
            return {}
        return {(provider, model): entry and _entry(*entry) for provider, model, entry in kept["entries"]}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _state() -> list[list[int]]:
    """Return size and time of the files that make an entry what it is."""
    package = find_spec("genai_prices")
    folder = Path(package.origin).parent if package and package.origin else Path()
    files = (folder / "data.py", Path(match.__file__), Path(entries.__file__))
    return [[status.st_size, status.st_mtime_ns] for status in (file.stat() for file in files)]


def _entry(provider: str, model: str, origin: str, periods: list[Any]) -> Entry:
    return Entry(provider, model, origin, tuple(_period(*period) for period in periods))


def _period(start: str | None, window: list[str] | None, tiers: list[Any]) -> Period:
    return Period(
        date.fromisoformat(start) if start else None,
        (time.fromisoformat(window[0]), time.fromisoformat(window[1])) if window else None,
        tuple(
            Tier(above, Rates(*rates)._replace(units=tuple((unit, each) for unit, each in units)))
            for above, (*rates, units) in tiers
        ),
    )
