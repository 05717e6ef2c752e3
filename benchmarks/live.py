"""`ingest watch`: what the screen takes of a core over ten million calls, while nothing comes and beside a follower."""

import contextlib
import os
import pty
import signal
import subprocess
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from fcntl import ioctl
from pathlib import Path
from struct import pack

from benchmarks.calls import DAYS, write
from benchmarks.following import growing
from benchmarks.measure import ENV, INGEST, Options, bar, cpu_of, must

SECONDS = 60.0
COLUMNS, LINES = 120, 40


def main(options: Options) -> None:
    """Measure both over calls of the thirty days before now, as the screen looks at the last one."""
    calls = int(10_000_000 * options.scale) // DAYS * DAYS
    seconds = max(SECONDS * min(options.scale * 10, 1), 5.0)
    print(f"\n### the screen over {calls:,} calls, {seconds:.0f} s\n\n| while | share of a core |\n| --- | ---: |")
    shares = list[float]()
    options.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.data) as folder:
        warehouse = Path(folder)
        write(warehouse, calls=calls, first=datetime.now(UTC) - timedelta(days=DAYS))
        for what, beside in ("nothing comes", nullcontext()), ("there is a commit each second", growing(warehouse)):
            with beside, _screen(warehouse) as shown:
                time.sleep(5)  # it has started by then
                before = cpu_of(shown.pid)
                time.sleep(seconds)
                shares.append((cpu_of(shown.pid) - before) / seconds)
                must(shown.poll(), None, "exit code while it shows")
            print(f"| {what} | {shares[-1]:.1%} |", flush=True)
    bar(f"at most a tenth of a core: {max(shares):.1%}", met=max(shares) <= 0.1)


@contextmanager
def _screen(warehouse: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Show *warehouse* on a terminal that takes whatever comes."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, pack("HHHH", LINES, COLUMNS, 0, 0))
    command = [*INGEST, "watch", "-w", str(warehouse)]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=ENV | {"TERM": "xterm-256color"}
    )
    os.close(theirs)
    reader = threading.Thread(target=_drain, args=(ours,))
    reader.start()
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        reader.join()
        os.close(ours)


def _drain(terminal: int) -> None:
    with contextlib.suppress(OSError):  # the other end is closed
        while os.read(terminal, 65_536):
            pass
