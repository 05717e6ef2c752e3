"""How long the smallest things take: `--help`, a question to a small warehouse, and to open one of 1,100 days.

What nobody can do without is the floor: Python imports DuckDB.
"""

import sys
import tempfile
from pathlib import Path

import ingest
import queries
from benchmarks import keyed_calls
from benchmarks.maestro import SAMPLE
from benchmarks.measure import INGEST, Options, Taken, bar, head, must, row, run

FLOOR = [sys.executable, "-c", "import duckdb"]
READY = "import sys; from queries.connection.connect import connect"
OPENED = f"{READY}; connect(sys.argv[1])"


def main(options: Options) -> None:
    """Measure them."""
    runs = options.runs * 3
    with tempfile.TemporaryDirectory() as scratch:
        small = str(Path(scratch, "warehouse"))
        ingest.backfill(SAMPLE, small)
        head("starting", "× `import duckdb`")
        floor = run(FLOOR, runs=runs)
        row("`python -c 'import duckdb'`", floor, "1.0")
        told = _measured("`ingest --help`", [*INGEST, "--help"], floor, runs)
        report = _measured("`ingest report tpm`, 766 calls", [*INGEST, "report", "tpm", "-w", small], floor, runs)
        sql = [*INGEST, "sql", "select count(*) from llm_calls", "-w", small]
        _measured("`ingest sql`, the same calls", sql, floor, runs)
    bar(f"--help in at most 0.15 s: {told.median:.2f} s", met=told.median <= 0.15)
    bar(
        f"report tpm in at most 2.5 × `import duckdb`: {report.median / floor.median:.1f} ×",
        met=report.median <= 2.5 * floor.median,
    )
    large = _large(options)
    head(f"opening a warehouse of {keyed_calls.DAYS:,} days, a file each", "× `import duckdb`")
    ready = _measured("without opening it: `import queries`", [sys.executable, "-c", READY], floor, runs)
    opened = _measured("`queries.connect`", [sys.executable, "-c", OPENED, large], floor, runs)
    week = [*INGEST, "report", "tpm", "--since", "2025-12-28", "-w", large]
    _measured("`ingest report tpm` of its last week", week, floor, runs)
    took = opened.cpu - ready.cpu
    bar(f"opened in at most 0.15 CPU s: {took:.2f} s", met=took <= 0.15)


def _measured(what: str, command: list[str], floor: Taken, runs: int) -> Taken:
    """Measure *command* and print what it took beside the *floor*."""
    taken = run(command, runs=runs)
    row(what, taken, f"{taken.median / floor.median:.1f}")
    return taken


def _large(options: Options) -> str:
    """Return a warehouse whose calls were each logged three times; few a day, as opening it depends on its files."""
    rows = int(1_000_000 * options.scale)
    warehouse = options.data / f"keyed-days-{rows}"
    truth = keyed_calls.write(warehouse, rows=rows)
    with queries.connect(warehouse) as connection:
        counted = connection.sql(
            "select model, count(*), sum(total_tokens)::bigint from llm_calls group by 1"
        ).fetchall()
    must({model: (calls, tokens) for model, calls, tokens in counted}, truth, "calls and tokens")
    return str(warehouse)
