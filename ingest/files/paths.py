"""Paths, folders and globs → the files to read, each rotated family in its order, the oldest first."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ingest.errors import SourceError
from ingest.files.streams import Key, key_of, suffix_of

_LOG_SUFFIXES = frozenset({".log", ".jsonl", ".ndjson", ".json", ".txt", ".out", ".err", ".csv"})
_SKIPPED_FOLDERS = frozenset({".git", "node_modules", "__pycache__", ".venv"})
_LIVE_NAMES = frozenset({"current"})
"""Names without a suffix that are logs: what svlogd, s6-log and multilog write to."""

_NUMBER = re.compile(r"^(?P<base>.+?)\.(?P<number>\d{1,4})\Z", re.DOTALL)
_NUMBER_WITHIN = re.compile(r"^(?P<base>.+?)\.(?P<number>\d{1,4})(?P<suffix>\.[a-z]+)\Z", re.DOTALL)
_DATE = re.compile(
    r"""^(?P<base>.+?)[-._]{1,2}
    (?P<date>
        (?:\d{4}-?\d\d-?\d\d(?:[-T_]?\d\d(?:[-:_]?\d\d){0,2}(?:[._]\d{1,9})?)?|\d{10})  # a day, a time, a fraction
        (?:[-._]\d{1,10})?  # a number, or seconds since 1970
    )
    (?P<suffix>\.[^\W\d]\w*)?\Z""",
    re.DOTALL | re.VERBOSE,
)
_LABEL = re.compile(r"^(?P<date>@[0-9a-f]{24})(?:\.[stu])?\Z")
_OLD = re.compile(r"^(?P<base>.+?)\.(?:old|bak|prev|previous|last)(?P<suffix>\.[a-z]+)?\Z", re.DOTALL)
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Member:
    """A file of a family: the live one has neither *number* nor *date*."""

    path: Path
    base: Path
    number: int = 0
    date: str = ""

    @property
    def live(self) -> bool:
        """Whether this is the name that the application writes to."""
        return not self.number and not self.date


@lru_cache(maxsize=1 << 16)
def member(path: Path) -> Member:
    """Return which family *path* belongs to by the names that rotators usually give, each possibly packed.

    `name.log` has `name.log.N`, `name.N.log`, `name.log-DATE`, `name-DATE.log`, a time and a number behind the date,
    and `name.log.old`; `current` has `@LABEL.s`. Others are found by what they hold: see `generations.py`.
    """
    plain = path.name.removesuffix(suffix_of(path))
    if found := _DATE.match(plain):
        return Member(path, path.with_name(found["base"] + (found["suffix"] or "")), date=found["date"])
    if found := _NUMBER.match(plain):
        return Member(path, path.with_name(found["base"]), number=int(found["number"]))
    if (found := _NUMBER_WITHIN.match(plain)) and found["suffix"] in _LOG_SUFFIXES:
        return Member(path, path.with_name(found["base"] + found["suffix"]), number=int(found["number"]))
    if found := _LABEL.match(plain):
        return Member(path, path.with_name("current"), date=found["date"])
    if found := _OLD.match(plain):
        return Member(path, path.with_name(found["base"] + (found["suffix"] or "")), number=1)
    return Member(path, path.with_name(plain))


def family(path: Path) -> list[Path]:
    """Return the files that exist of the family of *path*, the oldest generation first."""
    base = member(path).base
    return [m.path for m in in_order(_families(base.parent).get(base, []))]


def _families(folder: Path) -> dict[Path, list[Member]]:
    """Return the files in *folder* by family."""
    found: dict[Path, list[Member]] = {}
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return found
    for name in names:
        this = member(folder / name)
        found.setdefault(this.base, []).append(this)
    return found


def in_order(members: Iterable[Member]) -> list[Member]:
    """Return *members* by family, the oldest first: dates ascending, then numbers descending, then the live one."""
    return sorted(members, key=lambda m: (m.base, m.live, not m.date, _ascending(m.date), -m.number, m.path))


def _ascending(date: str) -> list[int]:
    """Return the numbers of a *date*, by which it is sooner or later than others."""
    return [int(date[1:], 16)] if date.startswith("@") else [int(digits) for digits in re.findall(r"\d+", date)]


def expand(paths: Sequence[str], *, families: bool) -> list[Path]:
    """Return the files that *paths* (files, folders, globs) name now, in reading order and each once.

    With *families*, a file stands for its rotated generations as well. A path that doesn't exist is left out.
    """
    found: dict[Path, Member] = {}
    listed: dict[Path, dict[Path, list[Member]]] = {}
    for text in paths:
        alone = families and not is_folder(path_of(text))
        for path in _matches(text):
            this = member(path)
            found.setdefault(path, this)
            if alone and this.live:
                if path.parent not in listed:
                    listed[path.parent] = _families(path.parent)
                found |= {m.path: m for m in listed[path.parent].get(path, [])}
    return [m.path for m in in_order(found.values())]


def what_is_missing(path: str) -> str:
    """Say what *path*, a file, folder or glob, waits for; nothing when it names a file now, if only a rotated one."""
    if next(iter(_matches(path)), None) is not None:
        return ""
    if is_folder(path_of(path)):
        return f"no log is in {path} yet; waiting for one"
    if _GLOB.search(path):
        return f"nothing matches {path} yet; waiting for it"
    return f"{path} isn't there yet; waiting for it"


def below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return the files below *folder* with one of *suffixes*, such as `.db`; never a warehouse's own."""
    named = (path for path in everything_below(folder) if any(suffix in path.name for suffix in suffixes))
    return [path for path in named if member(path).base.suffix in suffixes]


