"""Reports on ten million records of calls that were logged three times each, beside a `group by` of their keys."""

import sys

import queries
from benchmarks import keyed_calls
from benchmarks.measure import INGEST, Options, bar, head, must, row, run

FLOOR = """
import duckdb, glob, sys
files = glob.glob(sys.argv[1] + "/llm_calls/date=*/*.parquet")
print(duckdb.sql('''select count(*), sum(tokens) from (
    select dedupe_key, max(total_tokens) as tokens from read_parquet($files) group by dedupe_key
)''', params={"files": files}).fetchall())
"""
REPORTS = ("cost-by-model", "tpm", "limits", "sessions", "anomalies")
WEEK = "2025-12-28"
"""The day a week before the last one."""


def main(options: Options) -> None:
    """Measure them."""
    rows = int(10_000_000 * options.scale)
    warehouse = options.data / f"keyed-{rows}"
    truth = keyed_calls.write(warehouse, rows=rows)
    found = queries.connect(str(warehouse)).sql(
        "select model, count(*), sum(total_tokens)::bigint from llm_calls group by 1"
    )
    must({model: (calls, tokens) for model, calls, tokens in found.fetchall()}, truth, "calls and tokens per model")
    calls = sum(calls for calls, _ in truth.values())
    head(f"{rows:,} records of {calls:,} calls over {keyed_calls.DAYS:,} days", "× its time", "peak MB")
    floor = run([sys.executable, "-c", FLOOR, str(warehouse)], runs=options.runs)
    row("`group by dedupe_key`, DuckDB alone", floor, "1.0", f"{floor.peak / 1e6:,.0f}")
    asked = {name: [name] for name in REPORTS} | {"tpm --since, a week": ["tpm", "--since", WEEK]}
    taken = {}
    for name, words in asked.items():
        taken[name] = run([*INGEST, "report", *words, "-w", str(warehouse)], runs=options.runs)
        ratio = taken[name].median / floor.median
        row(f"`ingest report {name}`", taken[name], f"{ratio:.1f}", f"{taken[name].peak / 1e6:,.0f}")
    for name in REPORTS:
        ratio, peak = taken[name].median / floor.median, taken[name].peak
        bar(f"{name} at most 2 × and 2 GB: {ratio:.1f} ×, {peak / 1e9:.1f} GB", met=ratio <= 2 and peak <= 2e9)
