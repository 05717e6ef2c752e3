"""Rules of alerts.toml: what they may say, when they fire, and that each crossing is told, through kills as well."""

import json
import os
import re
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alarms import RULE, alarms, say
from click.testing import CliRunner
from logs import catch_up, follower, log_calls
from processes import Ingest
from warehouses import FIXTURES, at, build, call, sample
from webhooks import Hook

import ingest
import queries
from ingest import checks
from ingest.alerting import deliveries
from ingest.alerting.crossings import Last, Point, crossings
from ingest.alerting.rules import Rule, read
from ingest.cli import cli
from ingest.errors import IngestError
from ingest.maintenance.compact import compact, expire
from ingest.maintenance.verify import verify
from ingest.warehouse.warehouse import Warehouse

DOCS = Path(__file__).parent.parent / "docs" / "alerts.md"
PEAK = '[[rule]]\nname = "peak"\nreport = "tpm-series"\nkey = "model"\nat = "minute"\nvalue = "total_tokens"\n'


@pytest.fixture
def warehouse(tmp_path):
    return sample(tmp_path / "warehouse")


def check(warehouse, *options):
    return CliRunner().invoke(cli, ["check", "-w", str(warehouse), *options])


def alerts(warehouse):
    with queries.connect(warehouse, tz="UTC") as connection:
        return connection.sql("from alerts order by created_at, alert_id").pl()


def test_a_crossing_is_told_once_and_exit_code_3_says_that_it_is_open(warehouse, tmp_path):
    say(warehouse, f"exec = 'echo $INGEST_ALERT >> {tmp_path}/told'\n{PEAK}above = 700_000\n")
    first, again = check(warehouse, "-j"), check(warehouse, "-j")

    name = "peak/gpt-5.2/2026-02-03T16:13:00.000000Z"
    assert (first.exit_code, again.exit_code) == (3, 0)
    assert json.loads(first.stdout)["new"] == [{"id": name, "rule": "peak", "key": "gpt-5.2"}]
    assert json.loads(again.stdout) == {"new": [], "open": 0, "wrong": []}
    (told,) = map(json.loads, (tmp_path / "told").read_text().splitlines())
    assert (told["id"], told["value"], told["row"]["calls"]) == (name, 727_096, 9)
    row = alerts(warehouse).row(0, named=True)
    assert (row["state"], row["told"], row["threshold"]) == ("sent", "stderr,exec", 700_000)
    assert row["cleared_at"] == at("2026-02-03T16:18:00")


def test_nothing_crossed_is_exit_code_0_and_a_rule_that_cannot_be_asked_1(warehouse):
    say(warehouse, PEAK + "above = 800_000\n")
    assert check(warehouse).exit_code == 0
    say(warehouse, PEAK.replace("total_tokens", "tokens") + "above = 1\n")
    done = check(warehouse)
    assert done.exit_code == 1
    assert done.stderr == (
        "Warning: rule 'peak': no column 'tokens' - did you mean total_tokens or request_tokens or response_tokens?\n"
    )


def test_other_rules_are_asked_although_one_cannot_be(warehouse):
    say(warehouse, f'{PEAK}above = 700_000\n[[rule]]\nname = "odd"\nreport = "odd"\n')
    done = check(warehouse, "-j")
    assert done.exit_code == 3
    assert len(json.loads(done.stdout)["new"]) == len(json.loads(done.stdout)["wrong"]) == 1


def test_explain_says_what_each_rule_sees_and_does_nothing(warehouse):
    say(warehouse, PEAK + "above = 700_000\nclear = 500_000\n")
    done = check(warehouse, "--explain", "--format", "table")

    assert done.exit_code == 0
    assert done.stdout == (
        "peak: report tpm-series\n"
        "  crosses where total_tokens is at or above 700000, and is over beyond 500000, once for each model\n"
        "  sees 112 rows, the worst 727096 (gpt-5.2)\n"
    )
    assert not (warehouse / "alerts").exists()


