"""Pictures of reports: what is drawn, that nothing is fetched, and what is said when there is nothing to draw."""

import html
import re
import subprocess
import sys
from datetime import timedelta

import polars as pl
import pytest
from altair import SCHEMA_URL  # a name, never fetched
from click.testing import CliRunner
from warehouses import at, build, call, sample

import ingest
import queries
from ingest.cli import cli
from ingest.warehouse.warehouse import Warehouse
from queries.answers.answer_rows import Many
from queries.answers.reports import Answer, Report
from queries.show.charts import pictures

HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def rc3(tmp_path_factory):
    return sample(tmp_path_factory.mktemp("rc3"))


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """30 days of a dozen models with long names, one of which wants to be a program."""
    names = [f"vendor/a-model-with-a-rather-long-name-{n:02}-preview" for n in range(11)] + [HOSTILE]
    calls = [
        call(
            at("2026-09-20T00:00:00") + timedelta(minutes=37 * n % (30 * 1440)),
            100 + n,
            model=names[n % 12],
            agent_id=f"agent-{n % 41}",
            run_id=f"run-{n % 3}",
            step_id=f"step-{n % 13}",
        )
        for n in range(2_500)
    ]
    calls.append(call("2026-10-03T11:17:30", 9_999_999, model=names[0]))
    return build(tmp_path_factory.mktemp("busy"), llm_calls=calls)


def answer(warehouse, name, tz="UTC", **parameters):
    report = queries.load(name)
    with queries.connect(warehouse, tz=tz, serving=report.reach) as connection:
        pricing = ingest.alternatives(warehouse) if report.repriced else None
        return queries.run(connection, report, pricing=pricing, **parameters)


def texts(svg):
    return [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]+)</text>", svg)]


def svg_of(found):
    return pictures.as_svg(found).decode()


def rows_of(found):
    return max(queries.chart(found).to_dict()["datasets"].values(), key=len)


def picture(frame, line):
    return Answer("mine", "Mine", {}, Many(frame), chart=line)


def run(*arguments, code=0):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def test_the_peak_is_marked_with_its_tokens_and_minute(rc3):
    said = texts(svg_of(answer(rc3, "tpm-series")))

    assert "727,096 at 16:13" in said
    assert "251,048 at 16:24" in said
    assert "46,703 at 16:21" in said
    assert "gpt-5.2" in said
    assert "total tokens of each minute" in said


def test_minutes_are_those_of_the_zone_that_was_asked_for(rc3):
    said = texts(svg_of(answer(rc3, "tpm-series", tz="Asia/Kolkata")))

    assert "727,096 at 21:43" in said
    assert "times in Asia/Kolkata" in said


def test_money_is_written_as_money(rc3):
    said = texts(svg_of(answer(rc3, "cost-by-agent-model")))

    assert "$21.74" in said
    assert "$20.00" in said
    assert "cost (USD)" in said


@pytest.mark.parametrize("name", queries.names())
@pytest.mark.parametrize("world", ["rc3", "busy"])
def test_every_report_that_names_a_chart_can_be_drawn(request, world, name):
    report = queries.load(name)
    if name == "reconcile" or report.repriced or not report.chart:
        pytest.skip("needs a file or prices, or has no chart")
    found = answer(request.getfixturevalue(world), name)

    if found.frame.is_empty():
        with pytest.raises(queries.QueryError, match="nothing to draw"):
            svg_of(found)
    else:
        assert report.title in texts(svg_of(found))


def test_a_rank_is_kept_to_what_can_be_read_and_says_so(busy):
    said = texts(svg_of(answer(busy, "cost-by-agent")))

    assert any(text.startswith("the largest 30 of 42") for text in said)
    assert "coder-001" in said


def test_long_names_of_models_are_whole_in_a_chart(busy):
    said = texts(svg_of(answer(busy, "cost-by-model")))

    assert "vendor/a-model-with-a-rather-long-name-00-preview" in said


