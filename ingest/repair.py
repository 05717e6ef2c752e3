"""Back to the last good state: what a damaged log entry or a lost file took along is read again from its source.

All tables go back to one moment, just before the first damage. That is the state that a writer killed at that moment
would have left, and every writer goes on from such a state. Nothing is deleted: log entries after it are moved aside.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest import delta_log, durable
from ingest.errors import WarehouseError
from ingest.locks import MAINTENANCE, WRITERS, alone
from parsers.schema import TABLES

BUSY = "a follower, a backfill or maintenance is using this warehouse; stop it first"


@dataclass(frozen=True)
class Plan:
    """What a repair moves aside: damaged checkpoints and hints, and of each table the entries after *moment*."""

    checkpoints: list[Path]
    entries: list[Path]
    moment: datetime | None
    reasons: list[str]

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to repair."""
        return not self.checkpoints and not self.entries


def plan(folder: Path) -> Plan:
    """Find out what is damaged, and how far back everything is good; change nothing.

    Raises:
        WarehouseError: There is no warehouse, or no good state is left to go back to.
    """
    logs = {name: folder / name / "_delta_log" for name in TABLES}
    for log in logs.values():
        if not log.is_dir():
            raise WarehouseError(f"no warehouse at {folder}: name it with --warehouse")
    checkpoints = [
        p for log in logs.values() for p in log.glob("*.checkpoint*.parquet") if not delta_log.is_checkpoint(p)
    ]
    hints = [path for log in logs.values() for path in delta_log.misleading(log)]
    reasons = [f"{path} is damaged" for path in checkpoints]
    reasons += [f"{path} names a checkpoint that is missing" for path in hints]
    checkpoints += hints
    moments = [bad for log in logs.values() if (bad := _first_bad(log, reasons)) is not None]
    if not moments:
        return Plan(checkpoints, [], None, reasons)
    moment = min(moments)
    entries = [p for log in logs.values() for p in _since(log, moment)]
    return Plan(checkpoints, entries, datetime.fromtimestamp(moment / 1e9, UTC), reasons)


def repair(folder: Path, planned: Plan) -> Path:
    """Do what was *planned*; return the folder, inside the warehouse, that holds what was moved aside.

    Raises:
        BusyError: The warehouse is in use.
        WarehouseError: A file can't be moved.
    """
    with alone(folder, WRITERS, BUSY), alone(folder, MAINTENANCE, BUSY):
        aside = folder / f"_damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        try:
            # The newest first: an interrupted repair leaves a log that is shorter, and still whole.
            for path in [*planned.checkpoints, *sorted(planned.entries, reverse=True)]:
                table = path.parent.parent.name
                for each in dict.fromkeys([path, *_with(path)]):
                    target = aside / table / each.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    each.replace(target)
                    durable.sync_folder(target.parent)
                durable.sync_folder(path.parent)
        except OSError as error:
            raise WarehouseError(f"{folder} can't be repaired: {error}") from error
    return aside


def _first_bad(log: Path, reasons: list[str]) -> int | None:
    """Return from when on the entries of all tables must go: the first that is damaged, or lists a file that is.

    A time in nanoseconds, as the file system counts them; None when everything is good.
    """
    there = delta_log.entries(log)
    base = next((delta_log.version_of(p) for p in delta_log.checkpoints(log) if delta_log.is_checkpoint(p)), -1)
    last = max(there, default=-1)
    for version in range(base + 1, last + 1):
        path = delta_log.entry(log, version)
        if version not in there or not delta_log.is_whole(path):
            reasons.append(f"{path} is {'damaged' if version in there else 'missing'}")
            last = version - 1
            break
    if last < 0 or last not in there:
        raise WarehouseError(f"{log} has no good entry left: restore it, or ingest into a new warehouse")
    # Damage may have changed the time of the entry; it was written after the one before it.
    moment = _written(there[last]) + 1 if last < max(there) else None
    listed = _first_file(log, last, reasons)
    return min((m for m in (moment, listed) if m is not None), default=None)


def _first_file(log: Path, last: int, reasons: list[str]) -> int | None:
    """Return when the first file was listed that is live in version *last* and isn't as it should be."""
    live = delta_log.live_files(log, last)
    bad = {path for path, size in live.items() if not _is_there(log.parent / path, size)}
    reasons += [f"{log.parent / path} is missing or has another size" for path in sorted(bad)]
    adding = [version for version, path in delta_log.added_files(log, last) if path in bad]
    if len(adding) < len(bad):
        raise WarehouseError(
            f"{log.parent}: {len(bad)} data files are lost, and the log entries that added them were cleaned away; "
            "restore the files, or ingest into a new warehouse"
        )
    return min((_written(delta_log.entry(log, version)) for version in adding), default=None)


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _since(log: Path, moment: int) -> Iterator[Path]:
    """Yield the entries of *log* from the first one that was written at *moment* or later."""
    entries = delta_log.entries(log)
    late = [v for v, p in entries.items() if v and _written(p) >= moment]
    yield from (p for v, p in entries.items() if late and v >= min(late))


def _with(path: Path) -> Iterator[Path]:
    """Yield what goes aside with *path*: checkpoints that an entry led to, and the hint at the newest one."""
    if path.suffix == ".json":
        yield from path.parent.glob(f"{path.stem}.checkpoint*.parquet")
    hint = path.parent / "_last_checkpoint"
    if hint.exists():
        yield hint
