"""A block, a record and a document are bounded by what they hold, and not only by their bytes."""

import gzip

import pytest
from logs import calls, catch_up, exactly, follower, lines, tiles

from ingest.files.streams import open_stream
from ingest.reading.blocks import advance
from ingest.reading.cursor import MAX_LINES, Cursor, end_of_block
from parsers import FORMATS, Block, parse
from parsers.blocks.lines import MAX_RECORD_LINES
from parsers.claims import documents
from parsers.claims.documents import document_of

ROOM = 4096
"""How many lines more than `MAX_LINES` the last piece of a block may hold."""

SPANNING = b"[2026-03-04T11:20:18.002Z] [coder-001] ERROR: LLM retries exhausted (3 attempts): boom\n"


def lines_at_once(path):
    """Return how many lines of *path* each block took."""
    stream, counts = open_stream(path), []
    cursor = Cursor(path, stream, FORMATS)
    cursor.place(b"", None)
    while taken := advance(cursor, sealed=True):
        counts.append(stream.read(cursor.position - taken, taken).count(b"\n"))
    stream.close()
    return counts


@pytest.mark.parametrize("short", [b"\n", b"{}\n", b"x\r\n"], ids=["empty", "braces", "x"])
def test_a_block_of_short_lines_has_no_more_than_so_many(tmp_path, short):
    log = tmp_path / "short.log"
    log.write_bytes(short * (2 * MAX_LINES + 10))
    counts = lines_at_once(log)
    assert sum(counts) == 2 * MAX_LINES + 10
    assert max(counts) <= MAX_LINES + ROOM


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_block_ends_where_a_line_does(encoding, whole):
    data = ("ab\n" * 10_000 + "rest").encode(encoding)
    end = end_of_block(data, encoding, most=100, whole=whole)
    assert data[:end].decode(encoding).endswith("ab\n")
    assert 100 <= data[:end].decode(encoding).count("\n") <= 100 + ROOM
    assert end_of_block(data, encoding, most=10_000, whole=whole) == len(data) - (
        0 if whole else len("rest".encode(encoding))
    )


def test_calls_between_very_many_short_lines_count_once(tmp_path):
    log, packed = tmp_path / "a.log", tmp_path / "b.log.gz"
    log.write_bytes(lines(1) + b"\n" * (MAX_LINES + 5) + lines(2) + b"{}\n" * MAX_LINES + lines(4))
    packed.write_bytes(gzip.compress(lines(5) + b"\n" * (2 * MAX_LINES) + lines(7)))
    each = follower(tmp_path / "w", tmp_path)
    catch_up(each)
    each.close()
    assert calls(tmp_path / "w") == exactly(1, 2, 4, 5, 7)
    assert all(tiles(tmp_path / "w").values())


def test_a_record_that_is_never_closed_is_taken_after_so_many_lines():
    fewer = parse(Block(SPANNING + b"\n" * (MAX_RECORD_LINES // 2)), FORMATS)
    assert fewer.end == 0
    more = parse(Block(SPANNING + b"\n" * MAX_RECORD_LINES), FORMATS)
    assert more.end == len(SPANNING) + MAX_RECORD_LINES


def test_a_document_of_too_many_values_is_not_made(monkeypatch):
    data = b"[" + b"{},\n" * 20 + b"{}]"
    assert document_of(data)
    monkeypatch.setattr(documents, "MAX_OBJECTS", 20)
    assert document_of(data) is None
    monkeypatch.undo()
    monkeypatch.setattr(documents, "MAX_VALUES", 10)
    assert document_of(data) is None
