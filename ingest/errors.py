"""The errors that a user can do something about. The command line shows each as one line."""

from pathlib import Path


class IngestError(Exception):
    """Something the user can mend; the message says what happened, to what, and what to do next."""


class WarehouseError(IngestError):
    """The warehouse can't be read or written. Nothing is lost: the offsets say where to go on."""


class SourceError(IngestError):
    """A source can't be found, opened or read."""


def reason(error: Exception) -> str:
    """Return what *error* says, of an OSError without its number and path: messages name the path themselves."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def complaint(path: Path, error: Exception) -> str:
    """Return what *error* says of the file *path*, which it may name itself."""
    text = reason(error)
    return text if text.startswith((f"{path} ", f"{path}:")) else f"{path}: {text}"
