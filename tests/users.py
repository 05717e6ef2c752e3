"""`ingest` as another user runs it, to whom nothing belongs that a test has made."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

_CODE = """
import difflib, fractions, json, os, shutil, sys, tempfile, traceback
from click.testing import CliRunner
from ingest.cli import cli

folder, *commands = json.loads(sys.argv[1])
with tempfile.TemporaryDirectory() as copy:  # imports what it needs while it may
    shutil.copytree(folder, f"{copy}/it")
    os.chdir(f"{copy}/it")
    for command in commands:
        CliRunner().invoke(cli, command)
        CliRunner().invoke(cli, command, env={"INGEST_WAREHOUSE": "nowhere"})
os.chdir(folder)
os.setgroups([])
os.setresgid(65534, 65534, 0)
os.setresuid(65534, 65534, 0)
answers = []
for command in commands:
    done = CliRunner().invoke(cli, command, env={"INGEST_WAREHOUSE": "w"})
    bug = done.exc_info and done.exc_info[0] is not SystemExit
    answers.append((done.exit_code, done.output + ("".join(traceback.format_exception(*done.exc_info)) if bug else "")))
os.setresuid(0, 0, 0)
print(json.dumps(answers))
"""


def as_nobody(folder, *commands):
    """Run `ingest` with each of *commands*, on the warehouse `w` in *folder*, as a user of his own.

    Return their exit codes and what they said, in lines.
    """
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": f"{here}:{here.parent}", "INGEST_WAREHOUSE": "w"}
    environment["XDG_CACHE_HOME"] = str(folder / "nothing")  # what root keeps there spares it imports that are needed
    told = json.dumps([str(folder), *map(shlex.split, commands)])
    command = [sys.executable, "-c", _CODE, told]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [(code, [line for line in said.splitlines() if line]) for code, said in json.loads(done.stdout)]
