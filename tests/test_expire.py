"""Retention deletes whole days, asks first, and leaves offsets and ledger as they were."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from click.testing import CliRunner
from logs import append, calls, catch_up, exactly, follower, lines
from users import NOBODY, as_nobody, needs_root

from ingest.cli import cli
from ingest.maintenance.compact import compact, expire
from ingest.maintenance.reprice import reprice_warehouse
from ingest.maintenance.verify import verify
from ingest.prices.price import load_prices
from ingest.warehouse import retention
from ingest.warehouse.storage.store import at
from ingest.warehouse.table import Table
from ingest.warehouse.warehouse import Warehouse

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


def killed_before_the_delete(warehouse, table="llm_calls", day=date(2026, 2, 4)):
    """Leave of an expiry what one leaves that is killed after it wrote down what it is about to delete."""
    opened = Table(warehouse, table)
    files = [f.path for f in opened.files() if f.path < f"date={day}"]
    rows = opened.scan(files).group_by("source_id").len().collect()
    retention.remember(at(warehouse), table, day, files, dict(rows.iter_rows()))


def records(warehouse):
    return json.loads((warehouse / "expired.json").read_text())


@pytest.mark.parametrize("then", ["nothing", "compact", "reprice", "expire"])
def test_a_killed_expiry_is_not_taken_for_one_that_was_done(world, then):
    append(world / "maestro.log", lines(3))
    each = follower(world / "w", world / "maestro.log")
    catch_up(each)
    each.close()
    killed_before_the_delete(world / "w")
    assert verify(world / "w").problems == []

    (world / "prices.toml").write_text('[[price]]\nmodel = "claude-sonnet-4-5"\nper = "1M"\ninput = 9\noutput = 9\n')
    if then == "compact":
        compact(world / "w")
    elif then == "reprice":
        reprice_warehouse(world / "w", load_prices(world / "prices.toml"), write=True)
    if then != "nothing":
        assert expire(world / "w", date(2026, 2, 4))["llm_calls"] == 3
        assert [record["rows"].popitem()[1] for record in records(world / "w")] == [3]
    assert verify(world / "w").problems == []


@needs_root
def test_a_failed_expiry_is_one_line_and_nothing_of_it_is_written_down(anywhere):
    (anywhere / "maestro.log").write_bytes(lines(1, 2, DAY + 1))
    each = follower(anywhere / "w", anywhere / "maestro.log")
    catch_up(each)
    each.close()
    for path in [anywhere, *anywhere.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    shut = anywhere / "w" / "llm_calls" / "_delta_log"
    shut.chmod(0o555)

    ((code, said),) = as_nobody(anywhere, "-q expire --older-than 2026-02-04 --yes")
    assert code == 1
    assert len(said) == 1
    assert said[0].startswith("Error: w/llm_calls")
    assert records(anywhere / "w") == []
    shut.chmod(0o755)
    compact(anywhere / "w")
    assert expire(anywhere / "w", date(2026, 2, 4))["llm_calls"] == 2
    assert verify(anywhere / "w").problems == []


def test_rows_that_a_follower_adds_to_an_old_day_meanwhile_stay_or_are_counted(world):
    def follow_on():
        each = follower(world / "w", world / "maestro.log")
        for n in range(3, 43):
            append(world / "maestro.log", lines(n))
            catch_up(each)
        each.close()

    with ThreadPoolExecutor() as pool:
        following = pool.submit(follow_on)
        gone = expire(world / "w", date(2026, 2, 4))["llm_calls"]
        while not following.done():
            gone += expire(world / "w", date(2026, 2, 4))["llm_calls"]
        following.result()

    assert gone + calls(world / "w").total() == 44
    assert gone > 2
    assert verify(world / "w").problems == []


@pytest.mark.parametrize("name", ["w[1]", "w]x[", "w x", "w%"])
def test_a_warehouse_of_any_name_can_be_expired(world, name):
    (world / "w").rename(world / name)
    assert run("--older-than", "2026-02-04", "--yes", f"--warehouse={world / name}").exit_code == 0

    assert Table(world / name, "llm_calls").scan().collect().height == 2
    assert verify(world / name).problems == []


def test_what_was_expired_and_came_back_by_a_repair_is_not_taken_for_gone(world):
    expire(world / "w", date(2026, 2, 4))
    newest = max((world / "w" / "llm_calls" / "_delta_log").glob("*.json"))
    newest.write_bytes(b"")
    done = CliRunner().invoke(cli, ["repair", "--yes", "-w", str(world / "w")])
    assert done.exit_code == 0, done.output

    assert calls(world / "w") == exactly(1, 2, DAY + 1, 2 * DAY + 1)
    assert records(world / "w") == []
    assert verify(world / "w").problems == []
    compact(world / "w")
    assert expire(world / "w", date(2026, 2, 4))["llm_calls"] == 2
    assert verify(world / "w").problems == []
