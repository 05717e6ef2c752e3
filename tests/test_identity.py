"""Equal bytes are one source, whoever meets them first, however little of them, and whatever else begins alike."""

import pytest
from logs import calls, catch_up, exactly, follower, line, lines, noise, tiles


def test_two_equal_files_that_are_there_at_the_start_count_once(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.log").write_bytes(lines(1, 2))
    each = follower(tmp_path / "w", tmp_path / "*.log")
    catch_up(each)
    each.close()

    assert calls(tmp_path / "w") == exactly(1, 2)


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
