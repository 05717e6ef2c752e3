"""Rotation in every way that writers and tools do it, told of by events or not, the follower running or stopped."""

import bz2
import gzip
import lzma
import os
import shutil
import subprocess

import polars as pl
import pytest
from logs import calls, catch_up, exactly, follower, lines, noise, tiles

HEADER = b'{"usage_surface_version":2}\n'


@pytest.mark.parametrize("times", [1, 2, 5])
def test_every_generation_of_a_log_rotated_by_rename_is_read_once(world, times):
    world.append(lines(1))
    world.look()
    for n in range(times):
        world.append(lines(10 * n + 2))
        world.rotate()
        world.append(lines(10 * n + 3))
    world.holds(1, *(10 * n + k for n in range(times) for k in (2, 3)))


def test_a_name_that_is_missing_between_two_renames(world):
    world.append(lines(1))
    world.look()
    world.append(lines(2))
    world.log.rename(world.name(".2"))
    (world.folder / "other.tmp").touch()
    world.look()
    world.append(lines(3))
    world.holds(1, 2, 3)


def test_a_process_that_goes_on_writing_into_its_rotated_file(world):
    world.append(lines(1))
    world.look()
    with world.log.open("ab", buffering=0) as old:
        world.rotate()
        old.write(lines(2))
        world.append(lines(3))
        world.look()
        world.rotate()
        old.write(lines(4))
        world.append(lines(5))
        world.holds(1, 2, 3, 4, 5)


def test_copy_and_truncate_with_a_writer_that_appends(world):
    with world.log.open("ab", buffering=0) as writer:
        writer.write(lines(1, 2))
        world.look()
        writer.write(lines(3))
        shutil.copy(world.log, world.name(".1"))
        os.truncate(world.log, 0)
        writer.write(lines(4))
        world.holds(1, 2, 3, 4)


def test_copy_and_truncate_with_a_writer_that_does_not_append_leaves_a_hole(world):
    with world.log.open("wb", buffering=0) as writer:
        writer.write(lines(1, 2))
        world.look()
        writer.write(lines(3))
        shutil.copy(world.log, world.name(".1"))
        os.truncate(world.log, 0)
        writer.write(lines(4))
        world.holds(1, 2, 3, 4)
    assert "hole of" in pl.read_delta(str(world.warehouse / "rejects"))["reason"][0]


@pytest.mark.parametrize("head", [[], [110, 120, 130]], ids=["another head", "the same head"])
@pytest.mark.parametrize("again", ["smaller", "equal", "larger"])
def test_truncated_and_written_anew(world, again, head):
    world.append(lines(*head, 200, 300, 400))
    world.look()
    numbers = {"smaller": [500], "equal": [500, 600, 700], "larger": [500, 600, 700, 800]}[again]
    last = world.log.read_bytes()[-32:]
    world.log.write_bytes(lines(*head, *numbers))
    assert world.log.read_bytes()[-32:] == last
    world.holds(*head, 200, 300, 400, *numbers)


@pytest.mark.parametrize("what", ["emptied", "emptied and copied", "written anew"])
def test_what_was_read_and_not_yet_committed_is_committed_when_its_file_is_truncated(tmp_path, what):
    log = tmp_path / "maestro.log"
    log.write_bytes(lines(1, 2, 3))
    each = follower(tmp_path / "w", log, interval=1000)
    each.tick()
    if what == "emptied and copied":
        shutil.copy(log, tmp_path / "maestro.log.1")
    os.truncate(log, 0)
    if what == "written anew":
        log.write_bytes(lines(4))
    for _ in range(3):
        each.tick(final=True)
    each.close()

    assert calls(tmp_path / "w") == exactly(1, 2, 3, *([4] if what == "written anew" else []))
    assert all(tiles(tmp_path / "w").values())


def test_deleted_and_created_again_with_the_same_inode(world):
    world.append(lines(1))
    world.look()
    world.stop()  # an open file keeps its inode from being used again
    inode = world.log.stat().st_ino
    world.log.unlink()
    spare = []
    for n in range(200):
        world.append(lines(2))
        if world.log.stat().st_ino == inode:
            break
        spare.append(world.log.rename(world.folder / f"{n}.spare"))
    else:
        world.append(lines(2))  # another process was given the inode; the name alone is used again then
    world.holds(1, 2)


