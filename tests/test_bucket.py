"""A warehouse in a bucket: each command says of it what it says of a folder, and nothing is lost or doubled."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from logs import append, catch_up, exactly, follower, lines, log_calls, numbers, session

from ingest.errors import WarehouseError
from ingest.maintenance.compact import compact, expire
from ingest.maintenance.verify import verify
from ingest.warehouse.storage import bucket as bucket_module
from ingest.warehouse.storage.leases import lease
from ingest.warehouse.storage.locks import BusyError
from ingest.warehouse.storage.store import at
from ingest.warehouse.table import Table
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import TABLES

LOG = Path(__file__).parent.parent / "fixtures" / "rc3" / "maestro.log"


def run(*arguments, warehouse, **settings):
    """Run `ingest`; return its exit code, what it wrote, and the lines that it said."""
    command = [sys.executable, "-m", "ingest", *map(str, arguments), "-w", str(warehouse)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | settings)
    return done.returncode, done.stdout, done.stderr.splitlines()


def forgotten():
    """Forget what this process knows of buckets, and keep its files."""
    bucket_module.made.cache_clear()


def test_a_bucket_answers_as_a_folder_does(bucket, tmp_path):
    for warehouse in (bucket.url, tmp_path / "w"):
        assert run("-q", "backfill", LOG, warehouse=warehouse)[0] == 0
        assert run("backfill", LOG, warehouse=warehouse)[2][-1].startswith("added 0 records and 0 events")
    for question in (["report", "tpm"], ["report", "cost-by-model"], ["sql", "select count(*) from llm_events"]):
        assert run(*question, warehouse=bucket.url)[:2] == run(*question, warehouse=tmp_path / "w")[:2]
    code, told, _ = run("verify", warehouse=bucket.url)
    assert (code, json.loads(told)["checked"]["rows of llm_calls"]) == (0, 766)
    assert run("export", tmp_path / "calls.parquet", warehouse=bucket.url)[0] == 0
    assert pl.read_parquet(tmp_path / "calls.parquet").height == 766
    (source,) = json.loads(run("status", warehouse=bucket.url)[1])["sources"]
    assert (source["records"], source["behind_bytes"]) == (766, 0)


def test_a_second_report_fetches_no_data_file(bucket, tmp_path):
    run("-q", "backfill", LOG, warehouse=bucket.url)
    shutil.rmtree(tmp_path / "cache")
    bucket.counts()
    first = run("report", "tpm", warehouse=bucket.url)
    assert bucket.counts()["GET data"] > 0

    assert run("report", "tpm", warehouse=bucket.url) == first
    again = bucket.counts()
    assert (again["GET data"], again["GET log"]) == (0, 0)
    assert again.total() <= 6


def test_a_commit_of_all_tables_takes_eight_requests(bucket, tmp_path):
    log = tmp_path / "maestro.log"
    each = follower(bucket.url, log)
    log_calls(log, 1)
    catch_up(each)
    taken = []
    for n in range(2, 6):
        append(log, session(n) + b"[2026-02-03T14:00:00.001Z] [s] INFO: LLM call to model 'x': broken\n" + lines(n))
        bucket.counts()
        catch_up(each)
        counts = bucket.counts()
        taken.append(sum(counts[kind] for kind in counts if kind.startswith("PUT")))
        assert counts.total() <= 8, counts
    each.close()
    assert taken == [8] * 4  # a data file and an entry of each table
    assert numbers(bucket.url) == exactly(*range(1, 6))


def test_checkpoints_are_written_and_another_process_opens_the_table_by_them(bucket):
    table = Warehouse(bucket.url, make=True).tables["llm_calls"]
    for n in range(55):
        table.append(pl.DataFrame(), {f"s{n}": n}, {f"s{n}": None})
        table.tidy()
    assert [p.name for p in bucket.root.glob("calls/llm_calls/_delta_log/*.checkpoint.parquet")] == [
        f"{50:020}.checkpoint.parquet"
    ]
    forgotten()
    assert Table(bucket.url, "llm_calls").offsets == {f"s{n}": n for n in range(55)}
    from deltalake import DeltaTable

    assert DeltaTable(str(bucket.root / "calls" / "llm_calls")).version() == 55


def test_maintenance_changes_no_row(bucket, tmp_path):
    log = tmp_path / "maestro.log"
    each = follower(bucket.url, log)
    for n in range(1, 6):
        log_calls(log, n)
        catch_up(each)
    done = {c.table: c for c in compact(bucket.url)}
    assert (done["llm_calls"].files_before, done["llm_calls"].files_after) == (5, 1)
    log_calls(log, 6)
    catch_up(each)
    each.close()
    assert numbers(bucket.url) == exactly(*range(1, 7))
    assert verify(bucket.url).problems == []

    (tmp_path / "teams.csv").write_text("user_id,team\nu,t\n")
    assert run("dims", tmp_path / "teams.csv", warehouse=bucket.url)[2] == ["teams: 1 rows"]
    assert run("sql", "select team from dims.teams", warehouse=bucket.url)[0] == 0
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "claude-sonnet-4-5"\ninput = 300\noutput = 1500\n')
    assert run("reprice", "--prices", prices, warehouse=bucket.url)[0] == 0
    dear = "select min(cost_computed_usd) > 0.001 as dear from llm_calls"
    assert json.loads(run("sql", dear, warehouse=bucket.url)[1])["rows"] == [{"dear": True}]
    assert expire(bucket.url, date(2027, 1, 1))["llm_calls"] == 6
    assert verify(bucket.url).problems == []
    assert numbers(bucket.url) == exactly()


def test_a_file_that_a_writer_has_not_listed_yet_is_kept_whatever_the_clock_of_this_host_says(bucket, tmp_path):
    log_calls(tmp_path / "maestro.log", 1)
    each = follower(bucket.url, tmp_path / "maestro.log")
    catch_up(each)
    each.close()
    folder = next((bucket.root / "calls" / "llm_calls").glob("date=*"))
    (folder / "part-young.parquet").touch()
    (folder / "part-orphan.parquet").touch()
    long_ago = folder.stat().st_mtime - 25 * 3600
    os.utime(folder / "part-orphan.parquet", (long_ago, long_ago))
    compact(bucket.url)

    assert (folder / "part-young.parquet").exists()
    assert not (folder / "part-orphan.parquet").exists()


def test_a_lease_is_held_by_one_and_taken_over_when_it_is_not_renewed(bucket):
    store = at(bucket.url)
    with lease(store, ".held", "busy") as fence:
        fence()
        with pytest.raises(BusyError, match="busy"), lease(store, ".held", "busy"):
            pass
    with lease(store, ".held", "busy"):
        pass  # it was given back


def test_a_holder_that_stood_still_is_told_before_it_goes_on(bucket):
    store = at(bucket.url)
    with pytest.raises(BusyError, match="lost"), lease(store, ".held", "lost", seconds=3600) as fence:  # noqa: PT012 # a lease is a block
        path = bucket.root / "calls" / ".held"
        long_ago = path.stat().st_mtime - 2 * 3600
        os.utime(path, (long_ago, long_ago))
        with lease(store, ".held", "busy", seconds=3600) as other:
            other()
            held = fence.__self__
            held._renewed -= 3600  # noqa: SLF001 # as if it had slept
            fence()


def test_of_two_that_merge_the_same_files_one_does(bucket, tmp_path):
    log = tmp_path / "maestro.log"
    each = follower(bucket.url, log)
    for n in range(1, 4):
        log_calls(log, n)
        catch_up(each)
    each.close()
    asleep, awake = Table(bucket.url, "llm_calls"), Table(bucket.url, "llm_calls")
    files = asleep.files()
    awake.merge(awake.files())
    from ingest.ledger import Conflict

    with pytest.raises(Conflict):
        asleep.merge(files)
    assert numbers(bucket.url) == exactly(1, 2, 3)
    assert [f.rows for f in Table(bucket.url, "llm_calls").files()] == [3]


def test_a_store_that_ignores_conditions_is_refused(bucket):
    bucket.set(careless=True)
    code, _, said = run("backfill", LOG, warehouse=bucket.url)
    assert (code, len(said)) == (1, 1)
    assert "ignores If-None-Match" in said[0]
    assert not list(bucket.root.glob("calls/*/_delta_log/*"))


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ("InvalidAccessKeyId", "see AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "see AWS_SECRET_ACCESS_KEY"),
        ("AccessDenied", "these credentials may not do that"),
        ("AuthorizationHeaderMalformed", "in another region: set AWS_REGION"),
        ("RequestTimeTooSkewed", "the clock of this machine is wrong"),
        ("ExpiredToken", "have expired"),
    ],
)
def test_what_a_store_refuses_is_one_line_without_the_secret(bucket, refused, told):
    bucket.set(refuse=refused)
    for command in (["report", "tpm"], ["status"], ["backfill", LOG]):  # the first that the last asks is a HEAD
        code, _, said = run(*command, warehouse=bucket.url)
        assert (code, len(said)) == (1, 1)
        assert told in said[0]
        assert "secret-of-the-tests" not in said[0]


def test_a_bucket_that_is_not_there_is_one_line(bucket):
    for command in (["report", "tpm"], ["backfill", LOG], ["verify"], ["compact"]):
        code, _, said = run(*command, warehouse="s3://not-there/x")
        assert (code, len(said)) == (1, 1), said
        assert "there is no such bucket" in said[0]


def test_a_bucket_without_a_warehouse_says_what_to_run(bucket):
    for command in (["report", "tpm"], ["status"], ["verify"]):
        code, _, said = run(*command, warehouse=bucket.url)
        assert (code, len(said)) == (1, 1), said
        assert f"no warehouse at {bucket.url}" in said[0]


@pytest.mark.parametrize(
    ("missing", "warehouse", "told"),
    [
        (
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
            "s3://logs-of-all/calls",
            "no credentials: set AWS_ACCESS_KEY_ID",
        ),
        (["AWS_SECRET_ACCESS_KEY"], "s3://logs-of-all/calls", "is set, and AWS_SECRET_ACCESS_KEY is not"),
        (["AWS_ACCESS_KEY_ID"], "s3://logs-of-all/calls", "is set, and AWS_ACCESS_KEY_ID is not"),
        ([], "az://logs/calls", "no account: set AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_without_credentials_it_says_which_are_missing(bucket, monkeypatch, missing, warehouse, told):
    for name in missing:
        monkeypatch.delenv(name)
    code, _, said = run("status", warehouse=warehouse, AWS_METADATA_ENDPOINT="http://169.254.169.254:1")
    assert (code, len(said)) == (1, 1)
    assert told in said[0]


@pytest.mark.parametrize(
    "address", ["s3://", "s3:/logs-of-all/calls", "S3://logs-of-all/calls", "http://logs-of-all/x"]
)
def test_an_address_of_no_bucket_is_told_and_makes_no_folder(bucket, tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, _, said = run("backfill", LOG, warehouse=address, PYTHONPATH=str(LOG.parents[2]))
    assert code == 2
    assert f"{address}: a warehouse is a folder of this machine, or a bucket: s3://BUCKET/" in said[-1]
    assert sorted(tmp_path.iterdir()) == before


def test_a_server_that_can_not_write_is_named_in_one_line_and_nothing_is_lost(bucket):
    run("-q", "backfill", LOG, warehouse=bucket.url)
    bucket.set(faults={"503": 1.0})
    code, _, said = run("reprice", warehouse=bucket.url)
    bucket.set(faults={})
    assert (code, len(said)) == (1, 1)
    where = bucket.endpoint.removeprefix("http://")
    assert said[0].endswith(f"can't be written: 503 Service Unavailable (at {where}); run the same command again")
    assert verify(bucket.url).problems == []


def test_a_server_that_is_not_there_is_named_in_one_line(bucket):
    for command in (["report", "tpm"], ["backfill", LOG], ["verify"]):
        code, _, said = run(*command, warehouse=bucket.url, AWS_ENDPOINT_URL="http://127.0.0.1:1")
        assert (code, len(said)) == (1, 1)
        assert said[0].endswith(
            "can't be reached: Connection refused (at 127.0.0.1:1); nothing is lost, try again when it can"
        )


def test_without_the_extra_it_says_how_to_install_it(tmp_path):
    blocked = "import sys; sys.modules['obstore'] = None; from ingest.__main__ import main; main()"
    command = [sys.executable, "-c", blocked, "status", "-w", "s3://bucket/calls"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'llm-ingest[s3]'" in done.stderr


def test_a_cache_that_is_too_small_is_one_line_and_a_larger_one_forgets_what_is_not_needed(bucket, tmp_path):
    run("-q", "backfill", LOG, warehouse=bucket.url)
    code, _, said = run("report", "tpm", warehouse=bucket.url, INGEST_CACHE_BYTES="1000")
    assert (code, len(said)) == (1, 1)
    assert "INGEST_CACHE_BYTES" in said[0]

    (cached,) = (tmp_path / "cache" / "llm-ingest" / "buckets").iterdir()
    old = next(cached.glob("llm_calls/date=*")) / "part-old.parquet"
    old.write_bytes(bytes(1_000_000))
    os.utime(old, (0, 0))
    assert run("report", "tpm", warehouse=bucket.url, INGEST_CACHE_BYTES="500000")[0] == 0
    assert not old.exists()


def test_what_another_writer_put_at_the_same_version_is_not_taken_for_our_own(bucket):
    store = at(bucket.url)
    assert store.put_if_absent("x", b"ours") is not None
    forgotten()
    assert at(bucket.url).put_if_absent("x", b"theirs") is None
    assert at(bucket.url).put_if_absent("x", b"ours") is not None  # its answer was lost, as far as this one knows


def test_commits_whose_answers_are_lost_or_wrong_are_there_once(bucket, tmp_path):
    log = tmp_path / "maestro.log"
    each = follower(bucket.url, log)
    bucket.set(faults={"lost": 0.1, "500": 0.1, "503": 0.1, "409": 0.1})
    for n in range(1, 16):
        log_calls(log, n)
        catch_up(each)
    each.close()
    bucket.set(faults={})
    assert numbers(bucket.url) == exactly(*range(1, 16))
    assert verify(bucket.url).problems == []


def test_a_follower_goes_on_when_the_network_does(bucket, tmp_path):
    log = tmp_path / "maestro.log"
    each = follower(bucket.url, log)
    log_calls(log, 1)
    catch_up(each)
    bucket.set(refuse="SlowDown")
    log_calls(log, 2)
    with pytest.raises(WarehouseError, match=r"may not do that|can't be"):
        catch_up(each)
    bucket.set(refuse=None)
    catch_up(each)
    each.close()
    assert numbers(bucket.url) == exactly(1, 2)
    assert verify(bucket.url).problems == []


def test_commands_that_know_no_bucket_say_so(bucket):
    for command in (["check"], ["statusline", "--refresh"]):
        code, _, said = run(*command, warehouse=bucket.url)
        assert code == 2
        assert "reads a warehouse in a folder only" in said[-1]


def test_every_table_is_there_as_other_engines_read_it(bucket):
    run("-q", "backfill", LOG, warehouse=bucket.url)
    for table, rows in zip(TABLES, (766, 1316, 0, 1), strict=True):
        assert pl.read_delta(str(bucket.root / "calls" / table)).height == rows


def test_logs_of_two_hosts_that_begin_alike_are_two(bucket, tmp_path):
    for host, own in (("web-1", 101), ("web-2", 202)):
        (tmp_path / host).mkdir()
        log_calls(tmp_path / host / "app.log", *range(1, 8), own)
    for _ in range(2):
        for host in ("web-1", "web-2"):
            log = tmp_path / host / "app.log"
            assert run("-q", "follow", "--once", "--host", host, log, warehouse=bucket.url)[0] == 0
    told = json.loads(
        run("sql", "select host, count(*) n from stored_llm_calls group by 1 order by 1", warehouse=bucket.url)[1]
    )
    assert told["rows"] == [{"host": "web-1", "n": 8}, {"host": "web-2", "n": 8}]
    sources = json.loads(run("status", warehouse=bucket.url)[1])["sources"]
    assert sorted((s["host"], s["records"]) for s in sources) == [("web-1", 8), ("web-2", 8)]

    # Archives are known by their content, whichever host they are of.
    shutil.copy(tmp_path / "web-1" / "app.log", tmp_path / "archived.log")
    assert run("backfill", tmp_path / "archived.log", warehouse=bucket.url)[2][-1].startswith("added 0 records")
    assert verify(bucket.url).problems == []


def test_a_host_that_can_be_no_part_of_a_name_is_refused(bucket, tmp_path):
    log_calls(tmp_path / "app.log", 1)
    for host in ("a@b", "a#tail", "a/b", ""):
        code, _, said = run("follow", "--once", "--host", host, tmp_path / "app.log", warehouse=bucket.url)
        assert (code, len(said)) == (1, 1)
        assert "a host is called by letters" in said[0]


def put(bucket, key, data):
    path = bucket.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_logs_in_a_bucket_are_read_and_those_that_are_known_are_not_fetched_again(bucket, tmp_path):
    put(bucket, "logs/2026/02/a.log.gz", gzip.compress(lines(1, 2, 3)))
    put(bucket, "logs/b.log", lines(10, 11))
    put(bucket, "logs/again.log", lines(10, 11))
    put(bucket, "logs/notes.txt", b"nothing of ours\n")
    address, warehouse = "s3://logs-of-all/logs/**/*.*", tmp_path / "w"
    code, _, said = run("backfill", address, warehouse=warehouse)
    assert (code, said[-1].split(" from ")[0]) == (0, "added 5 records and 0 events")
    assert "s3://logs-of-all/logs/notes.txt: no record that ingest knows" in said[0]
    assert numbers(warehouse) == exactly(1, 2, 3, 10, 11)
    paths = Warehouse(warehouse).tables["batches"].scan().collect()["source_path"]
    assert set(paths) <= {f"s3://logs-of-all/logs/{name}" for name in ("2026/02/a.log.gz", "b.log", "again.log")}

    bucket.counts()
    assert run("backfill", address, warehouse=warehouse)[2][-1].startswith("added 0 records and 0 events from 0 files")
    assert bucket.counts() == {"LIST other": 1}
    put(bucket, "logs/b.log", lines(10, 11, 12))
    put(bucket, "logs/c.log", lines(20))
    assert run("backfill", address, warehouse=warehouse)[2][-1].startswith("added 2 records")
    assert numbers(warehouse) == exactly(1, 2, 3, 10, 11, 12, 20)
    assert verify(warehouse).problems == []


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("s3://logs-of-all/logs/", {1, 2, 3}),
        ("s3://logs-of-all/logs", {1, 2, 3}),
        ("s3://logs-of-all/logs/*.log", {1}),
        ("s3://logs-of-all/logs/**/*.log", {1, 2, 3}),
        ("s3://logs-of-all/logs/?/*.log", {2}),
        ("s3://logs-of-all/logs/x/b.log", {2}),
        ("s3://logs-of-all/**", {1, 2, 3, 4}),
    ],
)
def test_which_objects_an_address_names(bucket, tmp_path, address, found):
    for number, key in enumerate(["logs/a.log", "logs/x/b.log", "logs/y/z/c.log", "logs-of-others.log"], 1):
        put(bucket, key, lines(number))
    assert run("-q", "backfill", address, warehouse=tmp_path / "w")[0] == 0
    assert numbers(tmp_path / "w") == exactly(*found)


def test_objects_that_are_not_there_or_broken_are_one_line_and_stop_no_other(bucket, tmp_path):
    code, _, said = run("backfill", "s3://logs-of-all/none/*.log", warehouse=tmp_path / "w")
    assert (code, len(said)) == (1, 1)
    assert "there is no such object" in said[0]
    put(bucket, "logs/broken.log.gz", gzip.compress(lines(*range(1, 200)))[:-40])
    put(bucket, "logs/whole.log", lines(500))
    for _ in range(2):
        code, _, said = run("backfill", "s3://logs-of-all/logs/", warehouse=tmp_path / "w")
        assert code == 1
        assert any(line.startswith("Error: s3://logs-of-all/logs/broken.log.gz") for line in said), said
    assert numbers(tmp_path / "w")[500] == 1
