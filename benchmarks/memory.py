"""How much memory a long backfill takes: one log of 10 GB, a dense part again and again."""

import shutil
import tempfile
from pathlib import Path

from benchmarks.maestro import write
from benchmarks.measure import INGEST, Options, bar, head, row, run


def main(options: Options) -> None:
    """Measure logs of 1 GB and of 10 GB: the peak must not grow with the length."""
    head("memory of a backfill, 5% call lines", "GB", "MB/s", "peak MB")
    peaks = []
    for gigabytes in (1, 10):
        size = int(gigabytes * 1e9 * options.scale)
        log = options.data / f"memory-{size}.log"
        truth = write(log, size=size, share=0.05)
        with tempfile.TemporaryDirectory() as scratch:
            warehouse = Path(scratch, "warehouse")
            taken = run(
                [*INGEST, "backfill", str(log), "-w", str(warehouse)],
                runs=1,
                before=lambda: shutil.rmtree(warehouse, ignore_errors=True),  # noqa: B023 # called in this turn
            )
        log.unlink()
        peaks.append(taken.peak)
        row(
            "`ingest backfill`",
            taken,
            f"{truth.bytes / 1e9:.1f}",
            f"{truth.bytes / 1e6 / taken.median:,.0f}",
            f"{taken.peak / 1e6:,.0f}",
        )
    bar(f"at most 800 MB, flat: {peaks[0] / 1e6:.0f} and {peaks[1] / 1e6:.0f} MB", met=peaks[1] <= 800e6)
