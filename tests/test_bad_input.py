"""Whatever is in a file, the records around it are unharmed, and the user is told in one line what happened."""

import gzip
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from logs import calls, exactly, line, lines

from ingest.cli import cli


@pytest.fixture
def run(tmp_path):
    """Run the command line in one warehouse; return exit code and what was printed."""

    def run(*arguments, expect=0, **options):
        result = CliRunner().invoke(cli, [*arguments, "-w", str(tmp_path / "w")], catch_exceptions=False, **options)
        assert result.exit_code == expect, result.output
        return result

    return run


def table(tmp_path, name):
    return pl.scan_delta(str(tmp_path / "w" / name)).collect()


@pytest.mark.parametrize("links", [None, "elsewhere", "nothing.log"])
def test_backfilling_a_path_that_leads_nowhere_is_one_line_and_exit_1(run, tmp_path, links):
    if links:
        (tmp_path / "nothing.log").symlink_to(links)
    result = run("backfill", str(tmp_path / "nothing.log"), expect=1)

    assert result.stderr == f"Error: no such file, folder or match: {tmp_path}/nothing.log\n"


def test_a_damaged_file_does_not_stop_the_others(run, tmp_path):
    (tmp_path / "a.log").write_bytes(lines(1))
    (tmp_path / "b.log.gz").write_bytes(b"\x1f\x8b\x08 this is no gzip file")
    result = run("backfill", str(tmp_path / "*.log*"), expect=1)

    assert "b.log.gz is damaged, or still being written" in result.stderr
    assert calls(tmp_path / "w") == exactly(1)


def test_a_damaged_file_is_named_once(run, tmp_path):
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(lines(*range(1, 400)))[:-20])
    result = run("backfill", str(tmp_path / "a.log.gz"), expect=1)

    assert result.stderr.startswith(f"Error: {tmp_path}/a.log.gz is damaged, or still being written: ")


def test_what_follows_the_packed_part_of_a_gz_costs_none_of_its_records(run, tmp_path, caplog):
    log = tmp_path / "m.log.gz"
    log.write_bytes(gzip.compress(lines(1, 2)) + gzip.compress(lines(3)) + b"no gzip data")
    run("backfill", str(log))
    assert calls(tmp_path / "w") == exactly(1, 2, 3)
    assert caplog.text.count("isn't packed, and is passed over") == 1

    log.write_bytes(gzip.compress(lines(1, 2)) + gzip.compress(lines(3)) + gzip.compress(lines(4)))
    run("backfill", str(log))
    assert calls(tmp_path / "w") == exactly(1, 2, 3, 4)


def test_a_named_pipe_among_the_logs_stops_nobody(run, tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "m.log").write_bytes(lines(1))
    for name in ("a.log", "b.log.gz"):
        os.mkfifo(logs / name)
    result = run("backfill", str(logs), expect=1)

    told = "a.log: a pipe, which can't be read by position; read it with `ingest backfill - <PIPE`"
    assert told in result.stderr
    assert calls(tmp_path / "w") == exactly(1)
    assert told in run("backfill", str(logs / "a.log"), expect=1).stderr


@pytest.mark.parametrize("name", ["logs.tar", "logs.tar.gz", "logs.zip"])
def test_an_archive_is_not_taken_for_one_of_its_files(run, tmp_path, name):
    (tmp_path / "m.log").write_bytes(lines(1))
    make = zipfile.ZipFile if name.endswith("zip") else tarfile.open
    with make(tmp_path / name, "w:gz" if name.endswith("gz") else "w") as archive:
        getattr(archive, "write", getattr(archive, "add", None))(tmp_path / "m.log")
    result = run("backfill", str(tmp_path / name), expect=1)

    assert f"{name} is a {'zip' if name.endswith('zip') else 'tar'} archive: unpack it" in result.stderr
    assert calls(tmp_path / "w") == exactly()


