"""`ingest` as another user runs it, to whom nothing belongs that a test has made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

_CODE = """
import difflib, os, shutil, sys, tempfile, traceback
from click.testing import CliRunner
from ingest.cli import cli

folder, *arguments = sys.argv[1:]
with tempfile.TemporaryDirectory() as copy:  # imports what it needs while it may
    shutil.copytree(folder, f"{copy}/it")
    os.chdir(f"{copy}/it")
    CliRunner().invoke(cli, arguments)
    CliRunner().invoke(cli, [*arguments[:-1], "nowhere"])
os.chdir(folder)
os.setgroups([])
os.setresgid(65534, 65534, 0)
os.setresuid(65534, 65534, 0)
done = CliRunner().invoke(cli, arguments)
print(done.exit_code)
print(done.output)
if done.exc_info and done.exc_info[0] is not SystemExit:
    traceback.print_exception(*done.exc_info, file=sys.stdout)
os.setresuid(0, 0, 0)
"""


def as_nobody(folder, *arguments):
    """Run `ingest` with *arguments* in *folder* as a user of his own; return its exit code and what it said, in lines.

    The last argument is the warehouse.
    """
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here}:{here.parent}"}
    command = [sys.executable, "-c", _CODE, str(folder), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    code, *said = done.stdout.splitlines()
    return int(code), [line for line in said if line]
