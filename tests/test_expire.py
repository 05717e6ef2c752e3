"""Retention deletes whole days, asks first, and leaves offsets and ledger as they were."""

import pytest
from click.testing import CliRunner
from logs import calls, catch_up, exactly, follower, lines

from ingest.cli import cli
from ingest.verify import verify
from ingest.warehouse import Warehouse

DAY = 86_400_000


@pytest.fixture
def world(tmp_path):
    (tmp_path / "maestro.log").write_bytes(lines(1, 2, DAY + 1, 2 * DAY + 1))
    each = follower(tmp_path / "w", tmp_path / "maestro.log")
    catch_up(each)
    each.close()
    return tmp_path


def run(*arguments, **options):
    return CliRunner().invoke(cli, ["-q", "expire", *arguments], **options)


def test_old_days_go_offsets_stay_and_nothing_is_read_again(world):
    before = Warehouse(world / "w").sources()
    assert run("--older-than", "2026-02-04", "--yes", "-w", str(world / "w")).exit_code == 0
    assert Warehouse(world / "w").sources() == before

    each = follower(world / "w", world / "maestro.log")
    catch_up(each)
    each.close()
    assert calls(world / "w") == exactly(DAY + 1, 2 * DAY + 1)
    assert verify(world / "w").problems == []


def test_a_follower_goes_on_across_an_expiry(world):
    each = follower(world / "w", world / "maestro.log")
    catch_up(each)
    run("--older-than", "2026-02-05", "--yes", "-w", str(world / "w"))
    with (world / "maestro.log").open("ab") as file:
        file.write(lines(2 * DAY + 2))
    catch_up(each)
    each.close()

    assert calls(world / "w") == exactly(2 * DAY + 1, 2 * DAY + 2)
    assert verify(world / "w").problems == []


def test_expire_asks_and_deletes_nothing_without_a_yes(world):
    assert run("--older-than", "1d", "-w", str(world / "w"), input="n\n").exit_code == 1
    assert calls(world / "w").total() == 4


def test_an_age_that_can_not_be_read_is_a_usage_error(world):
    assert "neither a number of days" in run("--older-than", "soon", "-w", str(world / "w")).output
