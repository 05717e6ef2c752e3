"""When a file can't grow any more, so that a last line without its end counts as a line."""

import time

from ingest.files.streams import PlainStream, Stream

QUIET_SECONDS = 30.0
"""How long a file must not have grown."""


def is_sealed(stream: Stream, *, quiet_seconds: float) -> bool:
    """Tell whether *stream*, which last grew *quiet_seconds* ago, is complete: no process has it open for writing."""
    if not isinstance(stream, PlainStream):
        return True
    return quiet_seconds >= QUIET_SECONDS and stream.has_writer() is not True


def quiet_seconds(stream: Stream) -> float:
    """Return how long ago the file was written, by its own time stamp; nothing for one in the future, or no file."""
    return max(0.0, time.time() - stream.opened.st_mtime) if stream.opened else 0.0
