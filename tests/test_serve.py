"""`ingest serve`, asked over HTTP as a browser, a script and a villain ask it."""

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from logs import lines
from served import SCRIPT, Served, busy_warehouse
from warehouses import build, call

from ingest.cli import cli
from queries.errors import QueryError, WordError
from queries.web.desk import BusyError, Desk
from queries.web.question import Place, read

HOSTILE = Path(__file__).parent / "hostile_requests.txt"
ANYWHERE = "0.0.0.0"  # noqa: S104 - what must not go without a token
TOKEN = "a-token-of-the-tests"  # noqa: S105 - which opens nothing else


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    return busy_warehouse(tmp_path_factory.mktemp("w"))


@pytest.fixture(scope="module")
def served(warehouse):
    with Served(warehouse) as running:
        yield running


def said(*arguments, code=0):
    result = CliRunner(env={"TZ": "UTC"}).invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.mark.parametrize(
    ("name", "pairs", "options"),
    [
        ("tpm", {}, []),
        ("tpm", {"since": "2026-02-04", "tz": "Europe/Berlin"}, ["--since", "2026-02-04", "--tz", "Europe/Berlin"]),
        ("usage", {"model": SCRIPT}, ["--model", SCRIPT]),
        ("cost-by", [("agent", "coder-000"), ("agent", SCRIPT)], ["--agent", "coder-000", "--agent", SCRIPT]),
        ("cost-by", {"by": "user"}, ["-p", "by=user"]),
        ("burst", {"p.model": "gpt-5.2"}, ["-p", "model=gpt-5.2"]),
        ("burst", {"model": "gpt-5.2"}, ["--model", "gpt-5.2"]),
        ("cache", {}, []),
        ("what-if", {"tier": "batch"}, ["-p", "tier=batch"]),
        ("limits", {"limit": "20k"}, ["-p", "limit=20k"]),
        ("cost-by-day", {"until": "2026-02-03", "grain": "hour"}, ["--until", "2026-02-03", "-p", "grain=hour"]),
    ],
)
def test_the_answer_is_that_of_the_command(served, warehouse, name, pairs, options):
    crossed = 3 if name == "limits" else 0
    for form in "json", "csv":
        more = [*(pairs.items() if isinstance(pairs, dict) else pairs), ("format", form)]
        assert served.report(name, more) == said(
            "report", name, "-w", warehouse, *options, "--format", form, code=crossed
        )
    assert served.report(name, [*more[:-1], ("format", "sql")]) == said(
        "report", name, "-w", warehouse, *options, "--explain"
    )


def test_without_a_name_all_reports_are_listed(served, warehouse):
    assert served.get("/api/reports")[2].decode() == said("report", "-w", warehouse, "-j")


def test_what_no_call_has_is_refused_as_the_command_refuses_it(served):
    for query in "model=gpt-5", "p.model=gpt-5", "p.model=gpt-5&since=2026-02-04":
        status, _, body = served.get(f"/api/reports/burst?{query}")
        assert (status, body[:20]) == (400, b'{"error": "no call ha'[:20]), query


def test_who_asks_for_no_zone_gets_that_of_the_server(warehouse):
    with Served(warehouse, "--tz", "Asia/Tokyo") as running:
        asked = said("report", "tpm", "-w", warehouse, "--tz", "Asia/Tokyo", "-j")
        assert running.report("tpm") == asked
        assert json.loads(running.get("/api/panels")[2])["zone"] == "Asia/Tokyo"
        assert "+00:00" in running.report("tpm", {"tz": "UTC"})


def test_rows_cut_an_answer_and_say_so(served):
    cut = json.loads(served.report("tpm-series", {"rows": "2"}))
    whole = json.loads(served.report("tpm-series"))

    assert cut["rows"] == whole["rows"][:2]
    assert cut["notes"] == [f"{len(whole['rows']) - 2} more rows"]


def test_status_is_that_of_the_command_and_prices_are_of_the_called_models(served, warehouse):
    assert json.loads(served.get("/api/status")[2]) == json.loads(said("status", "-w", warehouse, "-j"))
    prices = {(row["model"], row["input"]) for row in json.loads(served.get("/api/prices")[2])["prices"]}
    assert {("gpt-5.2", 1.75), ("claude-opus-4-5", 5.0), (SCRIPT, None), ("tiny-local", None)} == prices


