"""What the price table said is kept between runs, exactly, and only as long as it is what the table says."""

import json
import os
import subprocess
import sys

import pytest
from logs import lines

from ingest.prices import match
from ingest.prices.installed import Listed, usual_file
from ingest.prices.price import load_prices

BACKFILL = (
    "import sys; from ingest.cli import cli; cli(sys.argv[1:], standalone_mode=False);"
    " print('genai_prices' in sys.modules)"
)


def kept(file, *asked):
    """Ask for each of *asked* and keep the answers in *file*; return them."""
    listed = Listed(file)
    answers = [listed.entry(*one) for one in asked]
    listed.keep()
    return answers


def test_all_entries_of_the_table_come_back_as_they_were(tmp_path):
    asked = [(provider.id, model.id) for provider in match.providers() for model in provider.models]
    asked += [(None, "gpt-4o"), ("nobody", "nothing"), (None, 'odd "é"\n\udc80 name')]
    answers = kept(tmp_path / "new" / "prices.json", *asked)
    file = tmp_path / "new" / "prices.json"
    again = Listed(file)

    assert len(asked) > 1000
    assert len(json.loads(file.read_text())["entries"]) == len(set(asked))
    assert [again.entry(*one) for one in asked] == answers


def test_what_was_made_of_another_table_is_not_used(tmp_path):
    file = tmp_path / "prices.json"
    (right,) = kept(file, ("openai", "gpt-4o"))
    held = json.loads(file.read_text())
    held["entries"][0][2][3][0][2][0][1][0] += 1
    file.write_text(json.dumps(held))
    assert Listed(file).entry("openai", "gpt-4o") != right  # the file is really read

    held["made_of"][0][1] += 1
    file.write_text(json.dumps(held))
    assert Listed(file).entry("openai", "gpt-4o") == right


@pytest.mark.parametrize("text", ["", "{", "[]", '{"made_of": 1}', '{"entries": [[1]]}', "\udc80"])
def test_a_damaged_file_of_kept_prices_is_ignored_and_written_anew(tmp_path, text):
    file = tmp_path / "prices.json"
    (right,) = kept(tmp_path / "other.json", ("openai", "gpt-4o"))
    file.write_text(text, errors="surrogateescape")

    assert kept(file, ("openai", "gpt-4o")) == [right]
    assert Listed(file).entry("openai", "gpt-4o") == right
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tmp")] == []


def test_no_more_is_kept_than_there_may_be_models(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.prices.installed.MOST", 3)
    file = tmp_path / "prices.json"
    listed = Listed(file)
    for number in range(5):
        listed.entry("openai", f"made-up-{number}")
        listed.keep()
        if number == 2:
            file.write_text("not touched again")

    assert file.read_text() == "not touched again"


def test_a_folder_that_can_t_be_written_to_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    assert kept(tmp_path / "file" / "prices.json", ("openai", "gpt-4o"))[0]


def test_a_second_run_prices_without_importing_the_table(tmp_path):
    (tmp_path / "maestro.log").write_bytes(lines(1, 2, 3))
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    said, costs = [], []
    for name in ("one", "two"):
        arguments = ["backfill", str(tmp_path / "maestro.log"), "-w", str(tmp_path / name)]
        done = subprocess.run(
            [sys.executable, "-c", BACKFILL, *arguments], env=environment, capture_output=True, text=True, check=True
        )
        said.append(done.stdout)
        sql = "select sum(cost_computed_usd)::varchar as usd from llm_calls"
        question = [sys.executable, "-m", "ingest", "sql", sql, "-w", str(tmp_path / name), "--format", "csv"]
        costs.append(subprocess.run(question, capture_output=True, text=True, check=True).stdout)

    assert said == ["True\n", "False\n"]
    assert costs[0] == costs[1]
    assert float(costs[0].split()[1]) > 0


def test_own_prices_lie_over_what_was_kept(tmp_path):
    kept(tmp_path / "prices.json", ("openai", "gpt-4o"))
    own = tmp_path / "own.toml"
    own.write_text('[[price]]\nmodel = "gpt-4o"\ninput = 1\noutput = 2\n')
    prices = load_prices(own, kept=tmp_path / "prices.json")

    assert prices.entry("openai", "gpt-4o") == load_prices(own).entry("openai", "gpt-4o")
    assert prices.entry("openai", "gpt-4o") != load_prices().entry("openai", "gpt-4o")


def test_the_usual_file_is_in_the_user_s_folder_for_such_things(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert usual_file().parent == tmp_path / "llm-ingest"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(usual_file()).startswith("/home/somebody/.cache/llm-ingest/genai-prices-")