def test_following_a_path_that_does_not_exist_says_so_once_and_waits(run, tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "empty").mkdir()
    run("follow", "--once", str(tmp_path / "nothing.log"), str(tmp_path / "*.log"), str(tmp_path / "empty"))

    for told in ("nothing.log isn't there yet; waiting for it", "nothing matches", "empty yet; waiting for one"):
        assert caplog.text.count(told) == 1


@pytest.mark.parametrize("content", [b"", b'{"usage_surface_version":2}\n', b'{"usage_surface_version":1}\n'])
def test_an_empty_or_header_only_file_has_no_rows_and_is_no_error(run, tmp_path, content):
    (tmp_path / "usage.jsonl").write_bytes(content)
    result = run("backfill", str(tmp_path / "usage.jsonl"))

    assert "added 0 records and 0 events from 1 file" in result.stderr
    assert "Error" not in result.stderr
    assert "no record" not in result.stderr
    assert table(tmp_path, "rejects").height == 0


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 400, b"GET /index.html 200\n" * 50, b'{"level":"info","msg":"ready"}\n' * 50]
)
def test_a_file_without_any_known_record_is_named_with_the_formats_that_are_known(run, tmp_path, content):
    (tmp_path / "x.log").write_bytes(content)
    result = run("backfill", str(tmp_path / "x.log"))

    assert "x.log: no record that ingest knows; it reads agentic-runtime" in result.stderr
    assert "maestro-log" in result.stderr
    assert all(table(tmp_path, name).height == 0 for name in ("llm_calls", "llm_events", "rejects", "batches"))


def test_a_file_of_sums_is_named_with_the_report_that_compares_them(run, tmp_path):
    (tmp_path / "days.jsonl").write_text('{"date":"2026-08-10","model":"gpt-4o","requests":50,"prompt_tokens":45000}\n')
    result = run("backfill", str(tmp_path / "days.jsonl"))

    assert "days.jsonl: sums over several requests, no calls; `ingest report reconcile -p file=" in result.stderr
    assert table(tmp_path, "llm_calls").height == 0


def test_of_many_files_without_any_known_record_only_the_first_lists_the_formats(run, tmp_path):
    (tmp_path / "logs").mkdir()
    for name in ("a.log", "b.log", "c.log"):
        (tmp_path / "logs" / name).write_text(f"GET /{name} 200\n")
    result = run("backfill", str(tmp_path / "logs"))

    assert result.stderr.count("no record that ingest knows") == 3
    assert result.stderr.count("maestro-usage") == 1


def test_quiet_says_nothing_of_what_went_well_and_still_warns(run, tmp_path):
    (tmp_path / "m.log").write_bytes(lines(1))
    (tmp_path / "x.log").write_text("GET / 200\n")
    quiet = CliRunner().invoke(cli, ["-q", "backfill", str(tmp_path / "m.log"), "-w", str(tmp_path / "w")])
    warned = CliRunner().invoke(cli, ["-q", "backfill", str(tmp_path / "x.log"), "-w", str(tmp_path / "w")])

    assert (quiet.exit_code, quiet.output) == (0, "")
    assert warned.output.startswith(f"Warning: {tmp_path / 'x.log'}: no record that ingest knows")


def test_a_line_with_the_marker_that_does_not_parse_is_a_reject_and_strict_exits_4(run, tmp_path):
    bad = line(2).replace("latency 1.5s", "latency soon")
    (tmp_path / "m.log").write_bytes(lines(1) + bad.encode() + lines(3))
    result = run("backfill", "--strict", str(tmp_path / "m.log"), expect=4)

    assert "Warning: 1 record rejected; see `ingest report rejects`" in result.stderr
    assert calls(tmp_path / "w") == exactly(1, 3)
    (reject,) = table(tmp_path, "rejects").to_dicts()
    assert "soon" not in reject["line"]
    assert f'"length":{len(bad) - 1},"time":"2026-02-03T14:00:00.002Z","logger":"system"' in reject["line"]
    assert reject["reason"]
    assert (reject["source_offset"], reject["source_end"]) == (len(lines(1)), len(lines(1)) + len(bad))
    answer = json.loads(run("report", "rejects", "--format", "json").stdout)
    assert [row["reason"] for row in answer["rows"]] == [reject["reason"]]


