"""What a Delta log says about offsets: the newest version of every `txn`, read in one pass.

`DeltaTable.transaction_version` replays the log once per call (2 ms to 750 ms); following thousands of sources needs
all of them. The answer is the same: the newest entry of an id wins.
"""

import json
from pathlib import Path

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
    found: Offsets = {}
    for version in range(first, last + 1):
        path = entry(log, version)
        try:
            text = path.read_text("utf-8")
            for line in text.splitlines():
                if '"txn"' in line and (txn := json.loads(line).get("txn")):
                    found[txn["appId"]] = txn["version"]
        except (OSError, ValueError, AttributeError, KeyError) as error:
            raise WarehouseError(f"{path} can't be read ({error}); run `ingest repair` on this warehouse") from error
    return found


def _from_checkpoint(log: Path, version: int) -> tuple[int, Offsets]:
    """Return the version of the newest readable checkpoint up to *version* (-1 for none), and its transactions."""
    for path in sorted(log.glob("*.checkpoint.parquet"), reverse=True):
        base = int(path.name.split(".", 1)[0])
        if base > version:
            continue
        try:
            column = pq.read_table(path, columns=["txn"]).column("txn")
        except (OSError, pa.ArrowException):
            continue  # a damaged checkpoint costs nothing while the entries before it are there
        rows = [txn for txn in column.to_pylist() if txn and txn.get("appId") is not None]
        return base, {txn["appId"]: txn["version"] for txn in rows}
    return -1, {}
