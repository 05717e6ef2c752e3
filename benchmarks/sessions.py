"""Claude Code sessions: `ingest backfill` and a report beside ccusage, which reads everything on each question."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import polars as pl

import queries
from benchmarks.claude_corpus import write
from benchmarks.measure import INGEST, Options, Taken, bar, head, must, row, run

CCUSAGE = "ccusage@20.0.24"


def main(options: Options) -> None:
    """Measure 300 MB of sessions as the many files that they are, and as one."""
    many = options.data / f"claude-{options.scale:g}"
    shutil.rmtree(many, ignore_errors=True)
    truth = {model: dict(counts) for model, counts in write(many, megabytes=300 * options.scale).items()}
    one = options.data / f"claude-one-{options.scale:g}"
    shutil.rmtree(one, ignore_errors=True)
    files = sorted(many.rglob("*.jsonl"))
    (one / "projects" / "p").mkdir(parents=True)
    with (one / "projects" / "p" / "session.jsonl").open("wb") as file:
        for each in files:
            file.write(each.read_bytes())
    for folder, name in ((many, f"in {len(files):,} files"), (one, "in one file")):
        _measure(options, folder, name, truth)


def _measure(options: Options, folder: Path, name: str, truth: dict[str, dict[str, int]]) -> None:
    size = sum(f.stat().st_size for f in folder.rglob("*.jsonl"))
    head(f"{size / 1e6:.0f} MB of Claude Code sessions {name}", "MB/s", "peak MB")
    rival = _ccusage(folder, options.runs)
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch, "warehouse")
        cold = run(
            [*INGEST, "backfill", str(folder), "-w", str(warehouse)],
            runs=options.runs,
            before=lambda: shutil.rmtree(warehouse, ignore_errors=True),
        )
        again = run([*INGEST, "backfill", str(folder), "-w", str(warehouse)], runs=options.runs)
        warm = run([*INGEST, "report", "cost-by-model", "-w", str(warehouse)], runs=options.runs)
        must(_tokens(warehouse), truth, "tokens per model")
    rows = {
        f"`{CCUSAGE} daily`": rival,
        "`ingest backfill`, cold": cold,
        "the same again": again,
        "`ingest report`": warm,
    }
    for command, taken in rows.items():
        if taken:
            row(command, taken, f"{size / 1e6 / taken.median:,.0f}", f"{taken.peak / 1e6:,.0f}")
    if rival:
        bar(f"cold at most 0.7 × ccusage: {cold.median / rival.median:.2f} ×", met=cold.median <= 0.7 * rival.median)
        bar(f"report at most 0.2 × ccusage: {warm.median / rival.median:.2f} ×", met=warm.median <= 0.2 * rival.median)


def _tokens(warehouse: Path) -> dict[str, dict[str, int]]:
    """Return what the view that counts each call once says, in the columns of the truth."""
    names = ("request_tokens", "cache_read_tokens", "cache_write_tokens", "response_tokens")
    counted = queries.connect(str(warehouse)).sql("select * from llm_calls").pl()
    found = counted.group_by("model").agg(pl.len().alias("calls"), *(pl.col(n).sum() for n in names))
    return {r["model"]: {k: v for k, v in r.items() if k != "model"} for r in found.iter_rows(named=True)}


def _ccusage(folder: Path, runs: int) -> Taken | None:
    """Measure ccusage's native binary, without npm's own start; None where it can't be had."""
    found = os.environ.get("CCUSAGE") or shutil.which("ccusage")
    if not found:
        return None
    environment = f"CLAUDE_CONFIG_DIR={folder}"
    printed = subprocess.run(
        ["env", environment, found, "daily", "--offline", "--json"], check=True, capture_output=True
    ).stdout
    json.loads(printed)
    return run(["env", environment, found, "daily", "--offline", "--json"], runs=runs)
