"""Back to the last good state: what a damaged log entry or a lost file took along is read again from its source.

All tables go back to one moment, just before the first damage. That is the state that a writer killed at that moment
would have left, and every writer goes on from such a state. Nothing is deleted: log entries after it are moved aside.
"""

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import WarehouseError
from ingest.maintenance import rebuild_entry
from ingest.warehouse import delta_log, retention
from ingest.warehouse.storage import local
from ingest.warehouse.storage.locks import MAINTENANCE, WRITERS, alone
from parsers.values.messages import denied

BUSY = "a follower, a backfill or maintenance is using this warehouse; stop it first"


AGREED_NS = 10_000_000_000
"""By how much the time of an entry's file may differ from the one in it, in nanoseconds: a commit may have to wait."""


@dataclass(frozen=True)
class Plan:
    """What a repair moves aside: damaged checkpoints and hints, and of each table the entries after *moment*.

    Of the *covered* ones, which are damaged too, a newer checkpoint tells all that is to be known, so just they go. Of
    those to be *rebuilt*, damaged or missing, a checkpoint does as well, but nothing could be committed on top of it.
    """

    checkpoints: list[Path]
    entries: list[Path]
    covered: list[Path]
    rebuilt: list[Path]
    moment: datetime | None
    reasons: list[str]

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to repair."""
        return not (self.checkpoints or self.entries or self.covered or self.rebuilt)


def plan(folder: Path) -> Plan:
    """Find out what is damaged, and how far back everything is good; change nothing.

    Raises:
        WarehouseError: There is no warehouse, this user may not read it, or no good state is left to go back to.
    """
    local.check(folder)
    logs = {name: folder / name / "_delta_log" for name in local.tables(folder)}
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
    opened = [_Log(log) for log in logs.values()]
    moment = _go_back(opened, reasons)
    checkpoints += [p for log in opened for p in log.path.glob("*.checkpoint*.parquet") if log.is_late(p)]
    entries = [p for log in opened for p in log.entries.values() if log.is_late(p)]
    covered = [log.entries[version] for log in opened for version in log.covered()]
    reasons += [f"{path} is damaged" for path in covered]
    again = [delta_log.entry(log.path, log.newest) for log in opened if not log.is_whole(log.newest)]
    at = None if moment is None else datetime.fromtimestamp(moment / 1e9, UTC)
    return Plan(list(dict.fromkeys(checkpoints)), entries, covered, again, at, list(dict.fromkeys(reasons)))


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
            for path in [*planned.checkpoints, *planned.covered, *sorted(planned.entries, reverse=True)]:
                table = path.parent.parent.name
                for each in dict.fromkeys([path, *(_with(path) if path not in planned.covered else ())]):
                    target = aside / table / each.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    each.replace(target)
                    local.sync_folder(target.parent)
                local.sync_folder(path.parent)
            for path in planned.rebuilt:
                _rebuild(path, aside)
        except OSError as error:
            raise WarehouseError(f"{folder} can't be repaired: {error}") from error
        for name in retention.tables(folder):  # what was expired since then is back
            log = folder / name / "_delta_log"
            retention.forget_unfinished(folder, name, delta_log.live_files(log, max(delta_log.entries(log))))
    return aside


class _Log:
    """The log of a table as a repair would leave it: its entries below the version `end`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.end: float = math.inf
        self.entries = delta_log.entries(path)
        self._checkpoints = [delta_log.version_of(p) for p in delta_log.checkpoints(path) if delta_log.is_checkpoint(p)]
        self._whole = {version for version, p in self.entries.items() if delta_log.is_whole(p)}
        self._times = _times(path, self.entries, self._whole, self._checkpoints)

    @property
    def base(self) -> int:
        """The version of the newest good checkpoint; -1 for none."""
        return max((v for v in self._checkpoints if v < self.end), default=-1)

    @property
    def newest(self) -> int:
        """The newest version; -1 for none."""
        return max((v for v in [*self.entries, *self._checkpoints] if v < self.end), default=-1)

    def is_whole(self, version: int) -> bool:
        """Tell whether the entry of *version* is there and can be read."""
        return version in self._whole

    def covered(self) -> list[int]:
        """Return the versions whose entries are damaged, and needed by nobody, as there is a newer checkpoint."""
        return [v for v in self.entries if v <= self.base and v < self.newest and v not in self._whole]

    def is_late(self, path: Path) -> bool:
        """Tell whether the entry or checkpoint at *path* has to go."""
        return delta_log.version_of(path) >= self.end

    def written(self, version: int) -> int:
        """Return when *version* was written, in nanoseconds since 1970; damaged, right after the one before it."""
        return self._times[version] if version in self._whole else self._times[version - 1] + 1

    def go_back(self, moment: int) -> None:
        """Leave out the first version that was written at *moment* or later, and those after it."""
        self.end = min([self.end, *(v for v, at in self._times.items() if v and at >= moment)])