def everything_below(folder: Path, *, depth: int | None = None) -> Iterator[Path]:
    """Yield all files below *folder*, so many folders deep, whatever they are called; never a warehouse's own."""
    above = len(folder.parts)
    for parent, names, files in os.walk(folder, followlinks=depth is not None):
        if "_delta_log" in names:
            names.clear()
            continue
        names[:] = sorted(n for n in names if n not in _SKIPPED_FOLDERS)
        if depth is not None and len(Path(parent).parts) - above >= depth:
            names.clear()
        yield from (_path(parent, name) for name in sorted(files))


def is_folder(path: Path) -> bool:
    """Tell whether *path* is a folder; unlike `Path.is_dir`, without raising where that may not be known."""
    return os.path.isdir(path)  # noqa: PTH112 # it may raise


def looks_like_log(path: Path) -> bool:
    """Tell by its name whether *path*, found in a folder, is read: it, or what it is a generation of, is called so."""
    base = member(path).base
    return base.suffix in _LOG_SUFFIXES or base.name in _LIVE_NAMES


def folders(paths: Sequence[str]) -> dict[Path, bool]:
    """Return the folders in which *paths* may appear or change, and whether their subfolders count too."""
    result: dict[Path, bool] = {}
    for text in paths:
        path = path_of(text)
        deep = is_folder(path) or "**" in text
        folder = path if is_folder(path) else _fixed_part(path) if _GLOB.search(text) else path.parent
        result[folder] = result.get(folder, False) or deep
    return result


def _matches(text: str) -> Iterator[Path]:
    path = path_of(text)
    if is_folder(path):
        yield from filter(looks_like_log, everything_below(path))
    elif os.path.exists(path):  # noqa: PTH110 # False where that may not be known
        yield path
    elif _GLOB.search(text):
        fixed = _fixed_part(path)
        yield from (p for p in sorted(fixed.glob(str(path.relative_to(fixed)))) if os.path.isfile(p))  # noqa: PTH113 # False where that may not be known
    else:
        # The live name may be missing for an instant while its family is being rotated.
        # A link that leads nowhere has a name, and is no file.
        yield from (p for p in family(path) if os.path.exists(p)) if member(path).live else ()  # noqa: PTH110 # see above


@lru_cache(maxsize=1 << 16)
def _path(folder: str, name: str) -> Path:
    """Return a path, the same object each time."""
    return Path(folder, name)


def path_of(text: str) -> Path:
    """Return the path that *text* names, in whose home directory it may be."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)  # nobody is called so: a name that begins with `~`


def _fixed_part(path: Path) -> Path:
    parts = []
    for part in path.parts:
        if _GLOB.search(part):
            break
        parts.append(part)
    return Path(*parts)


STDIN = Path("-")


@dataclass(frozen=True)
class Listing:
    """The files that *paths* name, in reading order, and which file each is; None where that can't be told.

    Without paths, it is these files and no others.
    """

    paths: Sequence[str]
    files: dict[Path, Key | None]

    def now(self) -> dict[Path, Key | None]:
        """Return the files that the paths name now, but for standard input."""
        if not self.paths:
            return keys_of(self.files)
        return keys_of(expand([path for path in self.paths if path != "-"], families=True))


def find(paths: Sequence[str]) -> Listing:
    """Return the files that *paths* name, families in their order.

    Raises:
        SourceError: One of them names nothing.
    """
    files: dict[Path, Key | None] = {}
    for path in paths:
        found = keys_of([STDIN] if path == "-" else expand([path], families=True))
        if not found:
            if Path(path).is_dir():
                raise SourceError(f"no file in {path} looks like a log; name the files themselves, or a glob")
            raise SourceError(f"no such file, folder or match: {path}")
        files |= found
    return Listing(paths, files)


def keys_of(files: Iterable[Path]) -> dict[Path, Key | None]:
    """Return which file each of *files* is now."""
    return {path: key_at(path) for path in files}


def key_at(path: Path) -> Key | None:
    """Return which file has the name *path* now; None where that can't be told."""
    try:
        return None if path == STDIN else key_of(path.stat())
    except OSError:
        return None
