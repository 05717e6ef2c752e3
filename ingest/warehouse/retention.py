"""What retention has taken out of the tables, so that missing rows can be told from lost ones."""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from ingest.errors import WarehouseError, reason
from ingest.warehouse.storage.store import Store

FILE = "expired.json"


def remember(store: Store, table: str, before: date, files: Iterable[str], rows: dict[str, int]) -> None:
    """Write down, durably, that *files* of *table* with *rows* of each source are about to be deleted."""
    record = {"table": table, "before": before.isoformat(), "files": sorted(files), "rows": rows}
    _write(store, [*_read(store), record])


def forget_unfinished(store: Store, table: str, live: Iterable[str]) -> None:
    """Take back what was written down of *table* and then not done, as its files are still *live*."""
    there = set(live)
    records = _read(store)
    kept = [r for r in records if r["table"] != table or not there.intersection(r["files"])]
    if kept != records:
        _write(store, kept)


def tables(store: Store) -> set[str]:
    """Return the tables of which something was taken out."""
    return {record["table"] for record in _read(store)}


def rows(store: Store, table: str, live: Iterable[str]) -> Counter[str]:
    """Return how many rows of each source were taken out of *table*: all that is written down, but of *live* files."""
    there = set(live)
    gone: Counter[str] = Counter()
    for record in _read(store):
        if record["table"] == table and there.isdisjoint(record["files"]):
            gone.update(record["rows"])
    return gone


def kept_since(store: Store, source_ids: Collection[str]) -> date | None:
    """Return the day before which rows of *source_ids* may have been taken out of any table; None if none were."""
    records = [record for record in _read(store) if not set(source_ids).isdisjoint(record["rows"])]
    days = [date.fromisoformat(record["before"]) for record in records]
    return max(days, default=None)


def _read(store: Store) -> list[dict[str, Any]]:
    try:
        records: list[dict[str, Any]] = json.loads(store.get(FILE))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise WarehouseError(f"{store.shown(FILE)} can't be read: {reason(error)}") from error
    return records


def _write(store: Store, records: list[dict[str, Any]]) -> None:
    try:
        store.put(FILE, json.dumps(records, indent=1).encode())
    except OSError as error:
        raise WarehouseError(f"{store.shown(FILE)} can't be written: {reason(error)}") from error
