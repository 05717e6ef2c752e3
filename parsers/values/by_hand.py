"""Files that people write by hand - mappings, prices, limits, settings, reports - read within bounds.

Whatever a path leads to, reading it ends: a device that never does, a pipe that nobody writes to and TOML that is
nested without end are errors like others.
"""

import errno
import tomllib
from collections.abc import Callable
from importlib.resources.abc import Traversable
from typing import Any

LARGEST = 64 << 20
"""Bytes that nobody writes by hand."""

_PROCESS = "/dev/"
"""Where a shell passes what a command prints, `<(command)`, as a pipe."""


def bytes_of(file: Traversable) -> bytes:
    """Return what is in *file*.

    Raises:
        OSError: It can't be read, is a named pipe, or has more than anybody writes.
    """
    if getattr(file, "is_fifo", bool)() and not str(file).startswith(_PROCESS):
        raise OSError(errno.ESPIPE, "it is a pipe; write what comes out of it to a file")
    with file.open("rb") as opened:
        read: bytes = opened.read(LARGEST + 1)
    if len(read) > LARGEST:
        raise OSError(errno.EFBIG, f"it has more than {LARGEST >> 20} MB, which nobody writes by hand")
    return read


def text_of(file: Traversable) -> str:
    """Return the text in *file*, without a byte order mark.

    Raises:
        OSError: As `bytes_of` does.
        UnicodeDecodeError: It is not UTF-8.
    """
    return bytes_of(file).decode("utf-8").replace("\r\n", "\n").removeprefix("\ufeff")


def toml_of(text: str, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Return what the TOML *text* says.

    Raises:
        TOMLDecodeError: It is no TOML, or none that anybody could read.
    """
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except RecursionError as error:
        raise tomllib.TOMLDecodeError("it is nested too deeply") from error
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # a number of more digits than Python reads, a date that there isn't
        raise tomllib.TOMLDecodeError(str(error)) from error


def toml_in(
    file: Traversable, wrong: Callable[[str], Exception], parse_float: Callable[[str], Any] = float
) -> tuple[str, dict[str, Any]]:
    """Return the text in *file*, and what it says as TOML; what is wrong with it is raised as *wrong* says it.

    Raises:
        OSError: As `bytes_of` does.
        Exception: What *wrong* makes of one line that names the file, where it is not UTF-8 or no TOML.
    """
    try:
        text = text_of(file)
        return text, toml_of(text, parse_float)
    except UnicodeDecodeError as error:
        raise wrong(f"{file} is not UTF-8 at byte {error.start}: save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise wrong(f"{file} is not TOML: {error}") from error
