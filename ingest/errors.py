"""The errors that a user can do something about. The command line shows each as one line."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TRACE = " 0: <unknown>"


class IngestError(Exception):
    """Something the user can mend; the message says what happened, to what, and what to do next."""


class WarehouseError(IngestError):
    """The warehouse can't be read or written. Nothing is lost: the offsets say where to go on."""


class SourceError(IngestError):
    """A source can't be found, opened or read."""


def one_line(error: Exception) -> str:
    """Return what *error* says in one line, without the colours and the trace that deltalake may add."""
    return " ".join(_COLOUR.sub("", str(error)).split()).split(_TRACE)[0]


def reason(error: Exception) -> str:
    """Return what *error* says, of an OSError without its number and path: messages name the path themselves."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def complaint(path: Path, error: Exception) -> str:
    """Return what *error* says of the file *path*, which it may name itself."""
    text = reason(error)
    return text if text.startswith((f"{path} ", f"{path}:")) else f"{path}: {text}"


def unended(paths: Sequence[Path]) -> str:
    """Return what to tell of files *paths* whose last line has no end: one line, however many."""
    first, *others = paths
    of = (
        f"{first}: the last record isn't"
        if not others
        else f"{len(paths):,} files, such as {first}: their last record isn't"
    )
    return f"{of} complete yet; it is taken once the file has been quiet for 30 s"


def unread_lines(unread: Mapping[Path, int]) -> str:
    """Return what to tell of files with lines that are *unread*, by their number: one line, however many."""
    lines, (first, *others) = sum(unread.values()), sorted(unread, key=lambda path: -unread[path])
    speak = f"{lines:,} line{'s speak' if lines != 1 else ' speaks'} of tokens and a model, and no format reads "
    of = f"{first}: " if not others else f"{len(unread):,} files, such as {first}: "
    how = f"`ingest explain {first} --suggest-mapping` writes a mapping that does"
    return f"{of}{speak}{'them' if lines != 1 else 'it'}; {how}"
