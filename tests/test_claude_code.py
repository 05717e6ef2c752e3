"""Sessions of Claude Code count each response once, however often it was written; ccusage is the referee."""

import importlib.util
import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from parsers.blocks.lines import Block
from parsers.claims.parse import parse
from parsers.formats.claude_code import FORMAT

ROOT = Path(__file__).parent.parent
COUNTS = ("request_tokens", "cache_read_tokens", "cache_write_tokens", "response_tokens")

_spec = importlib.util.spec_from_file_location("claude_corpus", ROOT / "benchmarks" / "claude_corpus.py")
corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(corpus)


def counted(root):
    """Return the tokens of each model, of equal keys the call with most tokens."""
    blocks = (Block(path.read_bytes(), sealed=True) for path in root.rglob("*.jsonl"))
    return by_model(pl.concat(parse(block, [FORMAT]).calls for block in blocks))


def by_model(calls):
    once = calls.sort("total_tokens", descending=True).unique("dedupe_key", keep="first")
    models = once.group_by("model").agg(pl.len().alias("calls"), pl.col(COUNTS).sum())
    return {row.pop("model"): row for row in models.to_dicts()}


def ccusage(command, root):
    """Return the same tokens as ccusage counts them."""
    environment = {**os.environ, "CLAUDE_CONFIG_DIR": str(root), "HOME": str(root)}
    arguments = ["daily", "--offline", "--json", "--timezone", "UTC"]
    result = subprocess.run([command, *arguments], env=environment, capture_output=True, text=True, check=True)
    models = {}
    for day in json.loads(result.stdout)["daily"]:
        for model in day["modelBreakdowns"]:
            read, written = model["cacheReadTokens"], model["cacheCreationTokens"]
            counts = (model["inputTokens"] + read + written, read, written, model["outputTokens"])
            models.setdefault(model["modelName"], Counter()).update(dict(zip(COUNTS, counts, strict=True)))
    return models


@pytest.mark.parametrize("lacking", [False, True], ids=["with request ids", "lacking request ids"])
def test_responses_are_counted_once(tmp_path, lacking):
    truth = corpus.write(tmp_path, megabytes=2, seed=7, lacking=lacking)

    assert counted(tmp_path) == truth


def test_advisers_and_compactions_are_calls_of_their_own_and_count_once():
    session = ROOT / "fixtures" / "claude-code" / "advisor-and-compaction.jsonl"
    found = by_model(parse(Block(session.read_bytes(), sealed=True), [FORMAT]).calls)

    adviser = found["claude-opus-4-7"]
    others = found["claude-sonnet-4-6"]
    assert (adviser["calls"], adviser["request_tokens"], adviser["response_tokens"]) == (1, 159_419, 7_805)
    assert others["calls"] == 4
    assert others["request_tokens"] == (2 + 226_584 + 7_853) + 23_000 + (180_000 + 600) + (5 + 10)
    assert others["response_tokens"] == 491 + 1_000 + 3_500 + 7


@pytest.mark.slow
def test_advisers_are_counted_as_ccusage_does(tmp_path):
    """It leaves compactions out, which are billed."""
    command = os.environ.get("CCUSAGE") or shutil.which("ccusage")
    if not command:
        pytest.skip("ccusage is not installed")
    session = ROOT / "fixtures" / "claude-code" / "advisor-and-compaction.jsonl"
    (tmp_path / "projects" / "p").mkdir(parents=True)
    shutil.copy(session, tmp_path / "projects" / "p")
    calls = parse(Block(session.read_bytes(), sealed=True), [FORMAT]).calls
    ours = by_model(calls.filter(pl.col("task").ne_missing("compaction")))

    assert ccusage(command, tmp_path) == {model: {name: row[name] for name in COUNTS} for model, row in ours.items()}


@pytest.mark.slow
def test_tokens_are_those_of_ccusage(tmp_path):
    """ccusage 20.0.24, found by $CCUSAGE or on the path, on 20 MB of sessions."""
    command = os.environ.get("CCUSAGE") or shutil.which("ccusage")
    if not command:
        pytest.skip("ccusage is not installed")
    corpus.write(tmp_path, megabytes=20, seed=3)

    ours = {model: {name: row[name] for name in COUNTS} for model, row in counted(tmp_path).items()}

    assert ccusage(command, tmp_path) == ours
