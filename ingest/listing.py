"""The paths of a backfill → its files, and which file each name denotes: names move while files are rotated."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import SourceError
from ingest.files.paths import expand
from ingest.files.streams import Key, key_of

STDIN = Path("-")


@dataclass(frozen=True)
class Listing:
    """The files that *paths* name, in reading order, and which file each is; None where that can't be told."""

    paths: Sequence[str]
    files: dict[Path, Key | None]

    def now(self) -> dict[Path, Key | None]:
        """Return the files that the paths name now, but for standard input."""
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