def test_every_question_of_the_page_has_an_answer(served):
    def addresses(part):
        if isinstance(part, str):
            return {part} if part.startswith("api/") else set()
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
        return set().union(*map(addresses, inner))

    found = addresses(json.loads(served.get("/api/panels?model=gpt-5.2&tz=UTC")[2]))

    assert len(found) > 50
    assert {address: served.get("/" + address)[0] for address in found} == dict.fromkeys(found, 200)


def hostile():
    """Yield requests that get nothing: a method, a target, a body and headers each; most are lines of a file."""
    for line in HOSTILE.read_text("utf-8").splitlines():
        request, *headers = line.split("  ")
        yield *request.split(" ", 1), None, dict(header.split(": ") for header in headers)
    yield from (("GET", f"{folder}{'a' * 9_000}", None, {}) for folder in ("/", "/api/", "/api/reports/"))
    yield "GET", "/api/reports/usage?model=" + "x" * 20_000, None, {}
    yield "GET", "/api/reports/usage?" + "model=gpt-5.2&" * 300, None, {}
    yield "GET", "/", None, {"X-Large": "x" * 60_000}
    yield "GET", "/", b"x" * 100_000, {}
    yield "GET", "/api/reports/tpm", b"{}", {"Transfer-Encoding": "chunked"}


def test_two_hundred_hostile_requests_get_nothing_and_harm_nothing(warehouse):
    asked = list(hostile())
    with Served(warehouse) as running:
        before = running.report("usage")
        answers = []
        for method, target, body, headers in asked:
            status, _, text = running.get(target, method=method, body=body, **headers)
            answers.append((status, method, target, text))
        assert running.report("usage") == before
        running.stop()

    assert len(asked) >= 200
    assert [answer for answer in answers if not 400 <= answer[0] < 500] == []
    assert [answer for answer in answers if b"Traceback" in answer[3] or b".py" in answer[3]] == []
    assert "Traceback" not in running.said
    assert len(running.said.splitlines()) == 1


def test_what_is_no_http_or_comes_without_end_is_told_so(served):
    asked = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",),
        (b"GET / HTTP/9.9\r\n\r\n",),
        (b"GET / HTTP/1.1\r\n\r\n",),  # no host
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        (b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",),
    ]

    for parts in asked:
        assert served.say(*parts).startswith(b"HTTP/1.1 4"), parts[0][:80]


def test_a_request_that_does_not_come_to_its_end_is_not_waited_for(served):
    assert served.say(b"GET / HTTP/1.1\r\nHost: loc").startswith(b"HTTP/1.1 408")


def test_the_page_may_run_nothing_but_its_own_files(served):
    _, headers, body = served.get("/")

    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert b"<script>" not in body
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", [ANYWHERE, "192.0.2.1", "example.org", "::"])
def test_another_address_needs_a_token(warehouse, host):
    result = CliRunner().invoke(cli, ["serve", "-w", warehouse, "--host", host, "--port", "0"])

    assert result.exit_code == 2
    assert "--token" in result.output


def test_a_token_is_long_and_comes_from_one_place(warehouse, tmp_path):
    (tmp_path / "token").write_text("short\n")

    for options in ["--token-file", tmp_path / "token"], ["--token", TOKEN, "--token-file", tmp_path / "token"]:
        said("serve", "-w", warehouse, *options, code=2)


