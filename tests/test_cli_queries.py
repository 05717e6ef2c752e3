"""`report`, `sql` and `export` as a user runs them."""

import csv
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars as pl
import pytest
from click.testing import CliRunner
from deltalake import write_deltalake
from rich.console import Console
from warehouses import build, call

import queries
from ingest.cli import cli
from queries.answers import reports
from queries.show import export, terminal_table
from queries.show.cells import cell


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    calls = [
        call("2026-02-03T10:00:00", agent_id="=HYPERLINK(1)", source_offset=1),
        call("2026-02-03T10:00:30", 1_234_567, agent_id="evil\x1b]0;x\x07", source_offset=2),
        call("2026-02-04T10:00:30", None, error="boom", source_offset=3),
    ]
    return str(build(tmp_path_factory.mktemp("w"), llm_calls=calls))


def run(*arguments, code=0, **options):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], **options)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def test_a_pipe_gets_the_json_envelope(warehouse):
    envelope = json.loads(run("report", "tpm", "-w", warehouse, "--tz", "Europe/Berlin").stdout)

    assert list(envelope) == ["report", "title", "parameters", "rows"]
    assert envelope["report"] == "tpm"
    assert envelope["parameters"] == {"tz": "Europe/Berlin"}
    assert envelope["rows"][0]["peak_minute"] == "2026-02-03T11:00:00+01:00"
    assert envelope["rows"][0]["total_tokens"] == 1_234_667


@pytest.mark.parametrize("flag", ["-j", "--json"])
def test_every_command_that_prints_rows_takes_a_flag_for_json(warehouse, flag):
    for command in ["report", "tpm"], ["sql", "from llm_calls"], ["prices", "check"]:
        assert run(*command, "-w", warehouse, "--format", "json").stdout == run(*command, "-w", warehouse, flag).stdout


def test_without_a_name_all_reports_are_listed(warehouse):
    listed = {row["report"] for row in json.loads(run("report", "-w", warehouse).stdout)["rows"]}

    assert {"tpm", "tpm-series", "bursts", "burst", "limits", "cost-by-day", "usage", "reconcile"} <= listed


@pytest.mark.parametrize(("width", "cut"), [(160, False), (90, True)])
def test_a_wide_terminal_shows_long_texts_whole(width, cut):
    screen = io.StringIO()
    terminal_table.table(
        reports.listing(), Console(file=screen, force_terminal=True, width=width, color_system=None), zone=""
    )

    assert ("…" in screen.getvalue()) is cut
    assert max(map(len, screen.getvalue().splitlines()[:-1])) <= width


def test_a_table_without_rows_says_so(warehouse):
    shown = run("report", "execution", "-w", warehouse, "--format", "table").stdout

    assert shown.splitlines()[1:] == ["no rows"]


def test_a_table_shows_numbers_as_people_read_them_and_nothing_that_a_terminal_obeys(warehouse):
    shown = run("report", "cost-by-agent", "-w", warehouse, "--format", "table").stdout

    assert "1,234,567" in shown
    assert "$1.23" in shown
    assert "\x1b" not in shown
    assert r"evil\x1b]0;x\x07" in shown


def test_csv_opens_safely_in_a_spreadsheet(warehouse):
    rows = list(csv.DictReader(io.StringIO(run("report", "cost-by-agent", "-w", warehouse, "--format", "csv").stdout)))

    assert "'=HYPERLINK(1)" in {row["agent_id"] for row in rows}


def test_markdown_aligns_numbers(warehouse):
    lines = run("report", "cost-by-model", "-w", warehouse, "--format", "md").stdout.splitlines()

    assert lines[0].startswith("| model | calls |")
    assert lines[1].startswith("| --- | ---: |")


