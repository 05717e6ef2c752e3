"""What a Delta log says about offsets: the newest version of every `txn`, read in one pass.

`DeltaTable.transaction_version` replays the log once per call (2 ms to 750 ms); following thousands of sources needs
all of them. The answer is the same: the newest entry of an id wins.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.errors import WarehouseError

Offsets = dict[str, int]


def entry(log: Path, version: int) -> Path:
    """Return the path of the log entry of *version*."""
    return log / f"{version:020}.json"


def transactions(log: Path, version: int) -> Offsets:
    """Return the version of every transaction id as of table *version*.

    Raises:
        WarehouseError: An entry is missing or damaged.
    """
    base, found = _from_checkpoint(log, version)
    return found | added(log, base + 1, version)


def added(log: Path, first: int, last: int) -> Offsets:
    """Return the transactions of the entries *first* to *last*, both included; the newest wins.

    Raises:
        WarehouseError: An entry is missing or damaged.
    """
    return {txn["appId"]: txn["version"] for txn in _actions(log, first, last, "txn")}


def _actions(log: Path, first: int, last: int, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the actions of one *kind* in the entries *first* to *last*."""
    for version in range(first, last + 1):
        path = entry(log, version)
        try:
            for line in path.read_text("utf-8").splitlines():
                if f'"{kind}"' in line and (action := json.loads(line).get(kind)):
                    yield action
        except (OSError, ValueError, AttributeError) as error:
            raise WarehouseError(f"{path} can't be read ({error}); run `ingest repair` on this warehouse") from error


def _checkpoints(log: Path, version: int) -> list[Path]:
    """Return the checkpoints up to *version*, the newest first."""
    return [p for p in sorted(log.glob("*.checkpoint.parquet"), reverse=True) if _version_of(p) <= version]


def _version_of(path: Path) -> int:
    return int(path.name.split(".", 1)[0])


def removed(log: Path, version: int) -> dict[str, int]:
    """Return the data files that were taken out of the table, and when, in milliseconds since 1970.

    A checkpoint remembers each for a week.

    Raises:
        WarehouseError: An entry is missing or damaged.
    """
    found: dict[str, int] = {}
    base = -1
    for path in _checkpoints(log, version):
        try:
            column = pq.read_table(path, columns=["remove"]).column("remove")
        except (OSError, pa.ArrowException):
            continue
        base = _version_of(path)
        found = {r["path"]: r["deletionTimestamp"] or 0 for r in column.to_pylist() if r and r.get("path")}
        break
    for remove in _actions(log, base + 1, version, "remove"):
        found[remove["path"]] = remove.get("deletionTimestamp") or 0
    return found


def _from_checkpoint(log: Path, version: int) -> tuple[int, Offsets]:
    """Return the version of the newest readable checkpoint up to *version* (-1 for none), and its transactions."""
    for path in _checkpoints(log, version):
        try:
            column = pq.read_table(path, columns=["txn"]).column("txn")
        except (OSError, pa.ArrowException):
            continue  # a damaged checkpoint costs nothing while the entries before it are there
        rows = [txn for txn in column.to_pylist() if txn and txn.get("appId") is not None]
        return _version_of(path), {txn["appId"]: txn["version"] for txn in rows}
    return -1, {}
