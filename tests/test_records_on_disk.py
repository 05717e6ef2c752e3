"""Records as they really lie on a disk: torn, glued, endless, full of holes, in other encodings, resumed anywhere."""

import gzip
import os
import resource
from pathlib import Path

import polars as pl
import pytest
from logs import append, calls, catch_up, exactly, follower, intake, line, lines, tiles

from ingest.files import streams
from ingest.files.paths import find
from ingest.history.backfill import backfill
from parsers.blocks.lines import MAX_LINE


def rejects(folder):
    return pl.read_delta(str(folder / "rejects"))


def wait_out(follower):
    """Let the time pass that a retired file must not have grown."""
    for file in follower.tracked.values():
        file.changed_at -= streams.QUIET_SECONDS


@pytest.fixture
def log(tmp_path):
    return tmp_path / "maestro.log"


@pytest.fixture
def each(tmp_path, log):
    one = follower(tmp_path / "w", log)
    yield one
    one.close()


def test_a_line_end_of_two_bytes_that_is_split_between_two_looks(tmp_path, log, each):
    data = lines(1, 2).replace(b"\n", b"\r\n")
    at = data.index(b"\n", 300)
    append(log, data[:at])
    catch_up(each)
    append(log, data[at:])
    catch_up(each)

    assert calls(tmp_path / "w") == exactly(1, 2)


def test_an_unterminated_last_line_waits_until_nobody_can_end_it(tmp_path, log, each):
    append(log, lines(1) + line(2).encode()[:-1])
    catch_up(each)
    assert calls(tmp_path / "w") == exactly(1)

    log.rename(f"{log}.1")
    append(log, lines(4))
    catch_up(each)
    assert calls(tmp_path / "w") == exactly(1, 4)

    with Path(f"{log}.1").open("ab"):
        wait_out(each)
        catch_up(each)
        assert calls(tmp_path / "w") == exactly(1, 4)
    catch_up(each)
    assert calls(tmp_path / "w") == exactly(1, 2, 4)


def test_a_retired_file_that_grows_again_after_its_last_line_was_taken(tmp_path, log, each):
    append(log, lines(1) + line(2).encode()[:-1])
    log.rename(f"{log}.1")
    append(log, lines(4))
    catch_up(each)
    wait_out(each)
    catch_up(each)
    append(tmp_path / "maestro.log.1", b"\n" + lines(5))
    catch_up(each)

    assert calls(tmp_path / "w") == exactly(1, 2, 4, 5)


@pytest.mark.parametrize("size", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1])
def test_a_line_about_as_long_as_lines_may_be(tmp_path, log, each, size):
    append(log, lines(1) + b"x" * (size - 1) + b"\n" + lines(2))
    catch_up(each)

    assert calls(tmp_path / "w") == exactly(1, 2)
    assert rejects(tmp_path / "w").height == (size > MAX_LINE)
    assert all(tiles(tmp_path / "w").values())


def test_a_line_of_200_mib_is_one_reject_and_stays_out_of_memory(tmp_path, log, each):
    append(log, lines(1))
    catch_up(each)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        append(log, b"y" * (1 << 20))
    catch_up(each)
    append(log, b"\n" + lines(2))
    catch_up(each)

    assert calls(tmp_path / "w") == exactly(1, 2)
    assert rejects(tmp_path / "w")["reason"].to_list() == [f"line of {(200 << 20) + 1} bytes is longer than {MAX_LINE}"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


@pytest.mark.parametrize("size", [1 << 20, 100 << 20, pytest.param(10 << 30, marks=pytest.mark.slow)])
def test_a_hole_does_not_hide_the_records_after_it(tmp_path, log, each, size):
    append(log, lines(1))
    with log.open("ab") as file:
        file.truncate(file.tell() + size)
        file.seek(0, os.SEEK_END)
        file.write(lines(2, 3))
    catch_up(each)

    assert calls(tmp_path / "w") == exactly(1, 2, 3)
    assert all(tiles(tmp_path / "w").values())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_obeyed_in_the_middle_of_the_file_too(tmp_path, log, each, encoding):
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"\xef\xbb\xbf")
    plain = encoding.removesuffix("-sig")
    append(log, mark + lines(1, 2).decode().encode(plain))
    catch_up(each)
    append(log, lines(3).decode().encode(plain))
    catch_up(each)
    again = follower(tmp_path / "w", log)
    append(log, lines(4, 5).decode().encode(plain))
    catch_up(again)
    again.close()

    assert calls(tmp_path / "w") == exactly(1, 2, 3, 4, 5)


def test_invalid_bytes_and_control_characters_cost_no_record_beside_them(tmp_path, log, each):
    append(log, lines(1) + b"\xff\xfe\x80\x1b[31m\x07\r\x0b garbage\n" + b"\0" * 50 + lines(2) + b"\xc3")
    catch_up(each)
    append(log, b"\n" + lines(3))
    catch_up(each)

    assert calls(tmp_path / "w") == exactly(1, 2, 3)


HOSTILE = {
    "deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "gigantic": b'{"usage":{"input_tokens":' + b"9" * 5000 + b',"output_tokens":1},"model":"x"}',
    "infinite": b'{"usage":{"input_tokens":1e400,"output_tokens":-5},"model":"x\\u0000"}',
    "brackets": b"[" * 100_000,
    "digits": line(1).replace("request tokens: 1,", f"request tokens: {'9' * 400},").encode().strip(),
    "escape": b'{"model":"\x1b]0;evil\x07","usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}',
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_line_costs_no_record_beside_it(tmp_path, log, each, hostile):
    append(log, lines(101) + hostile + b"\n" + lines(102))
    catch_up(each)

    assert calls(tmp_path / "w")[101] == calls(tmp_path / "w")[102] == 1


def test_empty_and_blank_lines_are_nothing(tmp_path, log, each):
    append(log, b"\n\n  \n\t\n")
    catch_up(each)
    append(log, lines(1) + b"\n\n")
    catch_up(each)

    assert calls(tmp_path / "w") == exactly(1)
    assert rejects(tmp_path / "w").height == 0


def test_a_packed_file_that_unpacks_to_a_thousand_times_its_size_stays_out_of_memory(tmp_path):
    bomb = tmp_path / "bomb.log.gz"
    with gzip.open(bomb, "wb", compresslevel=1) as packed:
        packed.write(lines(1))
        for _ in range(16):
            packed.write(b"\0" * (8 << 20))
        packed.write(b"\n" + lines(2))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with intake(tmp_path / "w") as into:
        backfill(find([str(bomb)]), into, progress=lambda *_: None)

    assert calls(tmp_path / "w") == exactly(1, 2)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 << 10


def test_the_lines_of_a_file_cut_anywhere_by_a_rotation(tmp_path, log, each):
    data = lines(1, 2)
    append(log, data[:300])
    catch_up(each)
    append(log, data[300:])
    log.rename(f"{log}.1")
    append(log, lines(4))
    catch_up(each)

    assert calls(tmp_path / "w") == exactly(1, 2, 4)
