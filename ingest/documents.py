"""Files that hold one JSON document instead of lines: exports, API responses saved to a file."""

import json
from collections.abc import Sequence

from ingest.files.streams import Stream
from parsers import Format, Rows
from parsers.jsonl.documents import parse_document

MAX_DOCUMENT = 256 << 20
"""Largest document taken, in bytes: it must be in memory as a whole."""

MAX_TORN = 16 << 20
"""Up to this size what may become a document is looked at again, from its beginning, whenever it changed."""


def document(stream: Stream, beginning: bytes, formats: Sequence[Format], *, ended: bool) -> tuple[Rows, bytes] | None:
    """Return the rows of *stream* and its bytes if it is one complete JSON document that a format knows.

    *beginning*, which `may_be_document`, is what has been read of it, all of it if it *ended*. A complete document
    can't grow, so it need not be sealed to be taken; one that is written anew, longer, is another source.
    """
    data = beginning if ended else stream.read(0, MAX_DOCUMENT + 1)
    rows = parse_document(data, formats) if len(data) <= MAX_DOCUMENT else None
    return (rows, data) if rows else None


def may_be_document(beginning: bytes, *, ended: bool) -> bool:
    """Tell a document from JSON lines: its first line is no value of its own, or there is no second line."""
    start = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] not in (b"{", b"["):
        return False
    first, newline, rest = start.partition(b"\n")
    try:
        json.loads(first)
    except json.JSONDecodeError as error:
        # A line that is no JSON from some place on, such as `[2026-02-03T14:00:00Z] …`, doesn't begin a document.
        return error.msg.startswith(("Extra data", "Unterminated")) or error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        return True
    return not newline or (ended and not rest.strip())
