"""Every report on ten million calls, beside a plain `group by` on the same files and SQLite with indexes."""

import sqlite3
import sys
import tempfile
from pathlib import Path

import polars as pl

import queries
from benchmarks.calls import write
from benchmarks.measure import INGEST, Options, Taken, bar, head, must, row, run

PLAIN = """
import duckdb, glob, sys
files = glob.glob(sys.argv[1] + "/llm_calls/date=*/*.parquet")
print(duckdb.sql('''select model, date_trunc('minute', created_at) as minute, count(*), sum(total_tokens)
    from read_parquet($files) group by all order by 4 desc limit 10''', params={"files": files}).pl())
"""
SQLITE = """
import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute('''select model, max(tokens) from (
    select model, created_at / 60000000 as minute, sum(total_tokens) as tokens from llm_calls group by 1, 2
) group by model''').fetchall())
"""
SLOWER = {"execution", "reconcile", "what-if"}
"""Reports that need a parameter that no default can give."""


def main(options: Options) -> None:
    """Measure all of them."""
    calls = int(10_000_000 * options.scale) // 30 * 30
    warehouse = options.data / f"calls-{calls}"
    write(warehouse, calls=calls)
    (usage,) = queries.run(queries.connect(str(warehouse)), queries.load("usage")).frame.to_dicts()
    must(usage["calls"] + usage["failed_calls"], calls, "calls")
    head(f"{calls:,} calls over 30 days", "× plain", "peak MB")
    plain = run([sys.executable, "-c", PLAIN, str(warehouse)], runs=options.runs)
    row("plain `group by` model and minute", plain, "1.0", f"{plain.peak / 1e6:,.0f}")
    lite = _sqlite(warehouse)
    row("the same on SQLite, indexed", lite, f"{lite.median / plain.median:.1f}", "")
    taken = {}
    for name in queries.names():
        if name not in SLOWER:
            taken[name] = run([*INGEST, "report", name, "-w", str(warehouse)], runs=options.runs)
            row(
                f"`ingest report {name}`",
                taken[name],
                f"{taken[name].median / plain.median:.1f}",
                f"{taken[name].peak / 1e6:,.0f}",
            )
    slowest = max(taken, key=lambda name: taken[name].median)
    bar(f"tpm under 1.5 s: {taken['tpm'].median:.2f} s", met=taken["tpm"].median < 1.5)
    bar(f"every other under 3 s: {slowest} takes {taken[slowest].median:.2f} s", met=taken[slowest].median < 3)
    bar(
        f"tpm at most 2 × the plain query: {taken['tpm'].median / plain.median:.1f} ×",
        met=taken["tpm"].median <= 2 * plain.median,
    )
    bar(f"at least 20 × SQLite: {lite.median / taken['tpm'].median:.0f} ×", met=lite.median >= 20 * taken["tpm"].median)
    peak = max(t.peak for t in taken.values())
    bar(f"memory under 2 GB: {peak / 1e9:.2f} GB", met=peak < 2e9)


def _sqlite(warehouse: Path) -> Taken:
    """Measure the peak question on SQLite, with indexes on time, model and agent."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "calls.db")
        base = sqlite3.connect(file)
        base.execute(
            "create table llm_calls (created_at integer, model text, agent_id text, total_tokens int, cost_usd real)"
        )
        columns = [
            pl.col("created_at").dt.epoch("us"),
            "model",
            "agent_id",
            "total_tokens",
            pl.col("cost_usd").cast(pl.Float64),
        ]
        for batch in pl.scan_delta(str(warehouse / "llm_calls")).select(columns).collect().iter_slices(500_000):
            base.executemany("insert into llm_calls values (?, ?, ?, ?, ?)", batch.iter_rows())
        base.execute("create index by_time on llm_calls (created_at)")
        base.execute("create index by_model on llm_calls (model, created_at)")
        base.execute("create index by_agent on llm_calls (agent_id, created_at)")
        base.commit()
        base.close()
        return run([sys.executable, "-c", SQLITE, str(file)], runs=1)