def _go_back(logs: list[_Log], reasons: list[str]) -> int | None:
    """Shorten *logs* to one moment at which all were good; return it, in nanoseconds since 1970, or None for now."""
    moment: int | None = None
    while bad := [(log, version) for log in logs if (version := _first_bad(log, reasons)) is not None]:
        for log, version in bad:
            at = log.written(version)
            log.end, moment = version, at if moment is None else min(moment, at)
        for log in logs:
            log.go_back(moment or 0)
    return moment


def _first_bad(log: _Log, reasons: list[str]) -> int | None:
    """Return the first version that must go: that is damaged, or lists a file that is; None when everything is good."""
    newest, base = log.newest, log.base
    first = next((version for version in range(base + 1, newest + 1) if not log.is_whole(version)), None)
    if newest < 0 or first == 0:
        raise WarehouseError(f"{log.path} has no good entry left: restore it, or ingest into a new warehouse")
    kept = newest if first is None else first - 1
    if not log.is_whole(kept):
        reasons.append(_damage(log, kept))  # the checkpoint says all that it said
    if first is None:
        return _first_file(log, newest, reasons)
    reasons.append(_damage(log, first))
    return first


def _damage(log: _Log, version: int) -> str:
    return f"{delta_log.entry(log.path, version)} is {'damaged' if version in log.entries else 'missing'}"


def _first_file(log: _Log, last: int, reasons: list[str]) -> int | None:
    """Return the version that was first to list a file that is live in version *last* and isn't as it should be."""
    table = log.path.parent
    live = delta_log.live_files(log.path, last)
    bad = {path for path, size in live.items() if not _is_there(table / path, size)}
    reasons += [f"{table / path} is missing or has another size" for path in sorted(bad)]
    adding = {path: version for version, path in delta_log.added_files(log.path, last) if path in bad}
    if len(adding) < len(bad):
        raise WarehouseError(
            f"{table}: {len(bad)} data files are lost, and the log entries that added them were cleaned away; "
            "restore the files, or ingest into a new warehouse"
        )
    return min(adding.values(), default=None)


def _is_calls(log: Path) -> bool:
    """Tell whether *log* is that of the table whose offsets say where a source resumes."""
    return log.parent.name == "llm_calls"


def _times(log: Path, entries: dict[int, Path], whole: set[int], checkpoints: list[int]) -> dict[int, int]:
    """Return when each version of *log* was written, in nanoseconds since 1970.

    Where that isn't known better, it is the earliest time possible; of llm_calls the latest, as its rows must never be
    there without those of the other tables.

    As the file system says, where that agrees with the entry, which counts in milliseconds: a copy is as old as it is.
    One that isn't *whole* was written after the one before, and before the one after. Damage may have changed the time
    of its file, but there may be a checkpoint, which was written later and lists what was written before.
    """
    late, times = _is_calls(log), dict[int, int]()
    for version in sorted({*entries, *checkpoints}):
        saved = [delta_log.checkpoint(log, version)] if version in checkpoints else []
        if version in whole:
            at, said = entries[version].stat().st_mtime_ns, delta_log.committed_at(entries[version])
            if said is not None and abs(at - said * 1_000_000) > AGREED_NS:
                at = said * 1_000_000 + (999_999 if late else 0)
        elif late:
            there = [*saved, *([entries[version]] if version in entries else [])]
            at = min(path.stat().st_mtime_ns for path in there)
        else:
            at = max([times.get(version - 1, -1) + 1, *(rebuild_entry.earliest(path) * 1_000_000 for path in saved)])
        times[version] = at
    for version in sorted(times.keys() - whole, reverse=True) if late else ():
        times[version] = min(times[version], times.get(version + 1, times[version]))
    return times


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.is_file() and path.stat().st_size == size
    except PermissionError as error:
        raise WarehouseError(denied(path)) from error


def _rebuild(path: Path, aside: Path) -> None:
    """Move the entry at *path* aside, if it is there, and put one in its place that is made from its checkpoint."""
    table, version = path.parent.parent.name, delta_log.version_of(path)
    text, at = rebuild_entry.entry(path.parent, version, late=_is_calls(path.parent))
    old, new = aside / table / path.name, aside / table / f"{path.name}.part"
    old.parent.mkdir(parents=True, exist_ok=True)
    new.write_text(text, encoding="utf-8")
    os.utime(new, ns=(at * 1_000_000, at * 1_000_000))
    local.sync_file(new)
    if path.exists():
        path.replace(old)
    new.replace(path)
    local.sync_folder(old.parent)
    local.sync_folder(path.parent)


def _with(path: Path) -> Iterator[Path]:
    """Yield what goes aside with *path*: checkpoints that an entry led to, and the hint at the newest one."""
    if path.suffix == ".json":
        yield from path.parent.glob(f"{path.stem}.checkpoint*.parquet")
    hint = path.parent / "_last_checkpoint"
    if hint.exists():
        yield hint
