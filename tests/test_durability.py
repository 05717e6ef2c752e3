"""What the system is really asked to force to the disk, and in which order, as strace sees it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from logs import lines

CALL = re.compile(r"^\d+ +(fsync|linkat|link|rename|renameat2?)\((.*)\) += 0")


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_data_is_on_the_disk_before_the_entry_that_lists_it_and_each_entry_before_the_next(tmp_path):
    log, trace = tmp_path / "maestro.log", tmp_path / "trace"
    log.write_bytes(lines(1, 2))
    ingest = [sys.executable, "-m", "ingest", "follow", "--once", str(log), "-w", str(tmp_path / "w")]
    strace = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,link,linkat,rename,renameat,renameat2"]
    done = subprocess.run(
        [*strace, *ingest], capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent
    )
    if "ptrace" in done.stderr:
        pytest.skip("may not trace")
    assert done.returncode == 0, done.stderr

    calls = [found.groups() for text in trace.read_text().splitlines() if (found := CALL.match(text))]
    forced = [arguments for name, arguments in calls if name == "fsync"]
    assert any(re.search(r"llm_calls/date=2026-02-03/part-.*\.parquet>", each) for each in forced)
    assert any(each.endswith("llm_calls/date=2026-02-03>") for each in forced)
    for table in ("batches", "llm_calls"):
        steps = "".join(_step(*call) for call in calls if f"/{table}/" in call[1])
        assert re.fullmatch("(named )*(entry visible named )?data entry visible named ", steps), steps


def _step(name, arguments):
    """Return what a call does for a commit; the folder of the log is forced to the disk when it is made, too."""
    if re.search(r"/part-[^/]*\.parquet>", arguments):
        return "data "
    if re.search(r"_delta_log/0*[1-9]\d*\.json", arguments):
        return "entry " if name == "fsync" else "visible "
    return "named " if arguments.endswith("_delta_log>") else ""
