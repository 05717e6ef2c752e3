"""A packed file that ends too early gives what is complete before the cut, and the rest once it is there as a whole."""

import bz2
import gzip
import lzma
import random
import zlib

import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner
from logs import calls, catch_up, exactly, follower, line, noise, tiles

from ingest.cli import cli

NUMBERS = range(1_500)
FAILURE = (
    "[2026-02-03T14:00:09.000Z] [metrics] ERROR: LLM call to model 'gpt-5' failed: latency 1.5s, request tokens: 0, "
    'response tokens: 0, cost $0.000000, error: 400 {\n  "message": "too long"\n} (agent: coder-001, story: , state: '
    "CODING, error_type: unknown)\n"
)


def zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(data)
    return sink.getvalue().to_pybytes()


PACK = {".gz": gzip.compress, ".bz2": lambda data: bz2.compress(data, 1), ".xz": lzma.compress, ".zst": zstd}
UNPACK = {".gz": lambda: zlib.decompressobj(31), ".bz2": bz2.BZ2Decompressor, ".xz": lzma.LZMADecompressor}


def written():
    chance = random.Random(7)
    return "".join(line(n) + noise(chance.randrange(10**6)) for n in NUMBERS).encode()


def backfill(folder, path):
    return CliRunner().invoke(cli, ["backfill", str(path), "-w", str(folder / "w")])


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("part", [0.0001, 0.5, 0.9, 0.9999])
def test_what_is_complete_before_the_cut_is_read_and_the_rest_when_it_is_there(tmp_path, suffix, part):
    data, path = written(), tmp_path / f"maestro.log.1{suffix}"
    packed = PACK[suffix](data)
    path.write_bytes(packed[: int(len(packed) * part) + 1])

    cut = backfill(tmp_path, path)

    said = [text for text in cut.stderr.splitlines() if not text.startswith("added")]
    assert cut.exit_code == 1
    assert len(said) == 1
    assert said[0].startswith(f"Error: {path} is damaged, or still being written: ")
    there = UNPACK[suffix]().decompress(path.read_bytes()) if suffix in UNPACK else None
    found = calls(tmp_path / "w")
    assert found == exactly(*range(len(found)))
    assert there is None or len(found) == there[: there.rfind(b"\n") + 1].count(b"LLM call")
    assert len(found) > len(NUMBERS) * (part - 0.5)
    assert pl.read_delta(str(tmp_path / "w" / "rejects")).is_empty()

    path.write_bytes(packed)

    assert backfill(tmp_path, path).exit_code == 0
    assert calls(tmp_path / "w") == exactly(*NUMBERS)
    assert all(tiles(tmp_path / "w").values())


@pytest.mark.parametrize("suffix", PACK)
def test_a_packed_file_that_is_still_being_written_is_followed(tmp_path, suffix, caplog):
    data, path = written(), tmp_path / f"maestro.log.1{suffix}"
    packed = PACK[suffix](data)
    follow = follower(tmp_path / "w", path)
    for part in (0.6, 0.8):
        path.write_bytes(packed[: int(len(packed) * part)])
        catch_up(follow)
        found = calls(tmp_path / "w")
        assert found == exactly(*range(len(found)))
        assert len(found) > len(NUMBERS) * (part - 0.4)
    assert "is damaged, or still being written" in caplog.text

    path.write_bytes(packed)
    catch_up(follow)
    follow.close()

    assert calls(tmp_path / "w") == exactly(*NUMBERS)
    assert all(tiles(tmp_path / "w").values())


@pytest.mark.parametrize("at", ["in a line", "between the lines of a record", "after a record that may go on"])
def test_a_record_that_the_cut_goes_through_waits_for_its_rest(tmp_path, at):
    data, path = (line(1) + FAILURE + line(2)).encode(), tmp_path / "maestro.log.1.gz"
    end = {
        "in a line": data.index(b"latency"),
        "between the lines of a record": data.index(b"} (agent"),
        "after a record that may go on": data.rindex(b"[2026"),
    }[at]
    for size in (end, len(data)):
        # Bytes that are stored as they are: each can be cut off.
        path.write_bytes(gzip.compress(data, 0)[: 15 + size + 8 * (size == len(data))])
        backfill(tmp_path, path)

    stored = pl.read_delta(str(tmp_path / "w" / "llm_calls")).sort("source_offset")
    assert stored["request_tokens"].to_list() == [1, None, 2]
    assert stored["error"][1].startswith("400")
    assert stored["agent_id"][1] is not None  # which is said at the record's end
    assert pl.read_delta(str(tmp_path / "w" / "rejects")).is_empty()


def test_a_cut_copy_of_what_was_read_adds_nothing_and_is_told(tmp_path):
    (tmp_path / "maestro.log").write_bytes(written())
    assert backfill(tmp_path, tmp_path / "maestro.log").exit_code == 0
    packed = gzip.compress(written())
    (tmp_path / "copy.log.gz").write_bytes(packed[: len(packed) // 2])

    assert backfill(tmp_path, tmp_path / "copy.log.gz").exit_code == 1
    assert calls(tmp_path / "w") == exactly(*NUMBERS)