@pytest.mark.parametrize(
    "dirt",
    [
        b"\xff\xfe broken \x80\n",
        b"\xe2\x82\n",
        b"\r\n",
        b"\0\0\0\0\n",
        b"x" * 20_000_000 + b"\n",
        b'{"a": \n',
        b"\xef\xbb\xbf\n",
    ],
    ids=["invalid", "cut off", "crlf", "nul", "20 MB", "torn json", "bom"],
)
def test_dirt_between_records_harms_none_of_them(run, tmp_path, dirt):
    (tmp_path / "m.log").write_bytes(lines(1) + dirt + lines(2) + dirt + lines(3))
    run("backfill", str(tmp_path / "m.log"))

    assert calls(tmp_path / "w") == exactly(1, 2, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\0" * 5000 + data,
        lambda data: b"\xff\xfe" + data.decode().encode("utf-16-le"),
        lambda data: b"\xfe\xff" + data.decode().encode("utf-16-be"),
    ],
    ids=["byte order mark", "crlf", "leading NUL bytes", "utf-16-le", "utf-16-be"],
)
def test_encodings_and_line_ends_of_other_systems_are_read(run, tmp_path, change):
    (tmp_path / "m.log").write_bytes(change(lines(1, 2, 3)))
    run("backfill", str(tmp_path / "m.log"))
    with (tmp_path / "m.log").open("ab") as file:
        file.write(change(lines(4))[2:] if b"[\0" in change(lines(4)) or b"\0[" in change(lines(4)) else lines(4))
    run("backfill", str(tmp_path / "m.log"))

    assert calls(tmp_path / "w") == exactly(1, 2, 3, 4)


def test_a_warehouse_that_is_a_file_is_one_clear_line(run, tmp_path):
    (tmp_path / "w").write_text("not a folder")
    (tmp_path / "m.log").write_bytes(lines(1))
    result = run("backfill", str(tmp_path / "m.log"), expect=1)

    assert (
        result.stderr == f"Error: {tmp_path / 'w'} is a file; a warehouse is a folder: name another with --warehouse\n"
    )


@pytest.mark.parametrize("address", ["file:///srv/w", "https://bucket/x"])
@pytest.mark.parametrize("command", ["backfill m.log", "follow --once m.log", "report tpm", "verify", "prices list"])
def test_a_warehouse_elsewhere_is_a_usage_error_and_makes_no_folder(tmp_path, monkeypatch, command, address):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.log").write_bytes(lines(1))
    result = CliRunner().invoke(cli, [*command.split(), "-w", address])

    assert result.exit_code == 2
    assert f"{address}: a warehouse is a folder of this machine, or a bucket: s3://" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["m.log"]


def test_a_report_on_an_empty_warehouse_has_no_rows_and_says_what_to_run(run, tmp_path):
    (tmp_path / "empty.log").touch()
    run("backfill", str(tmp_path / "empty.log"))
    result = run("report", "tpm", "--format", "json")

    assert json.loads(result.stdout)["rows"] == []
    assert "no calls yet: run `ingest follow`" in result.stderr