@pytest.mark.parametrize("name", ["out.json", "out.csv", "out.md", "out.parquet", "out.txt"])
def test_the_extension_of_a_file_says_its_format(warehouse, tmp_path, name):
    assert run("report", "tpm", "-w", warehouse, "-o", tmp_path / name).stdout == ""

    data = (tmp_path / name).read_bytes()
    if name == "out.parquet":
        assert pl.read_parquet(data).height == 1
    else:
        assert b"gpt-5.2" in data
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_an_unknown_extension_asks_for_a_format(warehouse, tmp_path):
    assert "--format" in run("report", "tpm", "-w", warehouse, "-o", tmp_path / "x.xls", code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "tpmm"], "no report called 'tpmm' - did you mean tpm"),
        (["report", "burst", "-p", "modle=x"], "no parameter 'modle' - did you mean model"),
        (["report", "tpm", "-p", "x=1"], "it takes none"),
        (["report", "limits", "-p", "limit=many"], "parameter limit of report limits takes a whole number, not 'many'"),
        (["report", "budget", "-p", "warn=often"], "takes a number"),
        (["report", "burst", "-p", "minute=noon"], "takes a time"),
        (["report", "budget", "-p", "by=team"], "-p by= takes a column, such as model"),
        (["report", "budget", "-p", "limit=-1"], "-p limit= takes a number from 0 to 9e18"),
        (["report", "budget", "-p", "limit=99999999999999999999"], "takes a number from 0 to 9e18"),
        (["report", "budget", "-p", "limit=1.5"], "-p limit= takes whole tokens"),
        (["report", "budget", "-p", "warn=nan"], "takes a number"),
        (["report", "budget", "-p", "warn=80"], "-p warn= takes a share from 0 to 1"),
        (["report", "budget", "-p", "unit=euro"], "-p unit= takes tokens or usd"),
        (["report", "bursts", "-p", "threshold=-5"], "-p threshold= takes a number of tokens from 1 on"),
        (["report", "cost-by", "-p", "by=planet"], "-p by= takes a column, such as model"),
        (["report", "cost-by-day", "-p", "grain=decade"], "-p grain= takes hour, day, week or month"),
        (["report", "burst", "-p", "model=gpt-5"], "no call has model 'gpt-5' - did you mean gpt-5.2"),
        (["report", "execution", "-p", "run=nope"], "no call has run 'nope'"),
        (["report", "tpm", "--since", "2026-02-04", "--until", "2026-02-03"], "is not before"),
        (["report", "tpm", "--model", "gpt-5"], "did you mean gpt-5.2"),
        (["report", "reconcile"], "needs -p file="),
    ],
)
def test_wrong_usage_gets_one_message_that_says_what_to_do(warehouse, arguments, message):
    result = run(*arguments, "-w", warehouse, code=2)

    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sql", "drop view llm_calls"], "only reading is allowed"),
        (["sql", "select x from llm_calls"], 'column "x" not found'),
        (["report", "reconcile", "-p", "file=/nowhere.csv"], "No such file"),
    ],
)
def test_a_mistake_gets_one_message_that_says_what_to_do(warehouse, arguments, message):
    result = run(*arguments, "-w", warehouse, code=1)

    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stdout == ""


@pytest.mark.parametrize("minute", ["2026-02-03T10", "20260203T100059", "2026-02-03T11:00+01:00"])
def test_a_time_may_be_written_in_every_form_of_iso(warehouse, minute):
    result = run("report", "burst", "-w", warehouse, "--tz", "UTC", "-p", f"minute={minute}")

    assert len(json.loads(result.stdout)["rows"]) == 2


@pytest.mark.parametrize("command", [["report", "tpm"], ["report", "usage"], ["sql", "from llm_calls"]])
def test_an_empty_warehouse_says_how_to_fill_it(tmp_path, command):
    result = run(*command, "-w", build(tmp_path / "nothing"))

    assert "no calls yet: run `ingest follow`" in result.stderr
    assert json.loads(result.stdout)["rows"] == []


