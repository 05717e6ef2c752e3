"""What a path or URL given on the command line names: a database, or anything else. Imports nothing that is slow."""

from collections.abc import Sequence
from pathlib import Path

from ingest.databases import postgres_address
from ingest.databases.postgres_address import is_address

SUFFIXES = (".db", ".sqlite", ".sqlite3")
"""How the names of SQLite files usually end."""

_MAGIC = b"SQLite format 3\0"


def is_sqlite(path: Path) -> bool:
    """Tell whether *path* is a file that begins as SQLite files do."""
    try:
        if not path.is_file():
            return False  # to open a named pipe would wait for its writer
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def is_database(text: str) -> bool:
    """Tell whether *text*, a path, glob or URL, names databases; a file that isn't there yet by its suffix."""
    return is_address(text) or text.endswith(SUFFIXES) or is_sqlite(Path(text))


def may_hold_databases(paths: Sequence[str]) -> bool:
    """Tell whether any of *paths* is a database, or a folder, in which there may be some."""
    return any(is_database(text) or Path(text).is_dir() for text in paths)


def split(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the databases among *paths*, and the others."""
    return [p for p in paths if is_database(p)], [p for p in paths if not is_database(p)]


def shown(text: str) -> str:
    """Return *text*, a path or URL, without what is secret.

    Raises:
        SourceError: It is meant to be an address of PostgreSQL, and is none.
    """
    return postgres_address.shown(text) if is_address(text) else text
