"""What a path or URL given on the command line names: a database, or anything else. Imports nothing that is slow."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ingest.errors import SourceError

SCHEMES = ("postgresql://", "postgres://")
"""How the URLs of databases begin."""

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
    return text.startswith(SCHEMES) or text.endswith(SUFFIXES) or is_sqlite(Path(text))


def may_hold_databases(paths: Sequence[str]) -> bool:
    """Tell whether any of *paths* is a database, or a folder, in which there may be some."""
    return any(is_database(text) or Path(text).is_dir() for text in paths)


def split(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the databases among *paths*, and the others."""
    return [p for p in paths if is_database(p)], [p for p in paths if not is_database(p)]


def shown(text: str) -> str:
    """Return *text*, a path or URL, without what is secret."""
    return without_secrets(text) if text.startswith(SCHEMES) else text


def without_secrets(url: str) -> str:
    """Return *url* without user, password and parameters: server and database are left.

    Raises:
        SourceError: It isn't a URL.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SourceError("that isn't a URL of PostgreSQL: postgresql://user:password@host:port/database") from error
    host = parts.netloc.rsplit("@", 1)[-1]
    given = dict(parse_qsl(parts.query)).get("host", "")
    return f"postgresql://{host or (given if not given.startswith('/') else '')}{parts.path}"
