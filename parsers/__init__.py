"""Line → row: blocks of log lines in, rows of calls, events and rejects out. Pure: no files, no clock, no network."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parsers.blocks.format import Context, Format, Parsed
    from parsers.blocks.lines import MAX_LINE, Block, encoding_of, overlong, split
    from parsers.catalogue import FORMATS, named
    from parsers.claims.parse import Contexts, Rows, parse, recover

__all__ = [
    "FORMATS",
    "MAX_LINE",
    "Block",
    "Context",
    "Contexts",
    "Format",
    "Parsed",
    "Rows",
    "encoding_of",
    "named",
    "overlong",
    "parse",
    "recover",
    "split",
]

_HOMES = {
    "parsers.blocks.format": {"Context", "Format", "Parsed"},
    "parsers.claims.parse": {"Contexts", "Rows", "parse", "recover"},
    "parsers.blocks.lines": {"MAX_LINE", "Block", "encoding_of", "overlong", "split"},
    "parsers.catalogue": {"FORMATS", "named"},
}


def __getattr__(name: str) -> object:
    """Import what is asked for only then: a query needs the schema, and building all formats takes 0.2 s."""
    for home, names in _HOMES.items():
        if name in names:
            value = globals()[name] = getattr(importlib.import_module(home), name)
            return value
    raise AttributeError(f"module 'parsers' has no attribute {name!r}")
