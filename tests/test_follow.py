"""A follower brings every complete record into the table once, whatever happens to its file."""

import gzip
import os
import shutil

import pytest
from logs import calls, catch_up, exactly, follower, intake, line, lines, noise, session, sessions, tiles

from ingest.files.paths import find
from ingest.history.backfill import backfill


def test_lines_are_taken_as_they_are_appended(world):
    world.append(lines(1, 2))
    world.holds(1, 2)
    world.append(lines(3))
    world.holds(1, 2, 3)


def test_a_call_knows_its_session_however_long_ago_that_was_named(world):
    world.append(lines(1) + session(11) + lines(2))
    world.look()
    world.append(lines(3))
    world.look()
    world.append(session(12) + lines(4))
    world.look()
    assert sessions(world.warehouse) == {1: None, 2: "11", 3: "11", 4: "12"}


def test_a_file_that_does_not_exist_yet_is_waited_for(world):
    world.holds()
    world.append(lines(1))
    world.holds(1)


def test_half_a_line_is_left_until_its_end_is_written(world):
    data = lines(1, 2)
    for cut in (3, len(line(1).encode()) + 40, len(data)):
        world.append(data[world.log.stat().st_size if world.log.exists() else 0 : cut])
        world.look()
    world.holds(1, 2)


def test_a_rewritten_file_that_begins_alike_and_is_longer_is_a_new_source(world):
    head = lines(*range(100, 140))
    world.append(head + lines(1000))
    world.look()
    world.log.write_bytes(head + lines(2000, 2001))
    world.holds(*range(100, 140), 1000, 2000, 2001)


@pytest.mark.parametrize("where", ["maestro.log.9", "attempt/maestro.log"])
def test_a_copy_under_another_name_adds_nothing(world, where):
    copy = world.folder / where
    copy.parent.mkdir(exist_ok=True)
    world.paths.append(copy)
    world.append(lines(1, 2))
    world.look()
    shutil.copy(world.log, copy)
    world.holds(1, 2)
    world.append(lines(3))
    world.holds(1, 2, 3)


def test_a_shorter_copy_adds_nothing(world):
    world.append(lines(*range(1, 30)))
    world.look()
    world.append(lines(*range(30, 60)))
    world.look()
    whole = world.log.read_bytes()
    world.log.with_name("maestro.log.9").write_bytes(whole[: len(whole) - 700])
    world.holds(*range(1, 60))


def test_a_symbolic_link_that_is_swapped_is_a_rotation(world):
    first, second = world.log.with_name("a.real"), world.log.with_name("b.real")
    first.write_bytes(lines(1))
    world.log.symlink_to(first)
    world.holds(1)
    second.write_bytes(lines(2))
    world.log.unlink()
    world.log.symlink_to(second)
    world.holds(1, 2)


def test_hard_links_are_one_file(world):
    world.paths.append(world.folder / "alias")
    world.append(lines(1, 2))
    os.link(world.log, world.name(".1"))
    world.holds(1, 2)
    os.link(world.log, world.folder / "alias")
    world.append(lines(3), world.folder / "alias")
    world.holds(1, 2, 3)
    world.log.unlink()
    world.append(lines(4))
    world.append(lines(5), world.folder / "alias")
    world.holds(1, 2, 3, 4, 5)


def test_files_with_the_same_head_are_told_apart_by_what_follows(tmp_path):
    head = lines(*range(100, 104))
    for n in range(12):
        (tmp_path / f"{n}.log").write_bytes(head + lines(1000 + n, 2000 + n))
    several = follower(tmp_path / "w", tmp_path / "*.log")
    catch_up(several)
    several.close()

    found = calls(tmp_path / "w")
    assert all(found[1000 + n] == found[2000 + n] == 1 for n in range(12))
    assert all(tiles(tmp_path / "w").values())


