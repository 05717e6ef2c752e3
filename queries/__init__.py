"""Table → answer: DuckDB views over the warehouse, and the saved reports that use them."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from queries.answers.ask import ask
    from queries.answers.reports import load, names, run
    from queries.connection.connect import connect
    from queries.connection.frames import frame
    from queries.errors import QueryError
    from queries.show.charts.drawing import chart

__all__ = ["QueryError", "ask", "chart", "connect", "frame", "load", "names", "run"]

_HOMES = {
    "queries.answers.ask": {"ask"},
    "queries.answers.reports": {"load", "names", "run"},
    "queries.connection.connect": {"connect"},
    "queries.connection.frames": {"frame"},
    "queries.errors": {"QueryError"},
    "queries.show.charts.drawing": {"chart"},
}


def __getattr__(name: str) -> object:
    """Import what is asked for only then: the command line needs the error at once, and DuckDB takes 0.1 s."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'queries' has no attribute {name!r}")
