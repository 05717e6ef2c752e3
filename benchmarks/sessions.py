"""A home of Claude Code sessions: `ingest backfill` and a report beside ccusage, which reads all of it each time."""

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
    """Measure a home of 1.2 GB, of which half of the files are small and a few are large."""
    home = options.data / f"claude-home-{options.scale:g}"
    shutil.rmtree(home, ignore_errors=True)
    truth = {model: dict(counts) for model, counts in write(home, megabytes=1_200 * options.scale, home=True).items()}
    sizes = sorted(file.stat().st_size for file in home.rglob("*.jsonl"))
    size = sum(sizes)
    what = f"median {sizes[len(sizes) // 2] / 1e3:,.0f} kB, largest {sizes[-1] / 1e6:,.1f} MB"
    head(f"{size / 1e6:,.0f} MB of Claude Code sessions in {len(sizes):,} files, {what}", "MB/s", "peak MB")
    rival = _ccusage(home, options.runs)
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch, "warehouse")
        cold = run(
            [*INGEST, "backfill", str(home), "-w", str(warehouse)],
            runs=options.runs,
            before=lambda: shutil.rmtree(warehouse, ignore_errors=True),
        )
        again = run([*INGEST, "backfill", str(home), "-w", str(warehouse)], runs=options.runs)
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
        cpu, share = cold.cpu / rival.cpu, warm.median / rival.median
        bar(f"cold at most 3 × the CPU of ccusage: {cpu:.2f} ×", met=cpu <= 3)
        bar(f"a later question at most 0.25 × its time: {share:.2f} ×", met=share <= 0.25)
        ten, its_ten = cold.median + 10 * warm.median, 10 * rival.median
        bar(f"the backfill and ten questions in less than ten of its: {ten:.1f} and {its_ten:.1f} s", met=ten < its_ten)


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
