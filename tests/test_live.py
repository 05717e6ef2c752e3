"""The screen of `ingest watch`, driven as textual drives it: what it shows at which width, and how little it asks."""

import asyncio
import os
import pty
import select
import subprocess
import sys
import termios
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fcntl import ioctl
from struct import pack

import pytest
from textual.geometry import Region
from textual.widgets import DataTable, Input, Static
from warehouses import build, call, event

from queries.live import glimpse, row_cells
from queries.live.glimpse import Asked, look
from queries.live.screen import Drilled, Watch

LIMITS = '[[limit]]\nmodel = "claude"\nitpm = 1_000\n'


def rows(now):
    """Return calls of the last minutes: 800 uncached tokens in the last minute, a failure, and two agents."""
    opus = {"model": "claude-opus-4-5", "provider": "anthropic", "cache_read_tokens": 100}
    return [
        call(now - timedelta(seconds=10), 1_000, source_offset=1, **opus),
        call(now - timedelta(seconds=600), 5_000, source_offset=2, agent_id="coder-002", user_id="ada", **opus),
        call(now - timedelta(seconds=20), None, source_offset=3, error="429", error_type="rate_limit"),
        call(now - timedelta(seconds=50), 300, source_offset=4, agent_id="[bold]x", project="shop"),
    ]


@pytest.fixture
def warehouse(tmp_path):
    now = datetime.now(UTC)
    retry = event((now - timedelta(seconds=5)).replace(tzinfo=None).isoformat(), "api_retry", model="gpt-5.2")
    batch = {"committed_at": now, "source_id": "s1", "source_path": "x"}
    folder = build(tmp_path / "w", llm_calls=rows(now), llm_events=[retry], batches=[batch])
    (folder / "limits.toml").write_text(LIMITS)
    return folder


def cells(app, table):
    """Return the rows of a table as texts."""
    shown = app.screen.query_one(f"#{table}", DataTable)
    return [[str(cell) for cell in shown.get_row_at(n)] for n in range(shown.row_count)]


def text(app, name):
    return str(app.query_one(f"#{name}", Static).content)