@pytest.mark.parametrize("command", [["report", "tpm"], ["sql", "from llm_calls"], ["export", "calls.csv"]])
def test_filters_that_no_call_matches_say_from_when_the_calls_are(warehouse, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    result = run(*command, "-w", warehouse, "--since", "2026-03-01", "--tz", "Europe/Berlin")

    told = f"no calls match the filters; those in {warehouse} are from 2026-02-03 11:00 to 2026-02-04 11:00"
    assert told in result.stderr.splitlines()


def test_a_crossed_budget_exits_with_3(warehouse):
    run("report", "budget", "-w", warehouse, "-p", "by=agent", "-p", "limit=1000", code=3)
    run("report", "budget", "-w", warehouse, "-p", "by=agent", "-p", "limit=0")


def test_a_reconcile_beyond_its_tolerance_exits_with_3(warehouse, tmp_path):
    export = tmp_path / "export.csv"
    export.write_text("date,model,input_tokens,output_tokens\n2026-02-03,gpt-5.2,1111201,123466\n")
    arguments = ["report", "reconcile", "-w", warehouse, "-p", f"file={export}"]

    run(*arguments)
    export.write_text("date,model,input_tokens,output_tokens\n2026-02-03,gpt-5.2,1511201,123466\n")
    run(*arguments, code=3)
    run(*arguments, "-p", "tolerance=0.5")


def test_a_report_of_ones_own_is_a_report_like_any_other(warehouse, tmp_path):
    (tmp_path / "mine.sql").write_text(
        "-- Calls of an agent.\nselect count(*) as calls from llm_calls where agent_id = $agent\n"
    )
    result = run("report", "mine", "-w", warehouse, "--reports", tmp_path, "-p", "agent=coder-001")

    assert json.loads(result.stdout) == {
        "report": "mine",
        "title": "Calls of an agent",
        "parameters": {"agent": "coder-001"},
        "rows": [{"calls": 1}],
    }


def test_an_error_in_ones_own_report_names_its_file_and_line(warehouse, tmp_path):
    (tmp_path / "mine.sql").write_text("-- Mine.\nselect modl\nfrom llm_calls where agent_id = $agent\n")

    for command in (["report", "mine", "--reports", tmp_path], ["sql", "-f", tmp_path / "mine.sql"]):
        message = run(*command, "-w", warehouse, "-p", "agent=a", code=1).stderr
        assert message.startswith(f"Error: {tmp_path / 'mine.sql'}: Binder Error")
        assert "LINE 2: select modl" in message


def test_the_list_of_reports_survives_what_is_none(warehouse, tmp_path):
    (tmp_path / "broken.sql").write_text("selct 1")
    (tmp_path / "latin.sql").write_bytes(b"-- \xe9\nselect 1")
    (tmp_path / ".#mine.sql").symlink_to("nowhere")
    (tmp_path / "folder.sql").mkdir()
    rows = json.loads(run("report", "-w", warehouse, "--reports", tmp_path).stdout)["rows"]

    titles = {row["report"]: row["title"] for row in rows}
    assert "syntax error" in titles["broken"]
    assert "can't decode" in titles["latin"]
    assert len(titles) == 2 + len(queries.names())
    assert "can't decode" in run("sql", "-f", tmp_path / "latin.sql", "-w", warehouse, code=1).stderr


def test_sql_reads_stdin_and_files_and_binds_parameters(warehouse, tmp_path):
    (tmp_path / "q.sql").write_text("select $n::int as n")

    assert json.loads(run("sql", "-", "-w", warehouse, input="select 1 as n").stdout)["rows"] == [{"n": 1}]
    assert json.loads(run("sql", "-f", tmp_path / "q.sql", "-w", warehouse, "-p", "n=2").stdout)["rows"] == [{"n": 2}]


@pytest.mark.parametrize("comment", ["-- how many", "--how many", "--\n", "--- n = 1"])
def test_sql_may_begin_with_a_comment(warehouse, comment):
    asked = run("sql", f"{comment}\nselect count(*) as n from llm_calls", "--since=2026-01-01 10:00", "-w", warehouse)

    assert json.loads(asked.stdout)["rows"] == [{"n": 3}]


@pytest.mark.parametrize("name", ["calls.parquet", "calls.csv", "calls"])
def test_an_export_has_every_call_once(warehouse, tmp_path, name):
    run("export", tmp_path / name, "-w", warehouse)

    pattern = str(tmp_path / name) + ("/*/*.parquet" if name == "calls" else "")
    assert duckdb.sql(
        "select count(*), sum(total_tokens) from read_csv($p)"
        if name.endswith("csv")
        else "select count(*), sum(total_tokens) from read_parquet($p)",
        params={"p": pattern},
    ).fetchall() == [(3, 1_234_667)]
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_an_export_obeys_the_filters(warehouse, tmp_path):
    run("export", tmp_path / "a.parquet", "-w", warehouse, "--since", "2026-02-04", "--tz", "UTC")

    assert pl.read_parquet(tmp_path / "a.parquet").height == 1


def test_a_folder_is_partitioned_by_day(warehouse, tmp_path):
    run("export", tmp_path / "calls", "-w", warehouse)

    assert sorted(folder.name for folder in (tmp_path / "calls").iterdir()) == ["date=2026-02-03", "date=2026-02-04"]


def test_a_duckdb_file_answers_without_the_warehouse(tmp_path):
    rows = {"llm_calls": [call("2026-02-03T10:00:00", story_id="st")]}
    warehouse = build(tmp_path / "w", **rows)
    run("export", tmp_path / "all.duckdb", "-w", warehouse)
    warehouse.rename(tmp_path / "gone")

    with duckdb.connect(str(tmp_path / "all.duckdb"), read_only=True) as connection:
        assert connection.sql("select model, peak_tpm from tpm_peaks").fetchall() == [("gpt-5.2", 100)]
        views = [
            name for (name,) in connection.sql("select view_name from duckdb_views() where not internal").fetchall()
        ]
        for view in views:
            connection.view(view).to_arrow_table()
        assert connection.sql("select key.model, calls from cost_by({model: model})").fetchall() == [("gpt-5.2", 1)]


def test_an_export_replaces_nothing_without_force(warehouse, tmp_path):
    dest = tmp_path / "calls.parquet"
    dest.write_text("mine")

    assert "--force" in run("export", dest, "-w", warehouse, code=1).stderr
    assert dest.read_text() == "mine"
    run("export", dest, "-w", warehouse, "--force")
    assert pl.read_parquet(dest).height == 3


def test_a_device_and_a_link_stay_what_they_are_when_written_to(warehouse, tmp_path):
    pipe, link, target = tmp_path / "pipe", tmp_path / "link.csv", tmp_path / "target.csv"
    os.mkfifo(pipe)
    target.write_text("old")
    link.symlink_to(target)
    with ThreadPoolExecutor() as threads:
        reading = threads.submit(pipe.read_text)
        run("report", "tpm", "-w", warehouse, "--format", "csv", "-o", pipe)
        assert reading.result().startswith("model,")
    run("report", "tpm", "-w", warehouse, "-o", link)

    assert pipe.is_fifo()
    assert link.is_symlink()
    assert target.read_text().startswith("model,")


def test_an_export_to_a_full_disk_says_so(warehouse):
    with queries.connect(warehouse) as connection, pytest.raises(queries.QueryError, match=r"a.csv can't be written"):
        export.writer(Path("a.csv"))(connection, Path("/dev/full"))


def test_a_folder_of_other_things_is_never_replaced(warehouse, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("mine")

    run("export", tmp_path / "home", "-w", warehouse, "--force", code=1)
    assert (tmp_path / "home" / "thesis.txt").exists()


@pytest.mark.parametrize("command", [["report", "tpm"], ["report", "budget", "-p", "limit=5"], ["sql", "select 1"]])
@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_question_to_no_warehouse_fails(tmp_path, command, name):
    (tmp_path / "file").touch()
    result = run(*command, "-w", tmp_path / name, code=1)

    assert result.stderr.startswith(f"Error: no warehouse at {tmp_path / name}: run `ingest follow`")
    assert result.stdout == ""


def test_a_table_of_another_program_is_refused_in_one_line(tmp_path):
    write_deltalake(str(tmp_path / "llm_calls"), pl.DataFrame({"id": [1], "amount": [2]}).to_arrow())
    result = run("report", "tpm", "-w", tmp_path, code=1)

    assert result.stderr == f"Error: {tmp_path / 'llm_calls'} is no table of `ingest`: it has no column created_at\n"


def test_a_limit_that_a_call_would_have_waited_for_exits_with_3(warehouse):
    run("report", "limits", "-w", warehouse, "-p", "limit=1k", code=3)
    run("report", "limits", "-w", warehouse, "-p", "limit=5M")
    run("report", "limits", "-w", warehouse)


@pytest.mark.parametrize("more", [(), ("--report", "tpm")])
def test_an_export_of_no_warehouse_writes_nothing_and_says_what_to_do(tmp_path, more):
    result = run("export", tmp_path / "x.csv", "-w", tmp_path / "nowhere", *more, code=1)

    assert f"no warehouse at {tmp_path / 'nowhere'}: run `ingest follow`" in result.stderr
    assert not (tmp_path / "x.csv").exists()


def test_an_export_to_stdout_is_refused_with_the_command_that_does_it(warehouse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert "ingest sql 'from llm_calls' --format csv" in run("export", "-", "-w", warehouse, code=2).stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["export"], ["export", "--report", "tpm"], ["report", "tpm", "-o"]])
def test_a_place_that_takes_no_files_is_one_clear_line(warehouse, tmp_path, command):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "calls.parquet"
    result = run(*command, place, "-w", warehouse, code=1)

    assert result.stderr.splitlines()[-1].startswith(f"Error: cannot write {place}: ")


def test_a_report_can_be_exported(warehouse, tmp_path):
    run("export", tmp_path / "agents.csv", "--report", "cost-by-agent", "-w", warehouse)

    assert (tmp_path / "agents.csv").read_text().startswith("agent_id,calls,")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.00010149, "0.000101"),
        (-0.02, "-0.02"),
        (0.5, "0.5"),
        (27.33333, "27.333"),
        (1e-30, "0"),
        (5e3, "5,000"),
    ],
)
def test_a_small_number_is_not_shown_as_none(value, shown):
    assert cell("median", value) == shown
