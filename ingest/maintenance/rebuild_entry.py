"""A log entry that can't be read any more, written anew from the checkpoint of its version, which says no less."""

import json
import time
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.errors import WarehouseError
from ingest.warehouse.delta_log import Log, Look

_MAPS = {"partitionValues", "options", "tags", "configuration"}
"""What is a map in an entry, and a list of pairs as it comes from Parquet."""


def entry(log: Log, look: Look, version: int, *, late: bool) -> str:
    """Return the entry of *version* that leads to what its checkpoint says.

    When it was written can't be known: the time is the latest that is possible if *late*, else the earliest.

    Raises:
        WarehouseError: There is no such checkpoint, or it is damaged.
    """
    actions = _checkpointed(log, version)
    adds = {action["add"]["path"] for action in actions if "add" in action}
    now = int(time.time() * 1000)
    removed = {action["remove"]["path"]: action for action in actions if "remove" in action}
    try:
        gone = log.live(look, version - 1).keys() - adds
    except WarehouseError:
        gone = removed.keys() - adds  # the state before is gone too: then nothing needs more than what is said here
    kept = [action for action in actions if "remove" not in action]
    kept += [removed.get(path) or {"remove": _removal(path, now)} for path in sorted(gone)]
    info = {
        "timestamp": now if late else _earliest(actions),
        "operation": "REPAIR",
        "operationParameters": {},
        "engineInfo": "ingest",
    }
    return "".join(json.dumps(each) + "\n" for each in [{"commitInfo": info}, *kept])


def earliest(log: Log, version: int) -> int:
    """Return the time, in ms since 1970, before which *version*, of which there is a checkpoint, can't be written.

    Raises:
        WarehouseError: It is damaged.
    """
    return _earliest(_checkpointed(log, version))


def _earliest(actions: Iterable[dict[str, Any]]) -> int:
    return max((_time(action) for action in actions), default=0)


def _removal(path: str, now: int) -> dict[str, object]:
    return {"path": path, "deletionTimestamp": now, "dataChange": False}


def _checkpointed(log: Log, version: int) -> list[dict[str, Any]]:
    name = log.checkpoint(version)
    try:
        rows = pq.read_table(log.store.file(name)).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise WarehouseError(f"{log.store.shown(name)} can't be read: {error}") from error
    return [{kind: _plain(action)} for row in rows for kind, action in row.items() if action is not None]


def _plain(action: dict[str, Any]) -> dict[str, Any]:
    """Return *action* as entries have it: maps as objects, nothing where there is no value."""
    said = {}
    for name, value in action.items():
        if isinstance(value, dict):
            said[name] = _plain(value)
        elif value is not None:
            said[name] = dict(value) if name in _MAPS and isinstance(value, list) else value
    return said


def _time(action: dict[str, Any]) -> int:
    """Return when what *action* tells of was written, in ms, which was before it was committed; 0 if it doesn't say."""
    ((kind, said),) = action.items()
    name = {"add": "modificationTime", "remove": "deletionTimestamp", "metaData": "createdTime"}.get(kind, "")
    return int(said.get(name, 0))
