"""Back to the last good state: what a damaged log entry or a lost file took along is read again from its source.

All tables go back to one moment, just before the first damage. That is the state that a writer killed at that moment
would have left, and every writer goes on from such a state. Nothing is deleted: log entries after it are moved aside.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from ingest.errors import WarehouseError
from ingest.maintenance import rebuild_entry
from ingest.warehouse import delta_log, retention
from ingest.warehouse.storage.locks import MAINTENANCE, WRITERS
from ingest.warehouse.storage.store import Place, Store, at
from parsers.values.messages import denied

BUSY = "a follower, a backfill or maintenance is using this warehouse; stop it first"


AGREED_NS = 10_000_000_000
"""By how much the time of an entry's file may differ from the one in it, in nanoseconds: a commit may have to wait."""


@dataclass(frozen=True)
class Plan:
    """What a repair moves aside: damaged checkpoints and hints, and of each table the entries after *moment*.

    All by their names in the warehouse. Of the *covered* ones, which are damaged too, a newer checkpoint tells all that
    is to be known, so just they go. Of those to be *rebuilt*, damaged or missing, a checkpoint does as well, but
    nothing could be committed on top of it.
    """

    checkpoints: list[str]
    entries: list[str]
    covered: list[str]
    rebuilt: list[str]
    moment: datetime | None
    reasons: list[str]

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to repair."""
        return not (self.checkpoints or self.entries or self.covered or self.rebuilt)


def plan(place: Place) -> Plan:
    """Find out what is damaged, and how far back everything is good; change nothing.

    Raises:
        WarehouseError: There is no warehouse, this user may not read it, or no good state is left to go back to.
    """
    store = at(place)
    store.check(delta_log.FOLDERS)
    opened = []
    for name in delta_log.tables(store):
        if not delta_log.is_there(store, name):
            raise WarehouseError(f"no warehouse at {store.shown()}: name it with --warehouse")
        opened.append(_Log(delta_log.Log(store, name)))
    checkpoints = [name for log in opened for name in log.saved if not log.log.is_checkpoint(name)]
    hints = [log.log.hint for log in opened if log.log.is_misleading(log.look)]
    reasons = [f"{store.shown(name)} is damaged" for name in checkpoints]
    reasons += [f"{store.shown(name)} names a checkpoint that is missing" for name in hints]
    checkpoints += hints
    moment = _go_back(opened, reasons)
    checkpoints += [name for log in opened for name in log.saved if log.is_late(name)]
    entries = [found.name for log in opened for found in log.look.entries.values() if log.is_late(found.name)]
    covered = [log.log.entry(version) for log in opened for version in log.covered()]
    reasons += [f"{store.shown(name)} is damaged" for name in covered]
    again = [log.log.entry(log.newest) for log in opened if not log.is_whole(log.newest)]
    when = None if moment is None else datetime.fromtimestamp(moment / 1e9, UTC)
    return Plan(list(dict.fromkeys(checkpoints)), entries, covered, again, when, list(dict.fromkeys(reasons)))


def repair(place: Place, planned: Plan) -> str:
    """Do what was *planned*; return what messages call the folder, in the warehouse, of what was moved aside.

    Raises:
        BusyError: The warehouse is in use.
        WarehouseError: A file can't be moved.
    """
    store = at(place)
    with store.alone(WRITERS, BUSY), store.alone(MAINTENANCE, BUSY) as fence:
        aside = f"_damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
        try:
            # The newest first: an interrupted repair leaves a log that is shorter, and still whole.
            for name in [*planned.checkpoints, *planned.covered, *sorted(planned.entries, reverse=True)]:
                fence()
                for each in dict.fromkeys([name, *(_with(store, name) if name not in planned.covered else ())]):
                    _move(store, each, aside)
            for name in planned.rebuilt:
                fence()
                _rebuild(store, name, aside)
        except OSError as error:
            raise WarehouseError(f"{store.shown()} can't be repaired: {error}") from error
        for name in retention.tables(store):  # what was expired since then is back
            log = delta_log.Log(store, name)
            look = log.look()
            retention.forget_unfinished(store, name, map(unquote, log.live(look, max(look.entries))))
    return store.shown(aside)


class _Log:
    """The log of a table as a repair would leave it: its entries below the version `end`."""

    def __init__(self, log: delta_log.Log) -> None:
        self.log = log
        self.look = log.look()
        self.end: float = math.inf
        self.saved = [found.name for found in log.store.list(log.folder) if _is_saved(found.name)]
        log.store.fetch([found.name for found in self.look.entries.values()])
        self._checkpoints = [version for version in self.look.checkpoints if log.is_good(version)]
        self._whole = {version for version in self.look.entries if log.is_whole(version)}
        self._times = _times(log, self.look, self._whole, self._checkpoints)

    @property
    def base(self) -> int:
        """The version of the newest good checkpoint; -1 for none."""
        return max((v for v in self._checkpoints if v < self.end), default=-1)

    @property
    def newest(self) -> int:
        """The newest version; -1 for none."""
        return max((v for v in [*self.look.entries, *self._checkpoints] if v < self.end), default=-1)

    def is_whole(self, version: int) -> bool:
        """Tell whether the entry of *version* is there and can be read."""
        return version in self._whole

    def covered(self) -> list[int]:
        """Return the versions whose entries are damaged, and needed by nobody, as there is a newer checkpoint."""
        return [v for v in self.look.entries if v <= self.base and v < self.newest and v not in self._whole]

    def is_late(self, name: str) -> bool:
        """Tell whether the entry or checkpoint called *name* has to go."""
        return delta_log.version_of(name) >= self.end

    def written(self, version: int) -> int:
        """Return when *version* was written, in nanoseconds since 1970; damaged, right after the one before it."""
        return self._times[version] if version in self._whole else self._times[version - 1] + 1

    def go_back(self, moment: int) -> None:
        """Leave out the first version that was written at *moment* or later, and those after it."""
        self.end = min([self.end, *(v for v, when in self._times.items() if v and when >= moment)])


def _go_back(logs: list[_Log], reasons: list[str]) -> int | None:
    """Shorten *logs* to one moment at which all were good; return it, in nanoseconds since 1970, or None for now."""
    moment: int | None = None
    while bad := [(log, version) for log in logs if (version := _first_bad(log, reasons)) is not None]:
        for log, version in bad:
            when = log.written(version)
            log.end, moment = version, when if moment is None else min(moment, when)
        for log in logs:
            log.go_back(moment or 0)
    return moment


def _first_bad(log: _Log, reasons: list[str]) -> int | None:
    """Return the first version that must go: that is damaged, or lists a file that is; None when everything is good."""
    newest, base = log.newest, log.base
    first = next((version for version in range(base + 1, newest + 1) if not log.is_whole(version)), None)
    if newest < 0 or first == 0:
        raise WarehouseError(f"{log.log} has no good entry left: restore it, or ingest into a new warehouse")
    kept = newest if first is None else first - 1
    if not log.is_whole(kept):
        reasons.append(_damage(log, kept))  # the checkpoint says all that it said
    if first is None:
        return _first_file(log, newest, reasons)
    reasons.append(_damage(log, first))
    return first


def _damage(log: _Log, version: int) -> str:
    shown = log.log.store.shown(log.log.entry(version))
    return f"{shown} is {'damaged' if version in log.look.entries else 'missing'}"


def _first_file(log: _Log, last: int, reasons: list[str]) -> int | None:
    """Return the version that was first to list a file that is live in version *last* and isn't as it should be."""
    store, table = log.log.store, log.log.table
    try:
        sizes = {found.name: found.size for found in store.list(table)}
    except PermissionError as error:
        raise WarehouseError(denied(error.filename)) from error
    live = {unquote(path): int(add["size"]) for path, add in log.log.live(log.look, last).items()}
    bad = {path for path, size in live.items() if sizes.get(f"{table}/{path}") != size}
    reasons += [f"{store.shown(f'{table}/{path}')} is missing or has another size" for path in sorted(bad)]
    added = log.log.added_files(log.look, last)
    adding = {unquote(path): version for version, path in added if unquote(path) in bad}
    if len(adding) < len(bad):
        raise WarehouseError(
            f"{store.shown(table)}: {len(bad)} data files are lost, and the log entries that added them were cleaned "
            "away; restore the files, or ingest into a new warehouse"
        )
    return min(adding.values(), default=None)


