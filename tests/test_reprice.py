"""New prices change computed costs only, in place, beside writers, and say what they changed."""

import json
from decimal import Decimal

import polars as pl
import pytest
from click.testing import CliRunner
from logs import calls, catch_up, exactly, follower, lines

from ingest.cli import cli
from ingest.ledger import Conflict
from ingest.maintenance.reprice import reprice_warehouse
from ingest.prices.price import load_prices
from ingest.warehouse.table import Table
from ingest.warehouse.warehouse import Warehouse


@pytest.fixture
def world(tmp_path):
    log = tmp_path / "m.log"
    log.write_bytes(lines(1, 2, 3))
    catch_up(follower(tmp_path / "w", log))
    (tmp_path / "prices.toml").write_text(
        '[[price]]\nmodel = "claude-sonnet-4-5"\nper = "1M"\ninput = 1000\noutput = 0\n', "utf-8"
    )
    return tmp_path


def stored(world):
    frame = pl.scan_delta(str(world / "w" / "llm_calls")).sort("request_tokens").collect()
    return frame.select("request_tokens", "cost_computed_usd", "cost_reported_usd", "cost_usd", "pricing_version")


def test_a_new_price_changes_the_computed_cost_and_nothing_else(world):
    before, offsets = stored(world), Warehouse(world / "w").sources()
    result = CliRunner().invoke(cli, ["reprice", "-w", str(world / "w"), "--prices", str(world / "prices.toml")])

    after = stored(world)
    assert result.exit_code == 0, result.output
    assert after["cost_computed_usd"].to_list() == [Decimal(n) / 1000 for n in (1, 2, 3)]
    assert after["cost_reported_usd"].equals(before["cost_reported_usd"])
    assert after["cost_usd"].equals(before["cost_usd"])
    assert (after["pricing_version"] != before["pricing_version"]).all()
    assert Warehouse(world / "w").sources() == offsets
    (model,) = json.loads(result.stdout)["models"]
    assert (model["model"], model["calls"], model["after_usd"]) == ("claude-sonnet-4-5", 3, 0.006)


def test_a_dry_run_says_the_same_and_writes_nothing(world):
    before = stored(world)
    arguments = ["reprice", "--dry-run", "-w", str(world / "w"), "--prices", str(world / "prices.toml")]
    result = CliRunner().invoke(cli, arguments)

    assert json.loads(result.stdout)["models"][0]["calls"] == 3
    assert stored(world).equals(before)


def test_repricing_by_the_same_prices_changes_nothing(world):
    version = Table(world / "w", "llm_calls").version

    assert reprice_warehouse(world / "w", load_prices(), write=True).is_empty()
    assert Table(world / "w", "llm_calls").version == version


def test_what_a_follower_adds_meanwhile_stays(world):
    table = Table(world / "w", "llm_calls")
    (day,) = table.days()
    rows = table.read(day)
    with (world / "m.log").open("ab") as file:
        file.write(lines(4))
    catch_up(follower(world / "w", world / "m.log"))
    table.replace(day, rows)

    assert calls(world / "w") == exactly(1, 2, 3, 4)


def test_of_two_that_replace_a_day_one_is_told(world):
    one, two = Table(world / "w", "llm_calls"), Table(world / "w", "llm_calls")
    (day,) = one.days()
    one.replace(day, one.read(day))
    with pytest.raises(Conflict):
        two.replace(day, two.read(day))

    assert calls(world / "w") == exactly(1, 2, 3)


def test_a_follower_goes_on_after_its_day_was_replaced(world):
    each = follower(world / "w", world / "m.log")
    catch_up(each)
    table = Table(world / "w", "llm_calls")
    table.replace(table.days()[0], table.read(table.days()[0]))
    with (world / "m.log").open("ab") as file:
        file.write(lines(4))
    catch_up(each)
    each.close()

    assert calls(world / "w") == exactly(1, 2, 3, 4)


def test_no_warehouse_is_one_line(tmp_path):
    result = CliRunner().invoke(cli, ["reprice", "-w", str(tmp_path / "nothing")])

    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
