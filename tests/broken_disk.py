"""A disk that fails on request and a power cut that takes whatever was not forced to the disk, by `broken_disk.c`."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from logs import calls, catch_up, exactly, follower, log_calls, tiles
from processes import Ingest

from ingest.maintenance.verify import verify

SOURCE = Path(__file__).with_name("broken_disk.c")

FOLLOW = ["follow", "--interval", "0.05"]


def build(folder):
    """Compile the library into *folder*; skip where that isn't possible."""
    if sys.platform != "linux":
        pytest.skip("LD_PRELOAD and /proc are Linux's")
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    library = folder / "broken_disk.so"
    command = ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


class Disk(Ingest):
    """The disk under a warehouse: its processes see it through *library*, which fails or records what they ask of it.

    `record` holds what was forced to it; `flag` is there while it is broken, and grows with each call that failed.
    """

    def __init__(self, library, folder):
        super().__init__(folder)
        self.record = folder / "record"
        self.flag = folder / "flag"
        self._library = library
        self._identify = ctypes.CDLL(str(library)).identify

    def start(self, *arguments, stderr=None, **settings):
        """Start `ingest` with *arguments*; the *settings* are for the library. What it says is in `said`."""
        seen = {"LD_PRELOAD": self._library, "SYNC_LOG": self.record, "BROKEN_FLAG": self.flag}
        return super().start(*arguments, stderr=stderr, **seen, **settings)

    def holds(self, *numbers):
        """Compare the table with the truth, and everything in the warehouse with everything else in it."""
        assert calls(self.warehouse) == exactly(*numbers)
        assert all(tiles(self.warehouse).values())
        assert verify(self.warehouse).problems == []

    def earlier(self, log, *numbers):
        """Have calls *numbers* of *log* in a warehouse that is on the disk as it is."""
        log_calls(log, *numbers)
        each = follower(self.warehouse, log)
        catch_up(each)
        each.close()
        self.settle()

    def break_down(self):
        """Let what the library was told to fail fail from now on."""
        self.flag.touch()

    def refused(self):
        """Return how many calls have failed since the disk broke."""
        return self.flag.stat().st_size

    def recover(self):
        """Let everything work again."""
        self.flag.unlink()

    def cut_power(self):
        """Take from the warehouse all that was not forced to the disk: the worst that may be left of it."""
        sizes, names = self._forced()
        if self.warehouse.exists():
            self._forget(self.warehouse, sizes, names)
        self.settle()

    def settle(self):
        """Take everything for forced to the disk, as it is now."""
        self.record.write_text("".join(self._described(path) for path in [self.warehouse, *self.warehouse.rglob("*")]))

    def empty(self):
        """Begin anew, without a warehouse."""
        shutil.rmtree(self.warehouse)
        self.record.unlink(missing_ok=True)

    def _forced(self):
        """Return the sizes of files and the names in folders, by identity, as they were forced to the disk last."""
        sizes, names = {}, {}
        for line in self.record.read_text().splitlines() if self.record.exists() else ():
            kind, identity, what = line.split(" ", 2)
            if kind == "F":
                sizes[identity] = int(what)
            else:
                names[identity] = set(what.split("/"))
        return sizes, names

    def _forget(self, folder, sizes, names):
        kept = names.get(self._identity(folder), ())
        for path in folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            elif path.is_dir():
                self._forget(path, sizes, names)
            else:
                os.truncate(path, min(path.stat().st_size, sizes.get(self._identity(path), 0)))

    def _described(self, path):
        """Return the line that says that *path* is on the disk as it is; nothing where it isn't at all."""
        if not path.exists():
            return ""
        if path.is_dir():
            return f"D {self._identity(path)} {'/'.join(each.name for each in path.iterdir())}\n"
        return f"F {self._identity(path)} {path.stat().st_size}\n"

    def _identity(self, path):
        text = ctypes.create_string_buffer(128)
        assert self._identify(os.fsencode(path), text, ctypes.c_size_t(128)) == 0
        return text.value.decode()