@pytest.mark.parametrize("opener", [gzip.open, bz2.open, lzma.open], ids=["gz", "bz2", "xz"])
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_packed_before_during_and_after_it_was_read(world, opener, when):
    suffix = {gzip.open: ".gz", bz2.open: ".bz2", lzma.open: ".xz"}[opener]
    world.append(lines(1, 2))
    if when != "before":
        world.look()
    if when == "during":
        world.append(lines(3))
    with opener(world.name(f".1{suffix}"), "wb") as packed:
        packed.write(world.log.read_bytes())
    world.log.unlink()
    world.append(lines(4))
    world.holds(1, 2, *([3] if when == "during" else []), 4)


def test_a_gz_of_several_members_and_one_that_is_still_being_written(world):
    whole = gzip.compress(lines(1)) + gzip.compress(lines(2, 3))
    packed = world.name(".1.gz")
    packed.write_bytes(whole[: len(whole) - 20])
    world.append(lines(4))
    world.look()
    packed.write_bytes(whole)
    world.append(lines(5))
    world.holds(1, 2, 3, 4, 5)


def test_a_gz_with_garbage_behind_it_gives_what_it_holds(world):
    world.name(".1.gz").write_bytes(gzip.compress(lines(1)) + b"\0" * 512)
    world.append(lines(2))
    world.holds(1, 2)


def test_a_generation_packed_with_zstd_is_read_before_the_live_file(world):
    packed = world.name(".1.zst")
    plain = world.folder / "plain"
    plain.write_bytes(lines(1, 2))
    import pyarrow as pa

    with pa.output_stream(str(packed), compression="zstd") as file:
        file.write(plain.read_bytes())
    world.append(lines(3))
    world.holds(1, 2, 3)


def test_an_editor_that_replaces_the_file_by_a_longer_one(world):
    world.append(lines(1, 2))
    world.look()
    (world.folder / "new").write_bytes(lines(1, 2, 3))
    (world.folder / "new").replace(world.log)
    world.holds(1, 2, 3)


def test_dated_generations(world):
    world.append(lines(1))
    world.look()
    world.append(lines(2))
    world.log.rename(world.name("-20260203"))
    world.append(lines(3))
    world.holds(1, 2, 3)


def test_links_that_lead_nowhere_or_in_a_circle_are_waited_for(world):
    world.log.symlink_to(world.folder / "nothing")
    (world.folder / "other.tmp").touch()
    world.look()
    world.log.unlink()
    world.log.symlink_to(world.log)
    (world.folder / "other.tmp").touch()
    world.look()
    world.log.unlink()
    world.append(lines(1))
    world.holds(1)


def test_files_that_begin_with_the_same_header_diverge_and_outgrow_each_other(world):
    one, two = world.paths[:] = world.folder / "a" / "usage.jsonl", world.folder / "b" / "usage.jsonl"
    for path in (one, two):
        path.parent.mkdir()
        world.append(HEADER, path)
    world.holds()
    for n, path in ((1, one), (2, two), (3, two), (4, two), (5, one), (6, one), (7, one)):
        world.append(usage(n), path)
        world.holds(*range(1, n + 1))


def usage(number):
    """Return the line of call *number* in the accounts that begin with `HEADER`."""
    return (
        f'{{"finished_at":"2026-08-04T00:05:00.{number:03}Z","input_tokens":{number},"output_tokens":1,'
        '"reasoning_tokens":0,"cache_read_tokens":0,"cache_write_tokens":0,"cost_usd":0.0425,"provider":"anthropic",'
        '"model":"claude-opus-5","story_id":"story-a","agent_id":"coder","latency_ns":1500000000,"success":true}\n'
    ).encode()


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_files_that_begin_with_the_same_64_kib(world, count):
    head = "".join(noise(n) for n in range(900)).encode()
    assert len(head) > 64 << 10
    world.paths[:] = [world.folder / "*.log"]
    for n in range(count):
        (world.folder / f"{n}.log").write_bytes(head)
    world.holds()
    for n in range(count):
        world.append(lines(n), world.folder / f"{n}.log")
    world.holds(*range(count))
    for n in range(count):
        world.append(lines(count + n), world.folder / f"{n}.log")
    world.holds(*range(2 * count))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_file_that_is_moved_to_another_disk_is_the_same_source(tmp_path):
    log, disk = tmp_path / "maestro.log", tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], capture_output=True, check=False).returncode:
        pytest.skip("can't mount")
    try:
        log.write_bytes(lines(1, 2))
        each = follower(tmp_path / "w", log, disk / "*.log")
        catch_up(each)
        shutil.move(log, disk / "maestro.log")
        with (disk / "maestro.log").open("ab") as file:
            file.write(lines(3))
        catch_up(each)
        each.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)

    assert calls(tmp_path / "w") == exactly(1, 2, 3)