def test_reading_postgresql_without_its_extra_says_how_to_get_it(tmp_path):
    program = "import sys; sys.modules['adbc_driver_postgresql'] = sys.modules['adbc_driver_manager'] = None; "
    command = [sys.executable, "-c", program + "from ingest.cli import cli; cli()", "backfill", "postgresql://h/d"]
    done = subprocess.run([*command, "-w", str(tmp_path / "w")], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "needs an extra: pip install 'llm-ingest[postgres]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_format_names_the_known_ones(run, tmp_path):
    (tmp_path / "m.log").write_bytes(lines(1))
    result = run("backfill", "--format", "maestro", str(tmp_path / "m.log"), expect=1)

    assert result.stderr.startswith("Error: no format 'maestro'; known are ")


def test_a_dry_run_counts_and_writes_nothing(run, tmp_path):
    (tmp_path / "m.log").write_bytes(lines(1, 2))
    result = run("backfill", "--dry-run", str(tmp_path / "m.log"))

    assert "would add 2 records" in result.stderr
    assert not (tmp_path / "w").exists()


def test_standard_input_is_a_source_like_any_other(run, tmp_path):
    run("backfill", "-", input=lines(1, 2))
    run("backfill", "-", input=lines(1, 2, 3))
    (tmp_path / "m.log").write_bytes(lines(1, 2, 3, 4))
    run("backfill", str(tmp_path / "m.log"))

    assert calls(tmp_path / "w") == exactly(1, 2, 3, 4)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst"])
def test_packed_files_are_read_and_add_nothing_to_their_plain_twin(run, tmp_path, suffix):
    import bz2
    import gzip
    import lzma

    import pyarrow as pa

    data = lines(*range(1, 400))
    pack = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zst": lambda raw: pa.compress(raw, codec="zstd", asbytes=True),
    }[suffix]
    (tmp_path / f"m.log.{suffix}").write_bytes(pack(data))
    run("backfill", str(tmp_path / f"m.log.{suffix}"))
    assert calls(tmp_path / "w") == exactly(*range(1, 400))

    (tmp_path / "m.log").write_bytes(data + lines(400))
    run("backfill", str(tmp_path / "m.log"))
    assert calls(tmp_path / "w") == exactly(*range(1, 401))


def test_a_last_line_without_its_end_is_taken_once_when_its_file_is_sealed_and_says_so(run, tmp_path):
    log = tmp_path / "m.log"
    log.write_bytes(lines(1, 2)[:-1])
    result = run("backfill", str(log))
    assert calls(tmp_path / "w") == exactly(1)
    assert "the last record isn't complete yet" in result.stderr

    os.utime(log, (0, 0))
    run("backfill", str(log))
    assert calls(tmp_path / "w") == exactly(1, 2)
    flags = table(tmp_path, "llm_calls").sort("request_tokens")["metadata"].to_list()
    assert ["unterminated" in (flag or "") for flag in flags] == [False, True]

    with log.open("ab") as file:
        file.write(b"\n" + lines(4))
    run("backfill", str(log))
    assert calls(tmp_path / "w") == exactly(1, 2, 4)


def test_a_wrong_format_says_what_the_file_looks_like_instead(run, tmp_path):
    (tmp_path / "m.log").write_bytes(lines(1, 2))
    result = run("backfill", "--format", "maestro-usage", str(tmp_path / "m.log"))

    assert "m.log: no record of maestro-usage; it looks like maestro-log: leave --format out" in result.stderr
    assert table(tmp_path, "llm_calls").height == 0


def test_a_mapping_that_matches_no_line_says_so_with_the_first_one_it_tried(run, tmp_path):
    (tmp_path / "m.log").write_bytes(lines(1, 2))
    mapping = Path(__file__).parent.parent / "fixtures" / "mappings" / "zap.toml"
    result = run("backfill", "--mapping", str(mapping), str(tmp_path / "m.log"))

    assert "zap.toml takes no line; the first is not taken because" in result.stderr
    assert "LLM call to model" in result.stderr


def test_a_folder_without_logs_is_one_line(run, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run("backfill", str(tmp_path / "empty"), expect=1)

    assert (
        result.stderr == f"Error: no file in {tmp_path}/empty looks like a log; name the files themselves, or a glob\n"
    )
