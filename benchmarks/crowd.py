"""Folders of many files: tiny new ones by the thousand beside one that grows, and hundreds that all grow."""

import os
import tempfile
import time
from pathlib import Path

from benchmarks.following import Following, call
from benchmarks.measure import Options, bar, must

TINY = 50_000
GROWING = 300
SECONDS = 30.0


def main(options: Options) -> None:
    """Measure files a second, and how long a line of a growing file waits meanwhile; then CPU and waits of many."""
    print(
        "\n### many files\n\n| input | files/s | p50 s | p99 s | CPU |\n| --- | ---: | ---: | ---: | ---: |", flush=True
    )
    for name, end in (("one record a file", "\n"), ("the same without a line's end", "")):
        speed, waits = _tiny(max(300, int(TINY * options.scale)), end)
        print(f"| {name} | {speed:,.0f} | {_share(waits, 0.5):.1f} | {_share(waits, 0.99):.1f} | |", flush=True)
        bar(f"at least 2,000 files/s: {speed:,.0f}", met=speed >= 2_000)
        bar(f"a line of a growing file visible within 2 s: {_share(waits, 0.99):.1f} s", met=_share(waits, 0.99) <= 2)
    cpu, waits = _growing(max(10, int(GROWING * options.scale)), max(5.0, SECONDS * options.scale))
    print(
        f"| files that grow each second | | {_share(waits, 0.5):.1f} | {_share(waits, 0.99):.1f} | {cpu:.2f} |",
        flush=True,
    )
    bar(f"at most 0.4 of a core: {cpu:.2f}", met=cpu <= 0.4)
    bar(f"visible within the interval + 1 s at p99: {_share(waits, 0.99):.1f} s", met=_share(waits, 0.99) <= 2)


def _tiny(count: int, end: str) -> tuple[float, list[float]]:
    with tempfile.TemporaryDirectory() as scratch:
        folder, warehouse = Path(scratch, "calls"), Path(scratch, "warehouse")
        folder.mkdir()
        old = time.time() - 120
        for number in range(count):
            path = folder / f"{number:06}.json"
            path.write_text(call("tiny", number) + end, "utf-8")
            os.utime(path, (old, old))
        grows = folder / "app.jsonl"
        grows.write_text(call("grows", 0, time.time()) + "\n", "utf-8")
        begun = time.perf_counter()
        with Following(folder, warehouse, [grows]) as following:
            while following.seen["tiny"] < count:
                following.look()
            took = time.perf_counter() - begun
            following.stop()
        must(following.rows(), count + following.written, "calls")
    return count / took, following.waits


def _growing(count: int, seconds: float) -> tuple[float, list[float]]:
    with tempfile.TemporaryDirectory() as scratch:
        folder, warehouse = Path(scratch, "calls"), Path(scratch, "warehouse")
        folder.mkdir()
        paths = [folder / f"{number:04}.jsonl" for number in range(count)]
        for number, path in enumerate(paths):
            path.write_text(call(f"first{number}", 0, time.time()) + "\n", "utf-8")
        with Following(folder, warehouse, paths) as following:
            while not following.seen["grows"]:
                following.look()
            began, before = time.perf_counter(), following.cpu()
            while time.perf_counter() - began < seconds:
                following.look()
            cpu = (following.cpu() - before) / (time.perf_counter() - began)
            following.stop()
        must(following.rows(), count + following.written, "calls")
    return cpu, following.waits


def _share(waits: list[float], share: float) -> float:
    return sorted(waits)[min(len(waits) - 1, int(len(waits) * share))] if waits else 0.0