def test_a_long_series_is_thinned_and_keeps_its_peak(busy):
    found = answer(busy, "tpm-series")
    said = texts(svg_of(found))

    assert "9,999,999 at Oct 03 11:17" in said
    assert any("the largest of each 2 hours" in text for text in said)
    assert len(rows_of(found)) < 5_000


def test_a_minute_without_calls_is_drawn_as_zero():
    times = [at("2026-02-03T10:00:00"), at("2026-02-03T10:01:00"), at("2026-02-03T10:04:00")]
    frame = pl.DataFrame({"minute": times, "tokens": [5, 6, 7]})

    assert [row["y"] for row in rows_of(picture(frame, "series x=minute y=tokens"))] == [5, 6, 0, 0, 7]


@pytest.mark.parametrize("minutes", [[0], [0, 5], [0, 60]])
def test_a_minute_is_a_minute_however_far_it_is_from_the_next(minutes):
    times = [at("2026-02-03T10:00:00") + timedelta(minutes=m) for m in minutes]
    drawn = picture(pl.DataFrame({"minute": times, "tokens": [5] * len(times)}), "series x=minute y=tokens")

    assert "tokens of each minute" in texts(svg_of(drawn))
    assert len(rows_of(drawn)) == minutes[-1] + 1


def test_an_unknown_number_is_not_drawn_as_zero():
    frame = pl.DataFrame({"model": ["a", "b"], "cost_usd": [1.5, None]})

    assert [row["y"] for row in rows_of(picture(frame, "bar y=model x=cost_usd"))] == ["a"]


def test_a_page_fetches_nothing_and_runs_nothing_but_the_chart(busy, tmp_path):
    run("report", "tpm", "-w", busy, "-o", tmp_path / "tpm.html")
    page = (tmp_path / "tpm.html").read_text("utf-8")

    assert page.count("<script") == page.count("</script>") == 2
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<(script|link|img|iframe)|src=|@import|://", markup)
    assert set(re.findall(r"\w+://[^\"]+", page.rsplit("<script>", 1)[1])) == {SCHEMA_URL}
    assert HOSTILE not in page
    assert "\\u003c/script>" in page


@pytest.mark.parametrize(("name", "magic"), [("x.png", b"\x89PNG"), ("x.svg", b"<svg"), ("x.html", b"<!doctype html>")])
def test_the_extension_says_which_picture(rc3, tmp_path, name, magic):
    assert run("report", "tpm", "-w", rc3, "-o", tmp_path / name).stdout == ""

    assert (tmp_path / name).read_bytes().startswith(magic)


def test_a_pipe_gets_a_page(rc3):
    assert run("report", "cost-by-day", "-w", rc3, "--format", "html").stdout.startswith("<!doctype html>")


def test_a_report_and_a_query_of_ones_own_may_have_a_picture(rc3, tmp_path):
    (tmp_path / "mine.sql").write_text(
        "-- Calls per state.\n-- Chart: bar y=state x=calls\n"
        "select state, count(*) as calls from llm_calls group by all\n"
    )
    run("report", "mine", "-w", rc3, "--reports", tmp_path, "-o", tmp_path / "a.svg")
    run("sql", "-f", tmp_path / "mine.sql", "-w", rc3, "-o", tmp_path / "b.svg")

    assert "CODING" in texts((tmp_path / "a.svg").read_text("utf-8"))
    assert "CODING" in texts((tmp_path / "b.svg").read_text("utf-8"))


@pytest.mark.parametrize("name", ["tpm", "tpm-series", "cost-by-day", "bursts", "sessions"])
def test_nothing_to_draw_is_one_line(tmp_path, name):
    Warehouse(tmp_path / "nothing", make=True)
    result = run("report", name, "-w", tmp_path / "nothing", "-o", tmp_path / "x.png", code=1)

    assert result.stderr.splitlines()[-1] == f"Error: nothing to draw: {name} gave no rows"
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "has no picture; a comment line such as"),
        ("pie y=model x=calls", "begins with 'pie'"),
        ("bar y=modle x=calls", "names no column 'modle' - did you mean model?"),
        ("bar colour=model y=model x=calls", "says 'colour' - did you mean color?"),
        ("bar y=model", "needs x=… and y=…"),
        ("bar y=calls x=model", "draws model, which is not a number"),
        ("series x=model y=calls", "draws model as times, which it is not"),
        ("bar y='model x=calls", "No closing quotation"),
    ],
)
def test_a_mistake_in_a_chart_line_is_explained(line, message):
    with pytest.raises(queries.QueryError, match=re.escape(message)):
        queries.chart(picture(pl.DataFrame({"model": ["a"], "calls": [1]}), line))