def _is_calls(log: delta_log.Log) -> bool:
    """Tell whether *log* is that of the table whose offsets say where a source resumes."""
    return log.table == "llm_calls"


def _times(log: delta_log.Log, look: delta_log.Look, whole: set[int], checkpoints: list[int]) -> dict[int, int]:
    """Return when each version of *log* was written, in nanoseconds since 1970.

    Where that isn't known better, it is the earliest time possible; of llm_calls the latest, as its rows must never be
    there without those of the other tables.

    As the store says, where that agrees with the entry, which counts in milliseconds: a copy is as old as it is.
    One that isn't *whole* was written after the one before, and before the one after. Damage may have changed the time
    of its file, but there may be a checkpoint, which was written later and lists what was written before.
    """
    late, times = _is_calls(log), dict[int, int]()
    for version in sorted({*look.entries, *checkpoints}):
        saved = [look.checkpoints[version]] if version in checkpoints else []
        if version in whole:
            when, said = look.entries[version].modified, log.committed_at(version)
            if said is not None and (log.store.shared or abs(when - said * 1_000_000) > AGREED_NS):
                when = said * 1_000_000 + (999_999 if late else 0)
        elif late:
            there = [*saved, *([look.entries[version]] if version in look.entries else [])]
            when = min(found.modified for found in there)
        else:
            listed = rebuild_entry.earliest(log, version) * 1_000_000 if saved else 0
            when = max(times.get(version - 1, -1) + 1, listed)
        times[version] = when
    for version in sorted(times.keys() - whole, reverse=True) if late else ():
        times[version] = min(times[version], times.get(version + 1, times[version]))
    return times


def _move(store: Store, name: str, aside: str) -> None:
    """Let *name* be below *aside* instead."""
    data = store.get(name)
    store.put(_aside(name, aside), data)
    store.delete([name])
    store.settle([], name.rsplit("/", 1)[0])


def _aside(name: str, aside: str) -> str:
    table, _, base = name.split("/")
    return f"{aside}/{table}/{base}"


def _rebuild(store: Store, name: str, aside: str) -> None:
    """Keep a copy of the entry called *name*, if it is there, and put one in its place that its checkpoint makes."""
    log = delta_log.Log(store, name.split("/", maxsplit=1)[0])
    text = rebuild_entry.entry(log, log.look(), delta_log.version_of(name), late=_is_calls(log))
    if store.find(name):
        store.put(_aside(name, aside), store.get(name))
    store.put(name, text.encode())


def _is_saved(name: str) -> bool:
    """Tell whether *name* is a checkpoint, or a part of one."""
    return ".checkpoint" in name and name.endswith(".parquet")


def _with(store: Store, name: str) -> Iterator[str]:
    """Yield what goes aside with *name*: checkpoints that an entry led to, and the hint at the newest one."""
    folder, base = name.rsplit("/", 1)
    stem = base.removesuffix(".json") if base.endswith(".json") else None
    for found in store.list(folder):
        if found.name == f"{folder}/_last_checkpoint" or (
            stem and found.name.startswith(f"{folder}/{stem}.checkpoint")
        ):
            yield found.name
