"""How the time grows: calls a second at 1, 10 and 100 million calls, and in 1, 100 and 10,000 files."""

import shutil
import tempfile
from pathlib import Path

import polars as pl

from benchmarks.maestro import DENSE, Truth, write
from benchmarks.measure import INGEST, Options, Taken, bar, head, must, row, run

CALL_BYTES = 225
MOST_SLOWER = 1.5


def main(options: Options) -> None:
    """Measure logs of more and more calls, then the same calls in more and more files."""
    head("more calls, one file, every line a call", "calls", "calls/s", "MB/s", "peak MB")
    by_calls = []
    for millions in (1, 10, 100):
        log = options.data / f"growth-{millions}.log"
        truth = write(log, size=int(millions * 1e6 * CALL_BYTES * options.scale), kind=DENSE)
        taken = _backfill(log, truth)
        log.unlink()
        by_calls.append(taken.median / truth.calls)
        _row(f"{millions} million", taken, truth)
    _linear("a call of the longest log takes", by_calls)

    head("the same calls, more files", "calls", "calls/s", "MB/s", "peak MB")
    log = options.data / "growth-files.log"
    truth = write(log, size=int(300e6 * options.scale), kind=DENSE)
    by_files = []
    for files in (1, *(max(1, round(many * options.scale)) for many in (100, 10_000))):
        with tempfile.TemporaryDirectory(dir=options.data) as folder:
            _spread(log, Path(folder), files)
            taken = _backfill(Path(folder), truth)
        by_files.append(taken.median / truth.calls)
        _row(f"{files:,} files", taken, truth)
    log.unlink()
    _linear("a call in ten thousand files takes", by_files)


def _backfill(source: Path, truth: Truth) -> Taken:
    with tempfile.TemporaryDirectory() as scratch:
        warehouse = Path(scratch, "warehouse")
        taken = run([*INGEST, "backfill", str(source), "-w", str(warehouse)], runs=1)
        found = pl.scan_delta(str(warehouse / "llm_calls")).select(pl.len(), pl.col("total_tokens").sum()).collect()
        shutil.rmtree(warehouse)
    must(found.row(0), (truth.calls, truth.tokens), "calls and tokens")
    return taken


def _spread(log: Path, folder: Path, files: int) -> None:
    """Write the lines of *log* to so many *files* of about the same size; equal ones would count once."""
    size = log.stat().st_size // files + 1
    with log.open("rb") as source:
        for number in range(files):
            piece = source.read(size) + source.readline()
            (folder / f"agent-{number:05}.log").write_bytes(piece)


def _row(name: str, taken: Taken, truth: Truth) -> None:
    speed = f"{truth.calls / taken.median:,.0f}", f"{truth.bytes / 1e6 / taken.median:,.0f}"
    row(name, taken, f"{truth.calls:,}", *speed, f"{taken.peak / 1e6:,.0f}")


def _linear(what: str, seconds: list[float]) -> None:
    ratio = seconds[-1] / seconds[0]
    bar(f"{what} {ratio:.2f} × the time of one of the shortest", met=ratio <= MOST_SLOWER)


if __name__ == "__main__":
    main(Options(Path(__file__).parent / "data"))
