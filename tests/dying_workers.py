"""Workers of a backfill that die by kill -9, or meet what happens beside them, each at most once.

What is to happen are files in the folder `events` beside the warehouse; whoever takes one away it happens to.
"""

import os
import signal
from pathlib import Path

import ingest.history.backfill
from ingest.distributed import Task
from ingest.warehouse.warehouse import Warehouse


class DyingTask(Task):
    """A task of which workers die, that commits each thousand rows, and that notes which pieces were parsed."""

    def read_files(self, part):
        ingest.history.backfill.COMMIT_ROWS = ingest.history.backfill.EARLY_ROWS = 1000
        if self._takes("renamed"):
            for path in part.each:
                path.rename(path.with_name(f"was-{path.name}"))
        commit = Warehouse.commit
        for moment in ("before", "after"):
            if self._takes(moment):
                Warehouse.commit = _dying(commit, moment)
                break
        try:
            return super().read_files(part)
        finally:
            Warehouse.commit = commit

    def parse(self, piece, contexts):
        if self._takes("piece"):
            os.kill(os.getpid(), signal.SIGKILL)
        (self._events / f"parsed-{piece.offset}").touch()
        return super().parse(piece, contexts)

    @property
    def _events(self):
        return Path(self.order.warehouse).parent / "events"

    def _takes(self, event):
        try:
            (self._events / event).unlink()
        except FileNotFoundError:
            return False
        return True


def _dying(commit, moment):
    def committed(warehouse, batches):
        if moment == "after":
            commit(warehouse, batches)
        os.kill(os.getpid(), signal.SIGKILL)

    return committed
