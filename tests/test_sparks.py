"""Small pictures in the tables of a terminal, and nowhere else."""

import io
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from rich.console import Console

from queries.answers.answer_rows import Many
from queries.answers.reports import Answer
from queries.show import sparks, terminal_table, texts

START = datetime(2026, 2, 3, 16, tzinfo=UTC)
SERIES = pl.DataFrame(
    {
        "minute": [START + timedelta(minutes=m) for m in (0, 1, 2, 9, 0)],
        "model": ["big", "big", "big", "big", None],
        "total_tokens": [100, 800, None, 400, 7],
    }
)
RANKING = pl.DataFrame({"model": ["a", "b", "c", "d"], "cost_usd": [8.0, 4.1, 0.001, None]})


def answer(frame, chart):
    return Answer("own", "Own", {}, Many(frame), chart=chart)


def printed(given, *, encoding="utf-8", terminal=True, width=100, rows=None):
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding) as file:
        console = Console(file=file, force_terminal=terminal, width=width, color_system=None, legacy_windows=False)
        terminal_table.table(given, console, zone="UTC", rows=rows)
        file.flush()
        return raw.getvalue().decode(encoding).splitlines()


SERIES_CHART = "series x=minute y=total_tokens color=model none='no model'"
RANKING_CHART = "bar y=model x=cost_usd"


def test_what_goes_over_time_has_a_line_for_each_color_and_its_peak():
    lines = printed(answer(SERIES, SERIES_CHART))
    assert lines[1] == "big       ▂█       ▅  peak 800 at 2026-02-03 16:01"
    assert lines[2] == "no model  █           peak 7 at 2026-02-03 16:00"


def test_more_times_than_fit_are_drawn_by_their_largest():
    many = pl.DataFrame(
        {"at": [START + timedelta(minutes=m) for m in range(5_000)], "n": [1] * 2_345 + [1_000] + [1] * 2_654}
    )
    line = printed(answer(many, "line x=at y=n"), rows=3)[1]
    assert line.count("█") == 1
    assert len(line) <= 100
    assert "peak 1,000 at 2026-02-05 07:05" in line


@pytest.mark.parametrize(
    ("encoding", "bars"),
    [("utf-8", ["████████", "████▏···", "▏·······"]), ("ascii", ["########", "####....", "#......."])],
)
def test_a_ranking_has_bars_that_the_terminal_can_show(encoding, bars):
    lines = printed(answer(RANKING, RANKING_CHART), encoding=encoding)
    assert [line.split()[-1] for line in lines[3:6]] == bars
    assert lines[6].split() == ["d"] + (["|"] if encoding == "ascii" else [])


def test_a_narrow_terminal_keeps_what_the_report_is_about():
    wide = {"model": ["claude-opus-4-5"], "requests_of_all_kinds": [1], "tokens_of_all_kinds": [2], "cost_usd": [3.0]}
    lines = printed(answer(pl.DataFrame(wide), RANKING_CHART), width=40)
    assert lines[1].split() == ["model", "cost_usd"]
    assert lines[-2].startswith("2 more columns: --long")

    named = answer(pl.DataFrame({"title": ["t" * 70], "n": [1]}), "")
    assert "t" * 70 in printed(named, width=100)[3]
    assert "t" * 70 not in printed(named, width=60)[3]


def test_a_terminal_without_unicode_gets_nothing_else():
    frame = pl.DataFrame({"model": ["modèle", "b"], "cost_share": [0.5, 0.5]})
    lines = printed(answer(frame, "bar y=model x=cost_share"), encoding="ascii")
    assert "mod\\xe8le" in lines[3]
    assert lines[3].endswith("50.0% ####....")
    assert printed(answer(SERIES, SERIES_CHART), encoding="ascii")[1].startswith("big       .#       =  peak 800")


@pytest.mark.parametrize(("frame", "chart"), [(SERIES, SERIES_CHART), (RANKING, RANKING_CHART)])
def test_nothing_but_a_terminal_has_pictures(frame, chart):
    given = answer(frame, chart)
    shown = "\n".join(printed(given, terminal=False)) + terminal_table.as_text(given, zone="UTC")
    written = texts.as_json(given) + texts.as_csv(given) + texts.as_markdown(given)
    assert not set(shown + written) & set(sparks.BLOCKS.levels + sparks.BLOCKS.parts + sparks.BLOCKS.empty)


@pytest.mark.parametrize("chart", ["", "nonsense", "bar y=gone x=cost_usd", "bar y=cost_usd x=model", "'"])
def test_a_chart_line_that_cannot_be_drawn_costs_no_table(chart):
    assert len(printed(answer(RANKING, chart))) == 3 + RANKING.height


@pytest.mark.parametrize(
    "values", [[None, None, None], [0, 0, 0], [-1, -2, -3], [float("nan"), float("inf"), 1.0], [5, -5, 5]]
)
def test_a_chart_line_survives_odd_values(values):
    frame = pl.DataFrame({"at": [START + timedelta(hours=h) for h in range(3)], "n": values}, strict=False)
    frame = frame.with_columns(pl.col("n").cast(pl.Float64))
    assert len(printed(answer(frame, "column x=at y=n"))) >= 3 + 3
