"""Equal bytes are one source, whoever meets them first, however little of them, and whatever else begins alike."""

import shutil

import pytest
from logs import calls, catch_up, exactly, follower, line, lines, noise, tiles

from ingest.files.streams import PlainStream
from ingest.reading.cursor import FIRST


def test_two_equal_files_that_are_there_at_the_start_count_once(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.log").write_bytes(lines(1, 2))
    each = follower(tmp_path / "w", tmp_path / "*.log")
    catch_up(each)
    each.close()

    assert calls(tmp_path / "w") == exactly(1, 2)


@pytest.mark.parametrize("interval", [0.001, 1000])
def test_equal_files_that_take_several_reads_count_once_and_do_not_wait_for_the_interval(tmp_path, interval):
    padding = noise(1).encode() * 20
    data = b"".join(lines(n) + padding for n in range(2, 2000))
    assert len(data) > 2 * FIRST
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.log").write_bytes(data)
    each = follower(tmp_path / "w", tmp_path / "*.log", interval=interval)
    catch_up(each, final=False)
    each.tick(final=True)
    each.close()

    assert calls(tmp_path / "w") == exactly(*range(2, 2000))
    assert list(tiles(tmp_path / "w").values()) == [True]


def test_a_copy_that_goes_on_where_its_original_has_read_ahead_is_not_committed_beside_it(tmp_path):
    log, other = tmp_path / "maestro.log", tmp_path / "other.log"
    log.write_bytes(lines(1))
    each = follower(tmp_path / "w", tmp_path / "*.log", interval=1000)
    each.tick(final=True)
    with log.open("ab") as file:
        file.write(noise(1).encode())
    other.write_bytes(lines(9))
    each.tick()
    each.intake.flush([f.cursor for f in each.tracked.values() if f.path == other])
    shutil.copy(log, tmp_path / "new")
    with (tmp_path / "new").open("ab") as file:
        file.write(lines(2))
    (tmp_path / "new").replace(log)
    each.tick(final=True)
    catch_up(each)
    each.close()

    assert calls(tmp_path / "w") == exactly(1, 2, 9)
    assert all(tiles(tmp_path / "w").values())


def test_a_file_that_is_rewritten_between_the_check_and_the_read_is_read_from_its_beginning(tmp_path):
    log = tmp_path / "maestro.log"
    log.write_bytes(lines(1, 2))
    each = follower(tmp_path / "w", log)
    catch_up(each)
    (file,) = each.tracked.values()
    at = file.cursor.position

    class Rewritten(PlainStream):
        def read(self, offset, size):
            if offset == at and calls(tmp_path / "w").total() == 2:
                log.write_bytes(lines(*range(10, 90)))
            return super().read(offset, size)

    file.cursor.stream = Rewritten(log)
    with log.open("ab") as appended:
        appended.write(lines(3))
    catch_up(each)
    catch_up(each)
    each.close()

    assert calls(tmp_path / "w") == exactly(1, 2, *range(10, 90))
    assert all(tiles(tmp_path / "w").values())


def test_a_copy_made_before_the_first_record_and_refreshed_after_it_counts_once(tmp_path):
    first, copy = tmp_path / "a.log", tmp_path / "b.log"
    first.write_text(noise(1))
    copy.write_text(noise(1))
    each = follower(tmp_path / "w", tmp_path / "*.log")
    catch_up(each)
    first.write_bytes(noise(1).encode() + lines(1, 2))
    catch_up(each)
    copy.write_bytes(noise(1).encode() + lines(1, 2, 3))
    catch_up(each)
    each.close()

    assert calls(tmp_path / "w") == exactly(1, 2, 3)


@pytest.mark.parametrize("shorter_first", [True, False])
def test_two_followers_that_meet_a_growing_file_at_different_lengths_name_it_alike(tmp_path, shorter_first):
    log = tmp_path / "maestro.log"
    log.write_text(line(1))
    one, two = follower(tmp_path / "w", log, interval=1000), follower(tmp_path / "w", log, interval=1000)
    one.tick()
    log.write_text(line(1) + line(2))
    two.tick()
    for each in (one, two) if shorter_first else (two, one):
        catch_up(each)
    for each in (one, two):
        catch_up(each)
        each.close()

    assert calls(tmp_path / "w") == exactly(1, 2)
    assert list(tiles(tmp_path / "w").values()) == [True]
