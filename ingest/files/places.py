"""Where applications keep their logs: the known places of this machine, found without being named."""

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Found:
    """A place that is there: whose it is, the *path* or pattern to read, and what is in it, which takes a look."""

    name: str
    path: Path

    def size(self) -> tuple[int, int]:
        """Return how many files it holds, and how many bytes; what may not be read counts as nothing."""
        sizes = [size for path in _matches(self.path) for size in _sizes(path)]
        return len(sizes), sum(sizes)


def found(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> list[Found]:
    """Return the known places that are there, in the order of `places.toml`."""
    seen: set[Path] = set()
    places = []
    for place in _known():
        for folder in _folders(place, environment, platform):
            for below in place["below"]:
                path = folder / below
                if any(_matches(path)) and (real := path.resolve()) not in seen:
                    seen.add(real)
                    places.append(Found(place["name"], path))
    return places


@cache
def _known() -> list[dict[str, Any]]:
    text = (resources("ingest.files") / "places.toml").read_text(encoding="utf-8")
    known: list[dict[str, Any]] = tomllib.loads(text)["place"]
    return known


def _folders(place: Mapping[str, Any], environment: Mapping[str, str], platform: str) -> Iterator[Path]:
    if given := environment.get(place.get("env", "")):
        yield from (Path(part.strip()) for part in (given.split(",") if place.get("many") else [given]) if part.strip())
        return
    for text in place["paths"]:
        root, _, below = text.partition("/")
        for base in _bases(root, environment, platform):
            yield Path(base) / below if below else Path(base)


def _bases(root: str, environment: Mapping[str, str], platform: str) -> list[str]:
    """Return what the first part of a path stands for on a system: see `places.toml`."""
    home = environment.get("USERPROFILE" if platform == "win32" else "HOME", "") or str(Path("~").expanduser())
    if root == "~":
        return [home]
    if not root.startswith("$"):
        return [root]
    if platform == "win32":
        roaming = environment.get("APPDATA", f"{home}/AppData/Roaming")
        local = environment.get("LOCALAPPDATA", f"{home}/AppData/Local")
        return [local, roaming] if root == "$DATA" else [roaming]
    config = environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
    data = environment.get("XDG_DATA_HOME") or f"{home}/.local/share"
    usual = data if root == "$DATA" else config
    return [f"{home}/Library/Application Support", usual] if platform == "darwin" else [usual]


def _matches(path: Path) -> list[Path]:
    """Return what is there of *path*: all that match, where its name is a pattern."""
    try:
        if path.name.startswith("*"):
            return sorted(path.parent.glob(path.name))
        return [path] if path.exists() else []
    except OSError:
        return []


def _sizes(path: Path) -> Iterator[int]:
    try:
        if path.is_file():
            yield path.stat().st_size
            return
        entries = list(os.scandir(path))
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        yield from _sizes(Path(entry.path))
