"""Line → row: blocks of log lines in, rows of calls, events and rejects out. Pure: no files, no clock, no network."""

from parsers.format import Context, Format, Parsed
from parsers.parse import Contexts, Rows, parse, recover
from parsers.records import MAX_LINE, Block, encoding_of, overlong, split
from parsers.registry import FORMATS

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
    "overlong",
    "parse",
    "recover",
    "split",
]
