"""Which files a table consists of at this moment: those that its Delta log lists, never what lies in the folder."""

from datetime import datetime
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError


def files(table: Path, *, since: datetime | None = None, until: datetime | None = None) -> list[str]:
    """Return the Parquet files of *table* that may hold rows of the span; none when there is no such table.

    The span is matched against the partition column `date`, a UTC day, so rows still have to be filtered.
    """
    if not (table / "_delta_log").is_dir():
        return []
    span = []
    if since:
        span.append(("date", ">=", since.date().isoformat()))
    if until:
        span.append(("date", "<=", until.date().isoformat()))
    try:
        return sorted(DeltaTable(str(table)).file_uris(span or None))
    except TableNotFoundError:
        return []  # created a moment ago: no commit yet
