"""Filters narrow the world that every view and report sees."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from warehouses import build, call

import queries
from queries import QueryError
from queries.connection import files as snapshot
from queries.connection import listing

NOW = datetime(2026, 2, 5, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    calls = [
        call(f"2026-02-0{day}T{hour:02}:30:00", 10 * day, model=model, source_offset=day * 100 + hour)
        for day in range(1, 6)
        for hour, model in ((0, "o3"), (12, "gpt-5.2"), (23, "gpt-5.2"))
    ]
    return build(tmp_path_factory.mktemp("w"), llm_calls=calls)


def count(warehouse, **filters):
    with queries.connect(warehouse, now=NOW, **{"tz": "UTC"} | filters) as connection:
        return connection.sql("select count(*) from llm_calls").fetchall()[0][0]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, 15),
        ({"since": "2026-02-04"}, 6),
        ({"until": "2026-02-02"}, 6),
        ({"since": "2026-02-02", "until": "2026-02-02"}, 3),
        ({"since": date(2026, 2, 4)}, 6),
        ({"since": datetime(2026, 2, 4, 12, tzinfo=UTC)}, 5),
        ({"since": "2026-02-04T12:30"}, 5),
        ({"until": "2026-02-04T12:30"}, 10),
        ({"since": "2026-02-04T12:30Z", "tz": "Asia/Tokyo"}, 5),
        ({"since": "2026-02-04T21:30", "tz": "Asia/Tokyo"}, 5),
        ({"since": "24h"}, 5),
        ({"since": "1d"}, 5),
        ({"since": "2w", "until": "3d"}, 4),
        ({"since": "90m"}, 2),
        ({"since": "2026-02-02", "until": "2026-02-02", "tz": "Europe/Berlin"}, 3),
        ({"since": "2026-02-02", "until": "2026-02-02", "tz": "America/New_York"}, 3),
        ({"model": "o3"}, 5),
        ({"model": ["o3", "gpt-5.2"]}, 15),
        ({"model": "o3", "since": "2026-02-05"}, 1),
        ({"agent": "coder-001", "provider": "openai"}, 15),
    ],
)
def test_a_filter_leaves_the_calls_that_it_says(warehouse, filters, expected):
    assert count(warehouse, **filters) == expected


def test_an_until_date_has_that_day_in_every_form_of_a_date(warehouse):
    days = [count(warehouse, since=day, until=day) for day in ("2026-02-03", "20260203", "2026-W06-2")]
    assert days[0] > 0
    assert set(days) == {days[0]}
    assert count(warehouse, until="9999-12-31") == count(warehouse)


def test_a_day_is_a_day_of_the_time_zone(warehouse):
    with queries.connect(warehouse, since="2026-02-02", until="2026-02-02", tz="America/New_York") as connection:
        first, last = connection.sql("select min(epoch(created_at)), max(epoch(created_at)) from llm_calls").fetchall()[
            0
        ]

    assert datetime.fromtimestamp(first, UTC) == datetime(2026, 2, 2, 12, 30, tzinfo=UTC)
    assert datetime.fromtimestamp(last, UTC) == datetime(2026, 2, 3, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"since": "someday"}, "--since takes a date .* not 'someday'"),
        ({"until": "2026-02-30"}, "--until takes a date"),
        ({"since": "7x"}, "--since takes a date"),
        ({"since": "2026-02-04", "until": "2026-02-03"}, "is not before --until"),
        ({"since": "1d", "until": "2d"}, "is not before --until"),
        ({"since": "999999w"}, "--since takes a date"),
        ({"since": "0001-01-01", "tz": "Europe/Berlin"}, "--since takes a date"),
        ({"tz": "localtime"}, "no time zone"),
        ({"tz": "Europe/Berln"}, "did you mean Europe/Berlin"),
        ({"tz": "../etc/passwd"}, "no time zone called"),
        ({"model": "gpt-5.3"}, "did you mean gpt-5.2"),
        ({"agent": "coder-01"}, "did you mean coder-001"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_what_could(warehouse, filters, message):
    with pytest.raises(QueryError, match=message):
        count(warehouse, **filters)


def test_a_value_that_exists_at_another_time_gives_no_rows_and_no_error(tmp_path):
    calls = [call("2026-02-01T10:00:00", model="o3"), call("2026-02-03T10:00:00")]
    assert count(build(tmp_path, llm_calls=calls), model="o3", since="2026-02-03") == 0


def test_only_the_folders_of_the_days_asked_for_are_opened(warehouse):
    files = snapshot.files(
        warehouse / "llm_calls", since=datetime(2026, 2, 4, tzinfo=UTC), until=datetime(2026, 2, 5, tzinfo=UTC)
    ).paths

    assert {Path(file).parent.name for file in files} == {"date=2026-02-04", "date=2026-02-05"}


def test_a_snapshot_has_the_files_of_the_log_not_those_of_the_folder(tmp_path):
    build(tmp_path, llm_calls=[call("2026-02-01T10:00:00")])
    (file,) = (tmp_path / "llm_calls").rglob("*.parquet")
    (file.parent / "left-behind.parquet").write_bytes(file.read_bytes())

    assert count(tmp_path) == 1


@pytest.mark.parametrize("name", ["my warehouse", "logs [old]", "who? what*", "ünïcode", "it's"])
def test_a_warehouse_may_lie_in_any_folder(tmp_path, name):
    folder = build(tmp_path / "w", llm_calls=[call("2026-02-01T10:00:00")]).rename(tmp_path / name)
    with queries.connect(folder) as connection:
        assert queries.ask(connection, "select count(*) as calls from llm_calls", {}).frame.item() == 1


def test_a_checkpoint_and_compacted_files_change_nothing(tmp_path):
    for hour in range(10, 13):
        build(tmp_path, llm_calls=[call(f"2026-02-01T{hour}:00:00")])
    table = DeltaTable(str(tmp_path / "llm_calls"))
    table.optimize.compact()
    table.create_checkpoint()

    assert len(snapshot.files(tmp_path / "llm_calls").paths) == 1
    assert count(tmp_path) == 3


def test_what_the_log_lists_is_what_deltalake_says_at_every_version(tmp_path):
    table = tmp_path / "llm_calls"
    for hour in range(10, 16):
        build(tmp_path, llm_calls=[call(f"2026-02-0{hour % 3 + 1}T{hour}:00:00")])
        if hour == 12:
            DeltaTable(str(table)).create_checkpoint()
        if hour == 14:
            DeltaTable(str(table)).optimize.compact()

        found = listing.read(table / "_delta_log")

        theirs = pl.DataFrame(DeltaTable(str(table)).get_add_actions(flatten=True))
        days, rows = theirs["partition.date"].cast(pl.String), theirs["num_records"]
        assert found is not None
        assert found.files == dict(zip(theirs["path"], zip(days, rows, strict=True), strict=True))
        assert found.partitioned_by == ["date"]
        assert snapshot.files(table).rows == sum(rows)


@pytest.mark.parametrize(
    "written",
    [
        '{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"]}}\n',
        '{"add":{"path":"x.parquet","partitionValues":{"date":null},"deletionVector":{"storageType":"u"}}}\n',
        '{"add":{"path":"x.parquet","partitionVal',
        "\0\0\0\0",
    ],
    ids=["a later version", "rows that are deleted", "cut short", "zeros"],
)
def test_a_log_that_is_written_otherwise_is_left_to_deltalake(tmp_path, written):
    log = build(tmp_path, llm_calls=[call("2026-02-01T10:00:00")]) / "llm_calls" / "_delta_log"
    (newest := max(log.glob("*.json"))).with_name(f"{int(newest.stem) + 1:020}.json").write_text(written, "utf-8")

    assert listing.read(log) is None


def test_a_snapshot_does_not_change_while_calls_are_added(tmp_path):
    build(tmp_path, llm_calls=[call("2026-02-01T10:00:00")])
    with queries.connect(tmp_path) as connection:
        build(tmp_path, llm_calls=[call("2026-02-01T11:00:00")])
        assert connection.sql("select count(*) from llm_calls").fetchall() == [(1,)]


def test_the_number_of_an_attempt_does_not_depend_on_the_filters(tmp_path):
    rows = {
        "llm_calls": [call(f"2026-02-0{day}T10:00:00", story_id="st") for day in (1, 2, 3)],
        "llm_events": [
            {"created_at": call("2026-02-01T20:00:00")["created_at"], "kind": "story_attempt_failed", "story_id": "st"},
            {
                "created_at": call("2026-02-02T20:00:00")["created_at"],
                "kind": "story_requeue_requested",
                "story_id": "st",
            },
        ],
    }
    with queries.connect(build(tmp_path, **rows), since="2026-02-03", tz="UTC") as connection:
        (row,) = queries.run(connection, "story-attempts").frame.to_dicts()
    assert (row["attempt"], row["outcome"]) == (3, "last")
