"""How long the smallest things take: `--help`, and a report on a small warehouse."""

import tempfile
from pathlib import Path

import ingest
from benchmarks.maestro import SAMPLE
from benchmarks.measure import INGEST, Options, bar, head, row, run


def main(options: Options) -> None:
    """Measure both."""
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = str(Path(scratch, "warehouse"))
        ingest.backfill(SAMPLE, warehouse)
        head("starting")
        told = run([*INGEST, "--help"], runs=options.runs * 3)
        row("`ingest --help`", told)
        report = run([*INGEST, "report", "tpm", "-w", warehouse], runs=options.runs * 3)
        row("`ingest report tpm`, 766 calls", report)
    bar(f"--help in at most 0.15 s: {told.median:.2f} s", met=told.median <= 0.15)
    bar(f"report tpm in at most 0.8 s: {report.median:.2f} s", met=report.median <= 0.8)