def test_the_rules_of_the_documentation_can_be_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("OPS_WEBHOOK", "http://127.0.0.1:1/")
    (example,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    ingest.backfill(FIXTURES / "rc3" / "maestro.log", tmp_path / "w")
    say(tmp_path / "w", example)
    done = check(tmp_path / "w", "--explain", "-j")

    assert [row["wrong"] for row in json.loads(done.stdout)] == [None] * example.count("[[rule]]")
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rule]\n", "is not TOML"),
        ("[[rules]]\nname = 'a'\n", "line 1: no setting is called 'rules' - did you mean rule?"),
        ("[[rule]]\nreport = 'tpm'\n", 'line 1: a rule has a name, such as name = "near the limit"'),
        ("\n[[rule]]\nname = 'a'\nreprot = 'tpm'\n", "line 4: a rule has no 'reprot' - did you mean report?"),
        ("[[rule]]\nname = 'a'\nreport = 'tpm'\nsql = 'x'\n", "line 4: a rule asks a report, or sql, and not both"),
        ("[[rule]]\nname = 'a'\nreport = 'tpm'\nvalue = 'calls'\n", "line 4: a rule with a value has above or below"),
        ("[[rule]]\nname = 'a'\nreport = 'tpm'\nabove = 1\n", "line 4: a rule with a value has above or below"),
        (PEAK + "above = '1'\n", "line 7: above is a number"),
        (PEAK + "above = 1\nclear = 2\n", "line 8: clear is on the other side of above = 1"),
        (PEAK + "below = 1\nwindow = 'hour'\n", "line 8: window is an age, such as 1h or 7d, not 'hour'"),
        (
            PEAK + "above = 1\nfilters = { modell = 'x' }\n",
            "line 8: no filter is called 'modell' - did you mean model?",
        ),
        (PEAK + "above = 1\nwebhook = 'ftp://x'\n", "line 8: webhook is an address that begins with https:// or"),
        (PEAK + "above = 1\nwebhook = '$NO_SUCH'\n", "line 8: $NO_SUCH is not set in the environment"),
        (PEAK + "above = 1\nshape = 'slak'\n", "line 8: shape is json or slack, not 'slak' - did you mean slack?"),
        (PEAK + "above = 1\n" + PEAK + "above = 1\n", "line 9: two rules are called 'peak'"),
    ],
)
def test_what_a_rule_cannot_say_is_told_in_one_line(warehouse, text, said):
    say(warehouse, text)
    done = check(warehouse)

    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_others_may_write_runs_no_commands(warehouse):
    say(warehouse, PEAK + "above = 1\n")
    file = warehouse / "alerts.toml"
    file.chmod(file.stat().st_mode | stat.S_IWGRP)
    with pytest.raises(IngestError, match="others than this user may write it"):
        read(file)


def test_without_rules_it_says_where_they_would_be(warehouse):
    done = check(warehouse)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert f"no rules at {warehouse}/alerts.toml" in done.stderr


NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
ABOVE = Rule("r", report="x", value="v", threshold=10, clear=5)


