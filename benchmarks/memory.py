"""How much memory reading takes: a log of 10 GB, a dense part again and again; and inputs that try to take much."""

import bz2
import gzip
import lzma
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa

from benchmarks.maestro import PLAIN, write
from benchmarks.measure import INGEST, Options, bar, head, row, run

MOST = 700e6
"""What no input may exceed, in bytes."""

_MIB = 1 << 20
_CALL = (
    '{{"model":"m-{0}","agent":"a-{0}","prompt_tokens":10,"completion_tokens":5,"timestamp":"2026-01-01T00:00:00Z"}}\n'
)
_PACKINGS: dict[str, Callable[[Path], IO[bytes]]] = {
    "gz": lambda path: gzip.open(path, "wb"),  # noqa: SIM115 # who asks closes it
    "bz2": lambda path: bz2.open(path, "wb"),  # noqa: SIM115 # as above
    "xz": lambda path: lzma.open(path, "wb", preset=1),  # noqa: SIM115 # as above
    "zst": lambda path: pa.output_stream(str(path), compression="zstd"),
}


def main(options: Options) -> None:
    """Measure logs of 1 GB and of 10 GB, and hostile inputs: the peak must not grow with what they hold."""
    _hostile(options)
    _long(options)


def _hostile(options: Options) -> None:
    head("memory of a backfill of hostile inputs", "peak MB", "2026-11-28, MB")
    peaks = []
    with tempfile.TemporaryDirectory() as scratch:
        log, warehouse = Path(scratch, "hostile.log"), Path(scratch, "warehouse")
        for name, before in _inputs(log, options.scale):
            taken = run(
                [*INGEST, "backfill", str(log), "-w", str(warehouse)],
                runs=1,
                before=lambda: shutil.rmtree(warehouse, ignore_errors=True),
            )
            peaks.append(taken.peak)
            row(name, taken, f"{taken.peak / 1e6:,.0f}", before)
    bar(f"at most {MOST / 1e6:.0f} MB: {max(peaks) / 1e6:.0f} MB", met=max(peaks) <= MOST)


def _inputs(log: Path, scale: float) -> Iterator[tuple[str, str]]:
    """Write one input after the other to *log*, yield what it is, and what reading it took before it was bounded."""
    for name, short, before in (
        ("newlines", b"\n", "1,600"),
        ("`{}`", b"{}\n", "1,100"),
        ("objects", b'{"a":1}\n', "757"),
    ):
        log.write_bytes(short * (int(32 * _MIB * scale) // len(short)))
        yield f"32 MiB of {name}", before
    log.write_bytes(b"[" + b"{},\n" * int(15 * _MIB * scale) + b"{}]\n")
    yield "a document of 15 million objects", ""
    with log.open("wb") as file:
        for _ in range(int(1500 * scale)):
            file.write(b"x" * 10**6)
    yield "a line of 1.5 GB", ""
    with log.open("wb") as file:
        os.truncate(file.fileno(), int(3072 * _MIB * scale))
        file.seek(0, os.SEEK_END)
        file.write(b"\nend\n")
    yield "a hole of 3 GiB", "328"
    log.write_bytes(b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"\n")
    yield "100,000 levels", "339"
    log.write_text("".join(_CALL.format(n) for n in range(int(100_000 * scale))))
    yield "100,000 models and agents", "510"
    for packing, opened in _PACKINGS.items():
        with opened(log) as file:
            for _ in range(int(900 * scale)):
                file.write(b"\n" * _MIB)
        yield f"900 MiB of newlines in {packing}", "3,200" if packing == "gz" else ""


def _long(options: Options) -> None:
    head("memory of a backfill, 5% call lines", "GB", "MB/s", "peak MB")
    peaks = []
    for gigabytes in (1, 10):
        size = int(gigabytes * 1e9 * options.scale)
        log = options.data / f"memory-{size}.log"
        truth = write(log, size=size, kind=PLAIN)
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