def test_two_followers_of_one_file_count_each_call_once(tmp_path):
    log = tmp_path / "maestro.log"
    log.write_bytes(lines(1, 2))
    one, two = follower(tmp_path / "w", log), follower(tmp_path / "w", log)
    for n in range(3, 12):
        with log.open("ab") as file:
            file.write(lines(n))
        for each in (one, two) if n % 2 else (two, one):
            catch_up(each)
    one.close()
    two.close()

    assert calls(tmp_path / "w") == exactly(*range(1, 12))


def test_following_what_was_backfilled_adds_nothing(tmp_path):
    for n in range(1, 5):
        (tmp_path / f"maestro.log.{n}").write_bytes(lines(n * 10, n * 10 + 1))
    (tmp_path / "maestro.log").write_bytes(lines(1, 2))
    with intake(tmp_path / "w") as into:
        backfill(find([str(tmp_path / "maestro.log")]), into, progress=lambda *_: None)
    everything = exactly(1, 2, *(n * 10 + k for n in range(1, 5) for k in (0, 1)))
    assert calls(tmp_path / "w") == everything

    late = follower(tmp_path / "w", tmp_path / "maestro.log")
    catch_up(late)
    late.close()
    assert calls(tmp_path / "w") == everything


def test_any_split_of_the_file_over_two_looks_gives_the_same_rows(tmp_path):
    data = {cut: lines(cut + 1000, cut + 1001, cut + 1002) for cut in range(0, len(lines(1000, 1001, 1002)), 3)}
    each = follower(tmp_path / "w", tmp_path / "*.log")
    for cut, text in data.items():
        (tmp_path / f"{cut}.log").write_bytes(text[:cut])
    catch_up(each)
    for cut, text in data.items():
        with (tmp_path / f"{cut}.log").open("ab") as file:
            file.write(text[cut:])
    catch_up(each)
    each.close()

    assert calls(tmp_path / "w") == exactly(*range(1000, 1000 + 3 * len(data)))
    assert all(tiles(tmp_path / "w").values())


def test_a_file_that_is_written_byte_by_byte(tmp_path):
    each, written = follower(tmp_path / "w", tmp_path / "maestro.log"), b""
    with (tmp_path / "maestro.log").open("ab", buffering=0) as log:
        for byte in lines(1, 2, 3):
            log.write(bytes([byte]))
            written += bytes([byte])
            catch_up(each)
            complete = sum(b"LLM call" in ended for ended in written.split(b"\n")[:-1])
            assert calls(tmp_path / "w") == exactly(*range(1, complete + 1))
    each.close()

    assert all(tiles(tmp_path / "w").values())


def test_files_whose_first_line_is_the_same_are_told_apart_though_the_second_is_long(tmp_path):
    for n in range(5):
        second = line(n + 1, agent="a" * 600)
        (tmp_path / f"{n}.log").write_bytes(noise(0).encode() + second.encode())
    for _ in range(2):
        with intake(tmp_path / "w") as into:
            backfill(find([str(tmp_path / "*.log")]), into, progress=lambda *_: None)

    assert calls(tmp_path / "w") == exactly(*range(1, 6))
    assert all(tiles(tmp_path / "w").values())


def test_five_generations_two_of_them_packed_give_the_rows_of_the_plain_ones(tmp_path):
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    for folder in (plain, packed):
        folder.mkdir()
        for n in range(5):
            name = folder / ("maestro.log" if n == 0 else f"maestro.log.{n}")
            data = session(n) + lines(*range(n * 100, n * 100 + 20))
            if folder is packed and n in (2, 4):
                name.with_name(f"{name.name}.gz").write_bytes(gzip.compress(data))
            else:
                name.write_bytes(data)
    for folder in (plain, packed):
        with intake(folder / "w") as into:
            backfill(find([str(folder / "maestro.log")]), into, progress=lambda *_: None)

    assert calls(packed / "w") == calls(plain / "w") == exactly(*(n * 100 + k for n in range(5) for k in range(20)))
    assert sessions(packed / "w") == sessions(plain / "w")
    late = follower(packed / "w", packed / "maestro.log")
    catch_up(late)
    late.close()
    assert calls(packed / "w") == calls(plain / "w")
