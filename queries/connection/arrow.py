"""An object that is nothing but its rows, by Arrow's C stream interface."""

from typing import Protocol


class Streaming(Protocol):
    """What hands its rows over that way: a frame of Polars, a relation of DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule with the stream."""


class Stream:
    """The rows of *source*, whose class stays unknown to who takes them.

    DuckDB would send a frame of Polars through pyarrow. Polars remembers each class that it is given, and with it the
    module of that class, to the end of the process: DuckDB's, which complains on leaving that it is still in use.
    """

    def __init__(self, source: Streaming) -> None:
        """Wrap *source*."""
        self._source = source

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return a capsule with the stream."""
        return self._source.__arrow_c_stream__(requested_schema)
