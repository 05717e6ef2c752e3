"""Lines are what splitting the bytes gives, wherever the bytes were cut."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.blocks.lines import MAX_LINE, Block, encoding_of, split

PIECES = st.lists(
    st.one_of(
        st.sampled_from([b"\n", b"\r\n", b"\r", b"\xef\xbb\xbf", b"\xff", b"\xc3", b"{", "é🔄".encode(), b"a", b""]),
        st.binary(max_size=8).filter(lambda piece: 0 not in piece),
    ),
    max_size=30,
)


def lines_of(data):
    """Return the lines of *data* with their places, by the plainest means."""
    result, start = [], 0
    for line in data.split(b"\n")[: None if not data.endswith(b"\n") and data else -1]:
        end = min(start + len(line) + 1, len(data))
        body = line.removesuffix(b"\r")
        if start == 0:
            body = body.removeprefix(b"\xef\xbb\xbf")
        result.append((body.decode("utf-8", "replace"), start, end))
        start = end
    return result


@settings(deadline=None)
@given(pieces=PIECES)
def test_lines_are_those_of_the_bytes(pieces):
    data = b"".join(pieces)
    assert split(Block(data, sealed=True)).frame().rows() == lines_of(data)


@settings(deadline=None)
@given(pieces=PIECES, cuts=st.lists(st.integers(0, 300), max_size=5))
def test_lines_are_the_same_however_the_bytes_were_cut(pieces, cuts):
    data = b"".join(pieces)
    bounds = sorted({0, len(data), *(data.rfind(b"\n", 0, cut) + 1 for cut in cuts)})
    found = []
    for start, end in pairwise(bounds):
        found += split(Block(data[start:end], start, sealed=end == len(data))).frame().rows()
    assert found == lines_of(data)


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_splitting_any_bytes_accounts_for_every_byte(data):
    lines = split(Block(data, sealed=True))
    covered = (
        lines.frame().select("source_offset", "source_end").rows()
        + lines.rejects.select("source_offset", "source_end").rows()
    )
    assert sum(end - start for start, end in covered) == len(data)


def test_a_run_of_nul_bytes_is_a_hole_and_the_line_after_it_is_kept():
    lines = split(Block(b"one\n" + b"\0" * 9 + b"two\nthree\n", 100))
    assert lines.frame().rows() == [("one", 100, 104), ("two", 113, 117), ("three", 117, 123)]
    assert lines.rejects.select("reason", "source_offset", "source_end").rows() == [("hole of 9 NUL bytes", 104, 113)]


def test_nul_bytes_inside_a_line_stay_in_it():
    assert split(Block(b"a\0b\n")).frame()["line"].to_list() == ["a\0b"]


def test_a_byte_order_mark_is_dropped_only_at_the_beginning_of_the_source():
    marked = b"\xef\xbb\xbfa\n"
    assert split(Block(marked)).frame()["line"].to_list() == ["a"]
    assert split(Block(b"b\n" + marked)).frame()["line"].to_list() == ["b", "\ufeffa"]
    assert split(Block(b"\0c\n" + marked, 7)).frame()["line"].to_list() == ["c", "\ufeffa"]


@pytest.mark.parametrize("size", [MAX_LINE, MAX_LINE + 1])
def test_a_line_beyond_the_cap_is_rejected_and_its_neighbours_are_kept(size):
    data = b"one\n" + b"x" * (size - 1) + b"\ntwo\n"
    lines = split(Block(data))
    rejected = size > MAX_LINE
    assert lines.rejects.height == rejected
    assert lines.frame()["source_offset"].to_list() == ([0, 4 + size] if rejected else [0, 4, 4 + size])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read_and_offsets_count_its_bytes(encoding):
    data = "\ufeffé🔄 one\r\n\ntwo\n".encode(encoding)
    assert encoding_of(data) == encoding
    lines = split(Block(data, encoding=encoding)).frame()
    assert lines["line"].to_list() == ["é🔄 one", "", "two"]
    assert lines["source_offset"].to_list() == [0, 20, 22]
    assert lines["source_end"].to_list()[-1] == len(data)


def test_chosen_lines_keep_their_places():
    lines = split(Block(b"a\nb\r\n\xff\nd", 10, sealed=True))
    chosen = pl.Series([False, True, True, False]).to_numpy()
    assert lines.frame(chosen).rows() == [("b", 12, 15), ("\ufffd", 15, 17)]
