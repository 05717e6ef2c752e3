"""What retention has taken out of the tables, so that missing rows can be told from lost ones."""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path
from typing import Any

from ingest.errors import WarehouseError, reason
from ingest.warehouse.storage import local

FILE = "expired.json"


def remember(folder: Path, table: str, before: date, files: Iterable[str], rows: dict[str, int]) -> None:
    """Write down, durably, that *files* of *table* with *rows* of each source are about to be deleted."""
    record = {"table": table, "before": before.isoformat(), "files": sorted(files), "rows": rows}
    _write(folder, [*_read(folder), record])


def forget_unfinished(folder: Path, table: str, live: Iterable[str]) -> None:
    """Take back what was written down of *table* and then not done, as its files are still *live*."""
    there = set(live)
    records = _read(folder)
    kept = [r for r in records if r["table"] != table or not there.intersection(r["files"])]
    if kept != records:
        _write(folder, kept)


def tables(folder: Path) -> set[str]:
    """Return the tables of which something was taken out."""
    return {record["table"] for record in _read(folder)}


def rows(folder: Path, table: str, live: Iterable[str]) -> Counter[str]:
    """Return how many rows of each source were taken out of *table*: all that is written down, but of *live* files."""
    there = set(live)
    gone: Counter[str] = Counter()
    for record in _read(folder):
        if record["table"] == table and there.isdisjoint(record["files"]):
            gone.update(record["rows"])
    return gone


def kept_since(folder: Path, source_ids: Collection[str]) -> date | None:
    """Return the day before which rows of *source_ids* may have been taken out of any table; None if none were."""
    records = [record for record in _read(folder) if not set(source_ids).isdisjoint(record["rows"])]
    days = [date.fromisoformat(record["before"]) for record in records]
    return max(days, default=None)


def _read(folder: Path) -> list[dict[str, Any]]:
    path = folder / FILE
    try:
        records: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise WarehouseError(f"{path} can't be read: {reason(error)}") from error
    return records


def _write(folder: Path, records: list[dict[str, Any]]) -> None:
    part = folder / f"{FILE}.part"
    try:
        part.write_text(json.dumps(records, indent=1), encoding="utf-8")
        local.sync_file(part)
        part.replace(folder / FILE)
        local.sync_folder(folder)
    except OSError as error:
        raise WarehouseError(f"{folder / FILE} can't be written: {reason(error)}") from error
