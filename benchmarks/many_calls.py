"""Every report on a hundred million calls, and on ten million: how time and memory grow with the calls."""

from pathlib import Path

import queries
from benchmarks.calls import write
from benchmarks.measure import INGEST, Options, Taken, bar, head, must, row, run
from benchmarks.reports import SLOWER

FEW, MANY = 10_000_000, 100_000_000
DAYS = {FEW: 30, MANY: 300}
WEEK = "2026-10-21"
"""The day a week before the last of the many."""


def main(options: Options) -> None:
    """Measure each report once on the many, as that takes long, and as often as others on the few."""
    few, many = (_warehouse(options, calls) for calls in (FEW, MANY))
    head(f"{int(MANY * options.scale):,} calls of {DAYS[MANY]} days", "× a tenth of them", "peak MB")
    ratios, peaks = {}, {}
    # In the short form times mean nothing, and totals were compared above.
    asked = [name for name in queries.names() if name not in SLOWER] if options.scale >= 0.1 else ["usage"]
    for name in asked:
        before, now = _report(few, name, runs=options.runs), _report(many, name, runs=1)
        ratios[name], peaks[name] = now.median / before.median, now.peak
        row(f"`ingest report {name}`", now, f"{ratios[name]:.1f}", f"{now.peak / 1e6:,.0f}")
    week = _report(many, "tpm", "--since", WEEK, runs=options.runs)
    row("`ingest report tpm --since`, a week", week, "", f"{week.peak / 1e6:,.0f}")
    slowest, largest = max(ratios, key=ratios.__getitem__), max(peaks, key=peaks.__getitem__)
    bar(f"at most 12 × as long: {slowest} {ratios[slowest]:.1f} ×", met=ratios[slowest] <= 12)
    bar(f"at most 4 GB: {largest} {peaks[largest] / 1e9:.1f} GB", met=peaks[largest] <= 4e9)
    bar(f"a week in at most 1 s: {week.median:.2f} s", met=week.median <= 1)


def _warehouse(options: Options, calls: int) -> Path:
    days = DAYS[calls]
    count = max(int(calls * options.scale) // days, 1) * days
    warehouse = options.data / f"calls-{count}"
    write(warehouse, calls=count, days=days)
    (usage,) = queries.run(queries.connect(str(warehouse)), queries.load("usage")).frame.to_dicts()
    must(usage["calls"] + usage["failed_calls"], count, "calls")
    return warehouse


def _report(warehouse: Path, *words: str, runs: int) -> Taken:
    return run([*INGEST, "report", *words, "-w", str(warehouse)], runs=runs)
