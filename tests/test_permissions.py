"""What a user may not read is neither damaged nor missing: one line says what it is, and whom to ask."""

import re

import pytest
from logs import catch_up, follower, lines
from users import as_nobody, needs_root

from ingest.maintenance.compact import compact

READING = [
    "report usage --format csv",
    "sql 'select count(*) from llm_calls' --format csv",
    "verify --format table",
    "status",
    "export calls.parquet",
    "prices check",
    "prices diff",
    "reprice --dry-run",
    "repair --yes",
    "backfill --dry-run m.log",
]

REFUSED = r"Error: (/\S*/)?w(/\S+)? (may not be read by this user: ask its owner, or change its mode|{other})"


@pytest.fixture
def world(anywhere):
    """A log, and a warehouse that has all of it, with a checkpoint."""
    (anywhere / "m.log").write_bytes(lines(1, 2, 3))
    each = follower(anywhere / "w", anywhere / "m.log")
    catch_up(each)
    each.close()
    del each
    compact(anywhere / "w")
    return anywhere


def shut(world, what):
    """Shut out all but the owner."""
    for path in world.glob(what):
        path.chmod(0o700 if path.is_dir() else 0o600)


@needs_root
def test_a_user_who_may_only_read_can_ask_everything(world):
    commands = [each for each in READING if not each.startswith("export")]  # it writes elsewhere
    for command, (code, said) in zip(commands, as_nobody(world, *commands), strict=True):
        assert code == 0, (command, said[-5:])


@needs_root
@pytest.mark.parametrize("what", ["w", "w/*", "w/*/_delta_log", "w/*/_delta_log/*", "w/llm_calls/_delta_log/*.parquet"])
def test_a_warehouse_that_may_not_be_read_is_told_in_one_line(world, what):
    shut(world, what)
    # How a table says that it may not be opened is not for these commands to decide.
    refused = re.compile(REFUSED.format(other=r"[^;]*check its owner and mode[^;]*"))
    for command, (code, said) in zip(READING, as_nobody(world, *READING), strict=True):
        assert code == 1, (command, said)
        assert len(said) == 1, (command, said)
        assert refused.fullmatch(said[0]), (command, said)


@needs_root
@pytest.mark.parametrize("what", ["w/*/date=*", "w/*/date=*/*"])
def test_rows_that_may_not_be_read_are_told_in_one_line(world, what):
    shut(world, what)
    commands = [each for each in READING if not each.startswith(("repair", "backfill"))]
    for command, (code, said) in zip(commands, as_nobody(world, *commands), strict=True):
        assert code == 1, (command, said)
        assert len(said) == 1, (command, said)
        assert re.fullmatch(r"Error: \S+ may not be read (or written )?by this user: .*", said[0]), (command, said)


@needs_root
def test_a_dry_run_counts_right_where_rows_may_not_be_read(world):
    shut(world, "w/llm_calls/date=*/*")  # which file was read is told by `batches`
    ((code, said),) = as_nobody(world, "backfill --dry-run m.log")

    assert (code, said) == (0, ["would add 0 records and 0 events from 1 file (0.0 MB new)"])


@needs_root
def test_a_log_that_may_not_be_read_is_not_taken_for_gone(world):
    shut(world, "m.log")
    ((code, said),) = as_nobody(world, "verify --format table")

    assert code == 0
    assert "0 sources gone or changed since" in said[0]
    assert said[1:] == ["note: 1 sources may not be read by this user, so nothing is said about them", "all is well"]


@needs_root
def test_maintenance_of_a_warehouse_that_may_not_be_written_is_one_line(world):
    commands = ["compact", "expire --older-than 1d --yes", "reprice"]
    for command, (code, said) in zip(commands, as_nobody(world, *commands), strict=True):
        assert (code, said) == (
            1,
            ["Error: w may not be written by this user: ask its owner, or change its mode"],
        ), command