@pytest.mark.parametrize("missing", ["altair", "vl_convert"])
def test_without_the_extra_one_line_says_how_to_get_it(rc3, tmp_path, missing):
    program = f"import sys; sys.modules[{missing!r}] = None; from ingest.cli import cli; cli()"
    arguments = ["report", "tpm", "-w", rc3, "-o", tmp_path / "x.png"]
    result = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert result.stderr == "Error: pictures need Altair: pip install 'llm-ingest[charts]'\n"


def test_nobody_pays_for_charts_who_asks_for_none():
    program = "import sys, queries; print({'altair', 'vl_convert'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stdout == "set()\n"


def test_the_comment_of_a_report_says_its_chart_beside_its_title():
    report = Report("mine", "-- Title.\n-- Note: a note\n-- Chart: bar y=a x=b\nselect 1")

    assert (report.title, report.notes, report.chart) == ("Title", ["a note"], "bar y=a x=b")


def drawn(found):
    return queries.chart(found).to_dict()


def days(tmp_path, *moments):
    return build(tmp_path, llm_calls=[call(moment, 100, source_offset=n) for n, moment in enumerate(moments)])


def test_two_days_that_are_a_month_apart_are_days_and_what_lies_between_is_a_gap(tmp_path):
    warehouse = days(tmp_path, "2026-02-03T10:00:00", "2026-03-05T10:00:00")
    said = texts(svg_of(answer(warehouse, "cost-by-day")))
    shown = drawn(answer(warehouse, "cost-by-day"))["layer"][0]["encoding"]["x"]["scale"]["domain"]

    assert "cost (USD) of each day" in said
    assert (shown[0], shown[-1], len(shown)) == ("Feb 03", "Mar 05", 31)
    assert "cost (USD) of each month" in texts(svg_of(answer(warehouse, "cost-by-day", grain="month")))
    assert "cost (USD) of each hour" in texts(svg_of(answer(warehouse, "cost-by-day", grain="hour")))


def test_a_month_and_a_week_without_calls_are_gaps_as_well(tmp_path):
    warehouse = days(tmp_path, "2026-01-03T10:00:00", "2026-04-05T10:00:00")
    for grain, number in (("month", 4), ("week", 14)):
        layer = drawn(answer(warehouse, "cost-by-day", grain=grain))["layer"][0]
        assert len(layer["encoding"]["x"]["scale"]["domain"]) == number


def test_of_more_periods_than_fit_the_last_are_drawn_with_their_gaps(tmp_path):
    warehouse = days(tmp_path, "2024-01-03T10:00:00", "2026-02-02T10:00:00", "2026-02-03T10:00:00")
    shown = drawn(answer(warehouse, "cost-by-day"))

    assert len(shown["layer"][0]["encoding"]["x"]["scale"]["domain"]) == 366
    assert "the last 366 of 763" in str(shown["title"])


def test_blocks_are_called_so_and_nothing_is_put_between_them(tmp_path):
    found = answer(days(tmp_path, "2026-02-03T10:00:00", "2026-02-05T10:00:00"), "blocks")

    assert "cost (USD) of each block" in texts(svg_of(found))
    assert len(drawn(found)["layer"][0]["encoding"]["x"]["scale"]["domain"]) == 2


def test_of_more_stories_than_fit_the_dearest_are_drawn(tmp_path):
    rows = [
        call(f"2026-02-03T10:{n:02}:00", 100 + n, story_id=f"story-{n:02}", session_id="s", source_offset=n)
        for n in range(45)
    ]
    found = answer(build(tmp_path, llm_calls=rows), "story-attempts")
    said = texts(svg_of(found))

    assert "story-44" in said
    assert "story-00" not in said
    assert any("the largest 30 of 45 by cost (USD)" in text for text in said)