def test_who_does_not_know_the_token_sees_nothing(warehouse, tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with Served(warehouse, "--host", ANYWHERE, "--token-file", str(tmp_path / "token")) as running:
        for path in (
            "/",
            "/page.js",
            "/api/reports",
            "/api/reports/tpm",
            "/api/stream",
            "/?token=wrong",
            f"/api/reports?token={TOKEN}",
        ):
            assert running.get(path)[0] == 401, path
        for wrong in f"Bearer {TOKEN}x", "Bearer", f"Basic {TOKEN}", "Bearer ☃".encode().decode("latin-1"):
            assert running.get("/api/reports", Authorization=wrong)[0] == 401, wrong
        assert running.get("/api/reports", Authorization=f"Bearer {TOKEN}")[0] == 200
        assert running.get("/api/reports", Authorization=f"Bearer {TOKEN}", Host="192.0.2.7:80")[0] == 200
        assert running.get("/api/reports", Authorization=f"Bearer {TOKEN}", Host="evil.example")[0] == 421
        status, headers, _ = running.get(f"/?token={TOKEN}")
        assert (status, headers["location"]) == (303, "/")
        assert "HttpOnly" in headers["set-cookie"]
        assert running.get("/", Cookie=headers["set-cookie"].partition(";")[0])[0] == 200
        running.stop()
    assert TOKEN not in running.said


def test_a_report_of_a_stranger_reads_no_files_and_ends_in_time(tmp_path):
    warehouse = build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:00")])
    (warehouse / "reports").mkdir()
    (warehouse / "reports" / "theft.sql").write_text("select * from read_text('/etc/hostname')")
    (warehouse / "reports" / "slow.sql").write_text("select count(*) as n from range(10000000) a, range(1000000) b")
    with Served(warehouse, "--timeout", "0.3") as running:
        theft, slow, after = (running.get(f"/api/reports/{name}") for name in ("theft", "slow", "usage"))
        running.stop()

    assert (theft[0], slow[0], after[0]) == (422, 504, 200)
    assert b"no answer within 0.3 s" in slow[2]
    assert "Traceback" not in running.said


def test_a_warehouse_that_is_not_there_yet_is_said_to_be_missing(tmp_path):
    with Served(tmp_path / "w") as running:
        assert "no warehouse" in running.said
        status, _, body = running.get("/api/reports/usage")
        assert status == 503
        assert "no warehouse" in json.loads(body)["error"]
        assert running.get("/api/status")[0] < 500
        build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:00")])
        assert json.loads(running.report("usage"))["rows"][0]["calls"] == 1


def test_the_stream_tells_the_last_commit_and_then_each_new_one(tmp_path):
    log, warehouse = tmp_path / "maestro.log", tmp_path / "w"
    log.write_bytes(lines(1))
    said("backfill", log, "-w", warehouse)
    with Served(warehouse) as running:
        events = running.events()
        assert next(events)[0] == "open"
        name, first = next(events)
        log.write_bytes(lines(1, 2, 4))
        said("backfill", log, "-w", warehouse)
        _, second = next(events)
        again = running.events(Last_Event_ID=json.loads(first)["committed_at"])
        assert next(again)[0] == "open"
        _, missed = next(again)
        assert running.stop() == 0

    told = json.loads(second)
    assert name == "commit"
    assert json.loads(first)["calls"] == 1
    assert told["calls"] == 2
    assert told["source_paths"] == [str(log)]
    assert [(row["model"], row["calls"], row["total_tokens"]) for row in told["models"]] == [
        ("claude-sonnet-4-5", 2, 8)
    ]
    assert json.loads(missed) == told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_well_while_somebody_listens(warehouse, number):
    with Served(warehouse) as running:
        events = running.events()
        assert next(events) == ("open", "")
        assert running.stop(number) == 0
    assert "Traceback" not in running.said


def test_equal_questions_are_computed_once_on_each_snapshot(tmp_path):
    warehouse = build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:00")])
    desk = Desk(Place(str(warehouse)), at_once=2, waiting=64, timeout=60)
    found, together = [], threading.Barrier(20)

    def ask():
        together.wait()
        found.append(desk.ask(read("usage", [("tz", "UTC")])))

    asking = [threading.Thread(target=ask) for _ in range(20)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len({id(future) for future in found}) == 1
    assert json.loads(found[0].result())["rows"][0]["calls"] == 1

    build(warehouse, llm_calls=[call("2026-02-03T11:00:00", source_offset=2)])
    assert json.loads(desk.ask(read("usage", [("tz", "UTC")])).result())["rows"][0]["calls"] == 2
    desk.close()


def test_a_question_that_is_under_way_on_an_older_snapshot_is_asked_once_more_after_it(tmp_path):
    warehouse = build(tmp_path / "w", llm_calls=[call("2026-02-03T10:00:00")])
    desk, begun, enough = Desk(Place(str(warehouse)), at_once=2, waiting=64, timeout=60), [], threading.Event()

    def work():
        begun.append(desk.version())
        enough.wait(60)
        return begun[-1].encode()

    first = desk.once("it", work)
    build(warehouse, llm_calls=[call("2026-02-03T11:00:00", source_offset=2)])
    second = desk.once("it", work)
    build(warehouse, llm_calls=[call("2026-02-03T12:00:00", source_offset=3)])
    assert desk.once("it", work) is second is not first
    assert desk.once("other", lambda: b"meanwhile").result(60) == b"meanwhile"
    assert len(begun) == 1
    enough.set()
    assert second.result(60).decode() == desk.version() != first.result(60).decode()
    desk.close()


def test_who_waits_for_another_answer_is_let_go_when_the_desk_closes(warehouse):
    desk, enough = Desk(Place(warehouse), at_once=1, waiting=8, timeout=60), threading.Event()
    one, queued = desk.once("one", lambda: b"%d" % enough.wait(60)), desk.once("two", lambda: b"")
    desk.close()
    enough.set()
    assert queued.cancelled()
    assert one.cancelled() or one.result(60) == b"1"


def test_what_depends_on_the_time_of_asking_holds_for_a_minute(tmp_path, monkeypatch):
    now = datetime.now(UTC)
    warehouse = build(tmp_path / "w", llm_calls=[call(now - timedelta(seconds=5), 100, model="gpt-5.2")])
    limits = tmp_path / "limits.toml"
    limits.write_text("[[limit]]\ntpm = 1_000\n")
    desk = Desk(Place(str(warehouse), limits=limits), at_once=1, waiting=64, timeout=60)

    def ask(name):
        return desk.ask(read(name, [("tz", "UTC")]))

    first, lasting = ask("headroom"), ask("usage")
    near = {row["counts"]: (row["limit_from"], row["limit_a_minute"]) for row in json.loads(first.result())["rows"]}
    assert near["TPM"] == ("own", 1_000)
    assert ask("headroom") is first
    monkeypatch.setattr(Desk, "minute", staticmethod(lambda: now.timestamp() // 60 + 2))
    assert ask("headroom") is not first
    assert ask("usage") is lasting
    desk.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a priority of their own on Linux only")
def test_questions_go_behind_what_else_this_machine_does(warehouse):
    desk = Desk(Place(warehouse), at_once=1, waiting=1, timeout=60)

    def priority():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert int(desk.once("priority", lambda: b"%d" % priority()).result()) > priority()
    desk.close()


def test_a_question_too_many_is_refused_and_not_computed(warehouse):
    desk, enough = Desk(Place(warehouse), at_once=1, waiting=1, timeout=60), threading.Event()

    def work():
        enough.wait()
        return b"done"

    first, second = desk.once("first", work), desk.once("second", work)
    with pytest.raises(BusyError):
        desk.once("third", work)
    assert desk.once("first", work) is first
    enough.set()
    assert (first.result(), second.result()) == (b"done", b"done")
    assert desk.once("third", work).result() == b"done"
    desk.close()


def test_what_failed_is_asked_anew(warehouse):
    desk = Desk(Place(warehouse), at_once=1, waiting=1, timeout=60)

    def fail():
        raise QueryError("not now")

    assert isinstance(desk.once("it", fail).exception(), QueryError)
    assert desk.once("it", lambda: b"well").result() == b"well"
    with pytest.raises(WordError):
        desk.ask(read("usage", [("nothing", "1")]))
    desk.close()


def test_without_the_extra_one_line_says_what_to_install(warehouse, tmp_path):
    without = (
        "import sys; sys.modules['uvicorn'] = sys.modules['starlette'] = None; from ingest.__main__ import main; main()"
    )

    def run(*arguments):
        command = [sys.executable, "-c", without, *arguments, "-w", warehouse]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    served, page = run("serve"), run("page", str(tmp_path / "page.html"))
    assert served.returncode == 1
    assert served.stderr.splitlines() == ["Error: `ingest serve` needs a web server: pip install 'llm-ingest[web]'"]
    assert page.returncode == 0, page.stderr
