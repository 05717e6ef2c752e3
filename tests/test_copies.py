"""Of a file that begins as another does, what is shared counts once, and what isn't is never lost."""

import gzip
import json
import shutil
from datetime import date

import polars as pl
import pytest
from logs import calls, catch_up, exactly, follower, intake, line, lines, noise, tiles

from ingest.files.paths import find
from ingest.history.backfill import backfill
from ingest.maintenance.compact import expire
from ingest.prices.price import load_prices
from ingest.reading.intake import Intake
from ingest.warehouse.dry_run import Rehearsal
from parsers import FORMATS


def read(folder, *paths, ledger=None):
    """Backfill *paths* into the warehouse at *folder*; return how many calls that added."""
    with Intake(ledger, load_prices(), FORMATS) if ledger else intake(folder) as into:
        backfill(find([str(path) for path in paths]), into, progress=lambda _taken, _path: None)
    return into.totals.calls


def holds(folder, *numbers):
    """Compare the table with the truth."""
    assert calls(folder) == exactly(*numbers)
    assert all(tiles(folder).values())


def test_a_copy_that_goes_on_otherwise_adds_what_its_original_lacks(tmp_path):
    log, copy = tmp_path / "a.log", tmp_path / "b.log"
    each = follower(tmp_path / "w", tmp_path / "*.log")
    log.write_bytes(lines(1, 2))
    catch_up(each)
    shutil.copy(log, copy)
    catch_up(each)
    with log.open("ab") as file:
        file.write(lines(3, 4, 5, 6))
    catch_up(each)
    for number in (20, 21):
        with copy.open("ab") as file:
            file.write(lines(number))
        catch_up(each)
        holds(tmp_path / "w", 1, 2, 3, 4, 5, 6, *range(20, number + 1))
    with log.open("ab") as file:
        file.write(lines(7))
    catch_up(each)
    each.close()

    holds(tmp_path / "w", 1, 2, 3, 4, 5, 6, 7, 20, 21)


@pytest.mark.parametrize("shared", [2, 5, 300, 999])
@pytest.mark.parametrize("more", [2, 2000])
@pytest.mark.parametrize("packed", [False, True])
def test_what_two_logs_share_counts_once_wherever_they_part(tmp_path, shared, more, packed):
    numbers, others = range(1, 1000), range(2000, 2000 + more)
    (tmp_path / "a.log").write_bytes(lines(*numbers))
    assert read(tmp_path / "w", tmp_path / "a.log") == len(numbers)
    other = lines(*numbers[:shared], *others)
    (tmp_path / "b.log").write_bytes(other)
    if packed:
        (tmp_path / "b.log.gz").write_bytes(gzip.compress(other))
        (tmp_path / "b.log").unlink()

    assert read(tmp_path / "w", *tmp_path.glob("b.log*")) == more
    holds(tmp_path / "w", *numbers, *others)


@pytest.mark.parametrize("length", [600, 5_000, 200_000, 200_100])
def test_the_beginning_of_a_known_log_adds_nothing_before_any_batch_ends_in_it(tmp_path, length):
    (tmp_path / "a.log").write_bytes(lines(*range(1, 2000)))
    read(tmp_path / "w", tmp_path / "a.log")
    (tmp_path / "part.log").write_bytes((tmp_path / "a.log").read_bytes()[:length])

    assert read(tmp_path / "w", tmp_path / "part.log") == 0
    holds(tmp_path / "w", *range(1, 2000))


def test_a_copy_that_is_looked_at_while_it_is_made_adds_nothing(tmp_path):
    data = lines(*range(1, 400))
    (tmp_path / "a.log").write_bytes(data)
    each = follower(tmp_path / "w", tmp_path / "*.log")
    catch_up(each)
    with (tmp_path / "copy.log").open("wb") as copy:
        for at in range(0, len(data), 7_777):
            copy.write(data[at : at + 7_777])
            copy.flush()
            catch_up(each)
    with (tmp_path / "copy.log").open("ab") as copy:
        copy.write(lines(400))
    catch_up(each)
    each.close()

    holds(tmp_path / "w", *range(1, 401))


def test_a_rehearsal_adds_as_little_for_a_part_of_a_log(tmp_path):
    (tmp_path / "a.log").write_bytes(lines(*range(1, 200)))
    (tmp_path / "b.log").write_bytes(lines(*range(1, 100)) + lines(500))

    assert read(None, tmp_path / "a.log", tmp_path / "b.log", ledger=Rehearsal(tmp_path / "w")) == 200
    assert read(tmp_path / "w", tmp_path / "a.log") == 199
    assert read(None, tmp_path / "b.log", ledger=Rehearsal(tmp_path / "w")) == 1


def test_logs_without_times_that_begin_alike_are_not_taken_for_copies(tmp_path):
    def record(tokens):
        return json.dumps({"model": "gpt-5.2", "input_tokens": tokens, "output_tokens": 1}) + "\n"

    (tmp_path / "one.jsonl").write_text(record(1) + record(2) + record(3))
    (tmp_path / "two.jsonl").write_text(record(1) + record(2) + record(4))
    read(tmp_path / "w", tmp_path / "one.jsonl")
    read(tmp_path / "w", tmp_path / "two.jsonl")

    holds(tmp_path / "w", 1, 2, 3, 1, 2, 4)


def test_logs_of_which_only_noise_is_alike_are_read_whole(tmp_path):
    head = "".join(noise(n) for n in range(100))
    (tmp_path / "a.log").write_text(head + "".join(line(n) for n in range(1, 50)))
    (tmp_path / "b.log").write_text(head + line(90))
    read(tmp_path / "w", tmp_path / "a.log")
    read(tmp_path / "w", tmp_path / "b.log")

    holds(tmp_path / "w", *range(1, 50), 90)


def test_a_part_of_a_log_whose_days_have_expired_brings_none_of_them_back(tmp_path):
    old = "".join(line(n).replace("2026-02-03T", "2026-01-03T") for n in (1, 2, 100))
    (tmp_path / "a.log").write_text(old + "".join(line(n) for n in range(3, 50)))
    read(tmp_path / "w", tmp_path / "a.log")
    expire(tmp_path / "w", date(2026, 2, 1))
    for name, part in (("part.log", old + line(3) + line(4)), ("less.log", old + noise(3) * 5)):
        (tmp_path / name).write_text(part)
        read(tmp_path / "w", tmp_path / name)

    assert calls(tmp_path / "w") == exactly(*range(3, 50))


def test_usage_logs_that_share_their_beginning_count_each_call_once(tmp_path):
    def record(second):
        return json.dumps({
            "finished_at": f"2026-08-04T00:00:{second:02}.5Z", "input_tokens": second, "output_tokens": 1,
            "reasoning_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0, "provider": "openai",
            "model": "gpt-5.2", "story_id": "s", "agent_id": "coder-001", "latency_ns": 1, "success": True,
        }, separators=(",", ":")) + "\n"  # fmt: skip

    header = '{"usage_surface_version":2}\n'
    (tmp_path / "usage.jsonl").write_text(header + "".join(map(record, range(1, 30))))
    read(tmp_path / "w", tmp_path / "usage.jsonl")
    (tmp_path / "usage-copy.jsonl").write_text(header + "".join(map(record, range(1, 20))) + record(40))
    read(tmp_path / "w", tmp_path / "usage-copy.jsonl")

    table = pl.scan_delta(str(tmp_path / "w" / "llm_calls")).select("request_tokens").collect().to_series()
    assert sorted(table) == [*range(1, 30), 40]