def costs(*sizes):
    return pl.DataFrame({"model": [f"m{n}" for n in range(len(sizes))], "cost_usd": [float(size) for size in sizes]})


def test_a_bar_that_dwarfs_the_others_is_cut_and_said_with_its_size():
    svg = svg_of(picture(costs(1_000, 12, 10, 8), "bar y=model x=cost_usd"))

    assert "axis cut: m0 goes on to $1,000.00" in texts(svg)
    assert {"$1,000.00", "$12.00", "$8.00"} <= set(texts(svg))
    (largest,) = {
        layer["encoding"]["x"]["scale"]["domainMax"]
        for layer in drawn(picture(costs(1_000, 12, 10, 8), "bar y=model x=cost_usd"))["layer"]
    }
    assert largest < 25


@pytest.mark.parametrize("sizes", [(1_000, 1), (1_000,), (90, 12, 10), (1_000, 900, 800, 3, 2), (0, 0, 0, 0)])
def test_an_axis_is_not_cut_where_there_is_little_to_compare_or_many_are_large(sizes):
    assert "axis cut" not in svg_of(picture(costs(*sizes), "bar y=model x=cost_usd"))


def test_a_day_that_dwarfs_the_others_is_cut_and_said(tmp_path):
    frame = pl.DataFrame({"day": [at(f"2026-02-{d:02}") for d in range(3, 23)], "cost_usd": [500.0] + [3.0] * 19})

    assert "axis cut: Feb 03 goes on to $500.00" in svg_of(picture(frame, "column x=day y=cost_usd each=day"))


def test_a_line_that_would_flatten_most_others_has_a_scale_of_logarithms_and_says_so():
    moments = [at(f"2026-02-03T10:{m:02}:00") for m in range(10)]
    frame = pl.DataFrame(
        {
            "minute": moments * 3,
            "model": ["a"] * 10 + ["b"] * 10 + ["c"] * 10,
            "n": [90_000] * 10 + [30] * 10 + [9] * 10,
        }
    )
    line = "series x=minute y=n color=model"

    assert "n of each minute (log scale)" in texts(svg_of(picture(frame, line)))
    alike = frame.with_columns(pl.col("n").clip(8, 30))
    assert "log scale" not in svg_of(picture(alike, line))


def test_limits_are_marked_in_the_picture_of_each_count(tmp_path):
    rows = [call("2026-02-03T10:00:10", 500, model=f"m{n}", source_offset=n) for n in range(2)]
    warehouse = build(tmp_path, llm_calls=rows)
    (warehouse / "limits.toml").write_text("[[limit]]\nmodel = 'm1'\ntpm = 800\nrpm = 9\n")
    marks = [layer for layer in drawn(answer(warehouse, "limits"))["spec"]["layer"] if layer["mark"]["type"] == "tick"]

    assert [mark["encoding"]["x"]["field"] for mark in marks] == ["limit"]
    assert {row["limit"] for row in rows_of(answer(warehouse, "limits"))} == {None, 800, 9}


@pytest.mark.parametrize("number", [1, 3, 17, 60])
@pytest.mark.parametrize("name", ["cost-by-agent", "tpm", "limits", "tpm-series", "sessions", "bursts"])
def test_one_category_and_sixty_can_be_drawn(tmp_path, name, number):
    rows = [
        call(f"2026-02-{n % 27 + 1:02}T10:{m:02}:00", 50_000 if n == 0 else 100 + n, model=f"m{n:02}",
             agent_id=f"a{n:02}", session_id=f"s{n:02}", source_offset=n * 60 + m)
        for n in range(number) for m in range(3)
    ]  # fmt: skip
    said = texts(svg_of(answer(build(tmp_path, llm_calls=rows), name)))

    assert any(re.fullmatch(r"[mas]\d\d", text) for text in said) or number == 1