async def seen(pilot, happened, seconds=30):
    """Wait until *happened* says so, as the screen goes on."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, [cells(pilot.app, table.id) for table in pilot.app.screen.query(DataTable)]
        await pilot.pause(0.02)


def drive(warehouse, steps, *, size=(80, 30), **asked):
    """Open the screen, let *steps* do something with it, and return it."""

    async def run():
        app = Watch(Asked(warehouse, {"tz": "UTC"}, **asked))
        async with app.run_test(size=size) as pilot:
            await seen(pilot, lambda: app.facts is not None and cells(app, "models"))
            await steps(pilot, app)
        return app

    return asyncio.run(run())


def test_at_80_columns_are_the_last_60_seconds_the_headroom_and_the_dollars(warehouse):
    async def steps(pilot, app):
        (first, *others) = cells(app, "models")
        assert first[:5] == ["claude-opus-4-5", "ITPM", "800", "1k", "200"]
        assert first[5].endswith(" 80%")
        assert first[6] == "$0.006000"
        assert [row[1] for row in others] == ["TPM", "OTPM", "RPM", "RPM"]
        table = app.query_one("#models", DataTable)
        assert table.virtual_size.width <= 80
        assert "today $0.0063" in text(app, "money")
        assert "/h" in text(app, "money")
        assert text(app, "news").startswith("last commit ")

    drive(warehouse, steps)


@pytest.mark.parametrize("width", [60, 80, 101, 102, 130, 172, 250])
def test_the_models_fit_into_their_width_and_more_of_it_never_shows_less(warehouse, width):
    async def steps(pilot, app):
        assert width < 80 or app.query_one("#models", DataTable).virtual_size.width <= width

    drive(warehouse, steps, size=(width, 30))
    assert set(row_cells.model_columns(width)) <= set(row_cells.model_columns(width + 40))


def test_failures_and_retries_are_among_the_last_and_red(warehouse):
    async def steps(pilot, app):
        table = app.query_one("#last", DataTable)
        shown = {str(row[-1]): str(row[1].style) for row in (table.get_row_at(n) for n in range(table.row_count))}
        assert shown == {"api_retry": "red", "rate_limit": "red", "": ""}

    drive(warehouse, steps, size=(120, 40))


def test_keys_group_and_change_the_window(warehouse):
    async def steps(pilot, app):
        def names():
            return [row[0] for row in cells(app, "largest")]

        assert names() == ["coder-002", "coder-001", "[bold]x"]
        await pilot.press("u")
        await seen(pilot, lambda: names() == ["ada", "unknown"] or names() == ["unknown", "ada"])
        await pilot.press("p")
        await seen(pilot, lambda: set(names()) == {"shop", "unknown"})
        await pilot.press("m")
        await seen(pilot, lambda: names() == ["claude-opus-4-5", "gpt-5.2"])
        await pilot.press("a", "w", "w", "w")
        await seen(pilot, lambda: names() == ["coder-001", "[bold]x"])
        assert app.asked.minutes == 5

    drive(warehouse, steps)


def test_a_filter_narrows_everything_until_escape_takes_it_back(warehouse):
    async def steps(pilot, app):
        await pilot.press("slash", *"model=gpt-5.2", "enter")
        await seen(pilot, lambda: {row[0] for row in cells(app, "models")} == {"gpt-5.2"})
        await pilot.press("slash")
        app.query_one("#filter", Input).value = "model=gpt-5.3"
        await pilot.press("enter")
        await seen(pilot, lambda: "did you mean gpt-5.2" in text(app, "trouble"))
        app.refresh_now()
        await pilot.pause(1.5)
        assert "did you mean gpt-5.2" in text(app, "trouble")  # not for a second only
        await pilot.press("escape")
        await seen(pilot, lambda: len({row[0] for row in cells(app, "models")}) == 2)
        assert text(app, "trouble") == ""

    drive(warehouse, steps)


def test_enter_goes_from_a_model_to_its_minutes_and_their_calls_and_escape_back(warehouse):
    async def steps(pilot, app):
        await pilot.press("enter")
        await seen(pilot, lambda: isinstance(app.screen, Drilled) and cells(app, "rows"))
        assert [row[1] for row in cells(app, "rows")] == ["1,000", "5,000"]
        assert [str(column.label) for column in app.screen.query_one("#rows").ordered_columns][:3] == [
            "minute",
            "total_tokens",
            "cost_usd",
        ]
        await pilot.press("down", "enter")
        await seen(pilot, lambda: "coder-002" in str(cells(app, "rows")))
        assert len(cells(app, "rows")) == 1
        await pilot.press("escape", "escape")
        await seen(pilot, lambda: not isinstance(app.screen, Drilled))

    drive(warehouse, steps)


def test_a_limit_that_is_given_holds_where_the_file_says_none(warehouse):
    async def steps(pilot, app):
        limits = {(row[0], row[1]): row[3] for row in cells(app, "models")}
        assert limits["gpt-5.2", "TPM"] == "3k"
        assert limits["claude-opus-4-5", "ITPM"] == "1k"
        assert limits["gpt-5.2", "RPM"] in ("(1)", "(2)")  # the highest peak: its two calls may be of two minutes

    drive(warehouse, steps, limit=3_000)


def test_it_asks_again_after_a_commit_and_not_before(warehouse):
    async def steps(pilot, app):
        await seen(pilot, lambda: not glimpse.is_old(app.facts, app.asked, datetime.now(UTC)))
        before = app.looks
        for _ in range(5):
            app.refresh_now()
            await app.workers.wait_for_complete()
        assert app.looks == before or glimpse.is_old(app.facts, app.asked, datetime.now(UTC))
        build(warehouse, llm_calls=[call(datetime.now(UTC), 700, agent_id="new", source_offset=9)])
        await seen(pilot, lambda: "new" in [row[0] for row in cells(app, "largest")])

    drive(warehouse, steps)


def test_what_is_shown_already_is_not_drawn_again(warehouse):
    async def steps(pilot, app):
        def drawn():
            return [list(table.rows) for table in app.query(DataTable)]

        await app.workers.wait_for_complete()
        app._rests_until = float("inf")  # noqa: SLF001 # what is known stays so, whatever minute begins
        app.facts = replace(app.facts, charged=app.facts.charged.clear())
        app.refresh_now()
        before = drawn()
        app.refresh_now()
        assert drawn() == before
        app.facts = replace(app.facts, largest=app.facts.largest.clear())
        app.refresh_now()
        assert [old == new for old, new in zip(before, drawn(), strict=True)] == [True, False, True]

    drive(warehouse, steps)


def test_the_cursor_stays_on_the_model_that_it_was_moved_to(warehouse):
    async def steps(pilot, app):
        def chosen():
            return cells(app, "models")[app.query_one("#models", DataTable).cursor_row][:2]

        await pilot.press("down")
        one = chosen()
        (warehouse / "limits.toml").write_text(f"[[limit]]\nmodel = '{one[0]}'\n{one[1].lower()} = 10\n")
        build(warehouse, llm_calls=[call(datetime.now(UTC), 9, source_offset=9)])
        await seen(pilot, lambda: cells(app, "models")[0][:2] == one)
        assert chosen() == one

    drive(warehouse, steps)


def test_what_was_used_falls_without_asking_again(warehouse):
    asked = Asked(warehouse, {"tz": "UTC"})
    now = datetime.now(UTC)
    known = look(asked, now)
    used = known.at(now).filter(counts="ITPM")["used"].to_list()
    later = known.at(now + timedelta(seconds=70)).filter(counts="ITPM").row(0, named=True)

    assert used == [800]
    assert (later["used"], later["headroom"], later["share"]) == (0, 1_000, 0)


def test_only_files_of_the_last_days_are_read(warehouse):
    old = datetime.now(UTC) - timedelta(days=5)
    build(warehouse, llm_calls=[call(old, 900, model="gone", source_offset=77)])
    for path in (warehouse / "llm_calls").glob(f"date={old.date()}/*.parquet"):
        path.write_bytes(b"not read")
    assert "gone" not in look(Asked(warehouse, {"tz": "UTC"})).models["model"].to_list()


def test_that_nothing_came_lately_is_not_taken_for_never():
    now = datetime.now(UTC)
    nothing = {"committed_at": None, "last_call_at": None}
    assert row_cells.news_line(nothing, now) == "no commit yet · no call for a day"
    some = {"committed_at": now - timedelta(seconds=5), "last_call_at": now - timedelta(hours=3)}
    assert row_cells.news_line(some, now) == "last commit 5 s ago · last call 3 h ago"


def test_what_a_follower_says_is_cut_where_the_screen_ends(warehouse):
    said = "17:31:27 following " + "x" * 80

    async def run():
        app = Watch(Asked(warehouse, {"tz": "UTC"}), beside=lambda: said)
        async with app.run_test(size=(80, 30)) as pilot:
            await seen(pilot, lambda: app.facts is not None and "following" in text(app, "news"))
            (line,) = [strip.text for strip in app.query_one("#news").render_lines(Region(0, 0, 80, 1))]
            assert "following xxx" in line

    asyncio.run(run())


def test_without_textual_one_line_says_what_to_install(warehouse):
    without = "import sys; sys.modules['textual'] = None; from ingest.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "watch", "-w", str(warehouse)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        1,
        "Error: the live screen needs textual: pip install 'llm-ingest[live]'\n",
    )


@pytest.mark.parametrize(
    ("number", "shown"),
    [(None, ""), (0, "0"), (999, "999"), (12_345, "12.3k"), (1_450_000, "1.45M"), (999_999, "1M")],
)
def test_tokens_are_short(number, shown):
    assert row_cells.short(number) == shown


def test_follow_shows_the_same_screen_and_q_ends_both(tmp_path):
    from logs import line

    log = tmp_path / "maestro.log"
    log.write_text(line(10) + line(20))
    command = ["-m", "ingest", "follow", "--live", str(log), "-w", str(tmp_path / "w")]
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, pack("HHHH", 30, 100, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "TZ": "UTC"}
    with subprocess.Popen(
        [sys.executable, *command], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as one:
        os.close(theirs)
        shown, deadline = b"", time.monotonic() + 60
        while b"last commit" not in shown or b"following" not in shown:
            assert time.monotonic() < deadline, shown
            if select.select([ours], [], [], 1)[0]:
                shown += os.read(ours, 65_536)
        os.write(ours, b"q")
        while one.poll() is None:
            assert time.monotonic() < deadline, shown
            try:
                if select.select([ours], [], [], 0.1)[0]:
                    shown += os.read(ours, 65_536)
            except OSError:
                break  # the other end is closed
    os.close(ours)
    assert one.returncode == 0
    assert b"+2 records" in shown


def test_without_a_terminal_it_says_what_to_run_instead(warehouse):
    command = [sys.executable, "-m", "ingest", "watch", "-w", str(warehouse)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "Error: the screen needs a terminal; `ingest report headroom` prints how near the limits are"
    )