def walk(values, rule=ABOVE, known=None):
    """Return at which of *values*, one a minute, the rule fires and is over."""
    seen = [Point("k", NOON + timedelta(minutes=n), value, "{}") for n, value in enumerate(values)]
    found = crossings(rule, seen, known or {}, NOON)
    minutes = [(each.point.at - NOON).seconds // 60 for each in found.new]
    return minutes, [(moment - NOON).seconds // 60 for moment in found.cleared.values()]


@pytest.mark.parametrize(
    ("values", "fires", "over"),
    [
        ([9, 10, 12, 9, 6, 11], [1], []),  # between the levels it neither fires nor rests
        ([10, 4, 10, 4, 3], [0, 2], [1, 3]),
        ([10, 5, 10], [0], []),  # the clear level itself is not below it
        ([None, 10, None, 4], [1], [3]),  # what is unknown is neither
        ([], [], []),
    ],
)
def test_a_rule_fires_once_until_its_value_rests(values, fires, over):
    assert walk(values) == (fires, over)
    below = ABOVE._replace(sign=-1, threshold=-10, clear=-5)
    assert walk([value and -value for value in values], below) == (fires, over)


def test_what_was_found_before_is_not_found_again():
    known = {"k": Last("r/k/…", NOON + timedelta(minutes=2), None)}
    assert walk([11, 4, 11, 12], known=known) == ([], [])
    assert walk([11, 4, 11, 4, 12], known=known) == ([4], [3])
    over = {"k": Last("r/k/…", NOON, NOON + timedelta(minutes=2))}
    assert walk([11, 11, 11], known=over) == ([2], [])  # a minute that was nearly empty has filled since


def test_a_key_that_is_gone_is_over():
    found = crossings(ABOVE, [], {"k": Last("name", NOON, None)}, NOON + timedelta(hours=1))
    assert (found.cleared, found.still_open) == ({"name": NOON + timedelta(hours=1)}, 0)


def test_a_model_near_its_own_limit_fires_as_its_provider_counts(tmp_path):
    now = datetime.now(UTC)
    cached = {"model": "claude-opus-4-5", "provider": "anthropic", "cache_read_tokens": 800}
    calls = [call(now - timedelta(seconds=n), 1_000, source_offset=n, **cached) for n in range(5, 45, 10)]
    folder = build(tmp_path / "w", llm_calls=calls)
    (folder / "limits.toml").write_text('[[limit]]\nmodel = "claude"\nitpm = 500\notpm = 1_000\n')
    say(
        folder,
        '[[rule]]\nname = "near"\nreport = "headroom"\nwindow = "1d"\nkey = ["model", "counts"]\nvalue = "share"\n'
        "above = 0.8\n",
    )
    done = check(folder, "-j")
    assert [each["key"] for each in json.loads(done.stdout)["new"]] == ["claude-opus-4-5 ITPM"]
    assert alerts(folder)["value"].to_list() == [0.8]  # 400 tokens that the cache did not hold, of 500


def test_a_webhook_that_refuses_is_tried_again_and_a_command_is_not(warehouse, tmp_path):
    with Hook() as hook:
        hook.refuse = 1
        say(warehouse, f"webhook = '{hook.url}'\nexec = ['touch', '{tmp_path}/ran']\n{PEAK}above = 700_000\n")
        done = check(warehouse)
    assert done.exit_code == 3
    assert [message["id"] for message in hook.came] == [alerts(warehouse)["alert_id"].item()] * 2
    row = alerts(warehouse).row(0, named=True)
    assert (row["state"], row["told"], row["tries"]) == ("sent", "stderr,exec,webhook", 1)
    assert "HTTP Error 500" in done.stderr
    assert "secret-path" not in done.stderr


def test_what_nobody_took_stays_pending_and_goes_with_the_next_check(warehouse, monkeypatch):
    monkeypatch.setattr(deliveries, "pause", lambda tries: 0.0)
    with Hook() as hook:
        url = hook.url
    say(warehouse, f"webhook = '{url}'\n{PEAK}above = 700_000\n")
    done = check(warehouse)
    assert "1 messages are not sent yet" in done.stderr
    assert alerts(warehouse).select("state", "tries", "told").row(0) == ("pending", 3, "stderr")
    with Hook() as hook:
        say(warehouse, f"webhook = '{hook.url}'\nshape = 'slack'\n{PEAK}above = 700_000\n")
        assert check(warehouse).exit_code == 0
    ((text,),) = (message.values() for message in hook.came)
    assert alerts(warehouse)["alert_id"].item() in text
    assert alerts(warehouse)["state"].item() == "sent"


def test_the_table_is_kept_like_the_others(warehouse, tmp_path):
    log = tmp_path / "maestro.log"
    log_calls(log, 10, 20, 30)
    own = tmp_path / "own"
    each = follower(own, log)
    catch_up(each)
    each.close()
    say(own, RULE.format(url="http://127.0.0.1:1/").replace("webhook", "# webhook"))
    assert check(own).exit_code == 3
    compact(own)
    assert alerts(own)["state"].to_list() == ["sent"] * 3
    verdict = verify(own)
    assert (verdict.problems, verdict.checked["rows of alerts"]) == ([], 3)
    data = max((own / "alerts").glob("date=*/*.parquet"), key=lambda file: file.stat().st_mtime_ns)
    whole = data.read_bytes()
    data.write_bytes(whole[:50])
    assert [str(data) in problem for problem in verify(own).problems] == [True]
    data.write_bytes(whole)
    expire(own, datetime.now(UTC).date() + timedelta(days=1))
    assert alerts(own).height == 0
    assert verify(own).problems == []


def test_a_warehouse_without_rules_has_no_such_table_and_goes_on(tmp_path):
    log = tmp_path / "maestro.log"
    log_calls(log, 1)
    each = follower(tmp_path / "w", log)
    catch_up(each)
    each.close()
    assert not (tmp_path / "w" / "alerts").exists()
    assert alerts(tmp_path / "w").height == 0
    assert "alerts" not in Warehouse(tmp_path / "w").tables


@pytest.fixture
def running(tmp_path):
    with Ingest(tmp_path) as one:
        yield one


def test_a_follower_tells_as_soon_as_it_has_committed_and_its_end_is_enough(running, tmp_path):
    log = tmp_path / "maestro.log"
    with Hook() as hook:
        say(running.warehouse, RULE.format(url=hook.url))
        running.start("follow", "--interval", "0.05", log)
        log_calls(log, *range(1, 11))
        hook.until(lambda hook: len(hook.taken) == 1)
        log_calls(log, *range(11, 31))
        hook.until(lambda hook: len(hook.taken) == 3)
        running.stop()
        assert sorted(message["key"] for message in hook.came) == ["10", "20", "30"]
    assert re.search(r"alert tenth of 10 at .* \[tenth/10/", running.said.read_text())


def test_following_once_waits_for_its_messages(running, tmp_path):
    log = tmp_path / "maestro.log"
    log_calls(log, 10)
    with Hook() as hook:
        say(running.warehouse, RULE.format(url=hook.url))
        running.finish("follow", "--once", log)
        assert [message["key"] for message in hook.taken] == ["10"]


def test_wrong_rules_are_said_once_and_the_following_goes_on(running, tmp_path):
    log = tmp_path / "maestro.log"
    say(running.warehouse, "[[rules]]\n")
    running.start("follow", "--interval", "0.05", log)
    log_calls(log, 1)
    running.until(lambda: "no setting is called 'rules'" in running.said.read_text())
    log_calls(log, 2)
    running.until(lambda: running.calls().total() == 2)
    running.stop()
    assert running.said.read_text().count("no setting") == 1


@pytest.mark.parametrize("kills", [7, pytest.param(100, marks=pytest.mark.slow)])
def test_through_kills_each_crossing_is_told_and_only_what_was_under_way_comes_again(tmp_path, kills):
    done = alarms(tmp_path, kills=kills, seed=17)
    assert (
        done["messages"] == done["crossings"] + done["under way at a kill"] == 3 * kills + done["under way at a kill"]
    )


def test_who_waits_for_the_last_check_does_not_wait_for_its_rest():
    commits, follower = os.pipe()
    os.write(follower, b"\n")
    os.close(follower)
    began = time.monotonic()
    assert [checks.rest(commits, 20, None), checks.rest(commits, 20, None)] == [True, False]
    assert time.monotonic() - began < 20
    os.close(commits)
