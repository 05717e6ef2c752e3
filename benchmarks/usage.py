"""maestro's `usage.jsonl`: `ingest backfill` beside Polars and DuckDB that only read the JSON."""

import json
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.maestro import Truth
from benchmarks.measure import Options, bar, head, read_once, row, run
from benchmarks.throughput import backfill

POLARS = "import polars as pl, sys; print(pl.read_ndjson(sys.argv[1], ignore_errors=True).height)"
DUCKDB = (
    "import duckdb, sys; print(duckdb.sql("
    "'select count(*), sum(input_tokens) from read_json($f)', params={'f': sys.argv[1]}).fetchall())"
)


def main(options: Options) -> None:
    """Measure 200 MB."""
    log = options.data / f"usage-{options.scale:g}.jsonl"
    truth = _write(log, int(200e6 * options.scale))
    read_once(log)
    head(f"{truth.bytes / 1e6:.0f} MB usage.jsonl, {truth.calls:,} calls", "MB/s", "× read_ndjson")
    floor = run([sys.executable, "-c", POLARS, str(log)], runs=options.runs)
    others = {
        "`pl.read_ndjson` alone": floor,
        "DuckDB `read_json` alone": run([sys.executable, "-c", DUCKDB, str(log)], runs=options.runs),
        "`ingest backfill`": backfill(log, truth, options.runs),
    }
    for name, taken in others.items():
        row(name, taken, f"{truth.bytes / 1e6 / taken.median:,.0f}", f"{taken.median / floor.median:.1f}")
    ratio = others["`ingest backfill`"].median / floor.median
    bar(f"at most 2.5 × read_ndjson: {ratio:.1f} ×", met=ratio <= 2.5)


def _write(path: Path, size: int) -> Truth:
    """Write a usage log of version 2 of about *size* bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chance, at, calls, tokens = random.Random(1), datetime(2026, 8, 4, tzinfo=UTC), 0, 0
    with path.open("w", encoding="utf-8") as file:
        written = file.write('{"usage_surface_version":2}\n')
        while written < size:
            at += timedelta(milliseconds=chance.randrange(900))
            prompt, output, reasoning = chance.randrange(200_000), chance.randrange(4_000), chance.randrange(900)
            record = {
                "finished_at": at.strftime("%Y-%m-%dT%H:%M:%S.%f") + f"{chance.randrange(1000):03}Z",
                "input_tokens": prompt,
                "output_tokens": output,
                "reasoning_tokens": reasoning,
                "cache_read_tokens": prompt // 2,
                "cache_write_tokens": 0,
                "cost_usd": round(prompt * 3e-6, 6),
                "provider": "anthropic",
                "model": chance.choice(["claude-opus-5", "claude-sonnet-4-6"]),
                "story_id": f"{chance.randrange(90):08x}",
                "agent_id": f"coder-{chance.randrange(9):03}",
                "latency_ns": chance.randrange(90_000_000_000),
                "success": True,
            }
            written += file.write(json.dumps(record, separators=(",", ":")) + "\n")
            calls += 1
            tokens += prompt + output + reasoning
    return Truth(written, calls + 1, calls, tokens)
