"""What a Delta log says about offsets: the newest version of every `txn`, read in one pass.

`DeltaTable.transaction_version` replays the log once per call (2 ms to 750 ms); following thousands of sources needs
all of them. The answer is the same: the newest entry of an id wins.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingest.errors import WarehouseError
from parsers.schema import is_inside
from parsers.values.messages import denied

Offsets = dict[str, int]

BATCH = "ingestBatch"
"""What an entry calls the identifier of a commit, one for each try: by it a writer knows its own entry again."""

_FILES = frozenset({"add", "remove"})
"""Kinds of actions that name data files."""


def entry(log: Path, version: int) -> Path:
    """Return the path of the log entry of *version*."""
    return log / f"{version:020}.json"


def identity(log: Path, version: int) -> tuple[int, int] | None:
    """Return what tells the entry of *version* from one that another table has in its place; None if it isn't there."""
    try:
        status = entry(log, version).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def entries(log: Path) -> dict[int, Path]:
    """Return the entries that are there, in order."""
    found = {version_of(p): p for p in log.glob("*.json") if p.stem.isdigit()}
    return dict(sorted(found.items()))


def checkpoints(log: Path) -> list[Path]:
    """Return the checkpoints that are there, the newest first."""
    return sorted(log.glob("*.checkpoint.parquet"), reverse=True)


def checkpoint(log: Path, version: int) -> Path:
    """Return the path of the checkpoint of *version*."""
    return log / f"{version:020}.checkpoint.parquet"


def version_of(path: Path) -> int:
    """Return the version that the name of an entry or checkpoint begins with."""
    return int(path.name.split(".", 1)[0])


def is_begun(log: Path) -> bool:
    """Tell whether more than the first entry was ever written."""
    return entry(log, 1).exists() or bool(checkpoints(log))


def transactions(log: Path, version: int) -> Offsets:
    """Return the version of every transaction id as of table *version*.

    Raises:
        WarehouseError: An entry is missing or damaged.
    """
    base, rows = _checkpointed(log, version, "txn")
    return {txn["appId"]: txn["version"] for txn in rows} | added(log, base + 1, version)


def added(log: Path, first: int, last: int) -> Offsets:
    """Return the transactions of the entries *first* to *last*, both included; the newest wins.

    Raises:
        WarehouseError: An entry is missing or damaged.
    """
    return {txn["appId"]: txn["version"] for txn in _actions(log, first, last, "txn")}


def removed(log: Path, version: int) -> dict[str, int]:
    """Return the data files that were taken out of the table, and when, in milliseconds since 1970.

    A checkpoint remembers each for some hours.

    Raises:
        WarehouseError: An entry is missing or damaged.
    """
    base, rows = _checkpointed(log, version, "remove")
    gone = [*rows, *_actions(log, base + 1, version, "remove")]
    return {remove["path"]: remove.get("deletionTimestamp") or 0 for remove in gone}


def live_files(log: Path, version: int) -> dict[str, int]:
    """Return the data files of *version* and their sizes, read without deltalake, which gives up sooner.

    Raises:
        WarehouseError: An entry is missing or damaged.
    """
    base, rows = _checkpointed(log, version, "add")
    live = {add["path"]: int(add["size"]) for add in rows}
    for at in range(base + 1, version + 1):
        for remove in _actions(log, at, at, "remove"):
            live.pop(remove["path"], None)
        live |= {add["path"]: int(add["size"]) for add in _actions(log, at, at, "add")}
    return live


def removing(log: Path, versions: Iterable[int]) -> list[tuple[int, list[str]]]:
    """Return those of *versions* that took data files out of the table, and which."""
    found = [(version, [r["path"] for r in _actions(log, version, version, "remove")]) for version in versions]
    return [(version, paths) for version, paths in found if paths]


def adding(log: Path, version: int) -> list[tuple[str, int | None]]:
    """Return the data files that *version* added, and how many rows it says they have, if it does."""
    added_ = _actions(log, version, version, "add")
    return [(add["path"], json.loads(add.get("stats") or "{}").get("numRecords")) for add in added_]


def batch_of(log: Path, version: int) -> str | None:
    """Return the identifier that the writer of *version* gave to its commit; None where others wrote it."""
    return next((info.get(BATCH) for info in _actions(log, version, version, "commitInfo")), None)


def written(log: Path, first: int, last: int, *, but: int | None = None) -> tuple[list[Path], set[str]]:
    """Return those of the entries *first* to *last* that are there, and the data files that they added.

    What entry *but* added is left out: who asks wrote that one.
    """
    there = [version for version in range(first, last + 1) if entry(log, version).exists()]
    added_ = {path for version in there if version != but for path, _ in adding(log, version)}
    return [entry(log, version) for version in there], added_


def added_files(log: Path, last: int) -> list[tuple[int, str]]:
    """Return the data files that the entries up to *last* added, with the version that did.

    Damaged entries are left out: behind a checkpoint they harm nobody.
    """
    whole = [version for version, path in entries(log).items() if version <= last and is_whole(path)]
    return [(version, add["path"]) for version in whole for add in _actions(log, version, version, "add")]


def damages(log: Path) -> list[str]:
    """Return what is wrong with the log in folder *log*, in words; nothing when it can be read from end to end."""
    there = entries(log)
    last = max(there, default=-1)
    if last < 0:
        return [f"{log} holds no entry"]
    wrong = [f"{path} is damaged" for path in checkpoints(log) if not is_checkpoint(path)]
    wrong += [f"{path} names a checkpoint that is missing" for path in misleading(log)]
    base = next((version_of(p) for p in checkpoints(log) if is_checkpoint(p)), -1)
    newest = max(last, base)  # there must be an entry of it, also where its checkpoint says the same
    needed = range(min(base + 1, newest), newest + 1)
    for version in sorted({*there, *needed}):
        if version not in there:
            wrong.append(f"{entry(log, version)} is missing")
        elif not is_whole(there[version]):
            wrong.append(f"{there[version]} is damaged")
    return wrong


def keep_inside(table: Path, path: str) -> None:
    """Refuse a data *path* that leaves the folder of its *table*.

    Raises:
        WarehouseError: It does.
    """
    if not is_inside(path):
        raise WarehouseError(
            f"{table} lists a file outside its folder ({path!r}), which no ingest wrote: don't trust this warehouse"
        )


def misleading(log: Path) -> list[Path]:
    """Return the hint at the newest checkpoint if there is none so new: deltalake gives up then."""
    hint = log / "_last_checkpoint"
    try:
        version = int(json.loads(hint.read_text("utf-8"))["version"])
    except PermissionError as error:
        raise WarehouseError(denied(hint)) from error
    except (OSError, ValueError, TypeError, KeyError):
        return []  # one that can't be read is passed over
    return [] if any(version_of(path) >= version for path in checkpoints(log)) else [hint]


def committed_at(path: Path) -> int | None:
    """Return when the entry at *path*, which is whole, says that it was written, in ms since 1970; None if it doesn't.

    Raises:
        WarehouseError: It can't be read.
    """
    told = [info.get("timestamp") for info in _actions(path.parent, version_of(path), version_of(path), "commitInfo")]
    return next((int(at) for at in told if at), None)


def is_whole(path: Path) -> bool:
    """Tell whether the entry at *path* is one: lines of JSON objects, one of which says what was done.

    Raises:
        WarehouseError: This user may not read it.
    """
    try:
        actions = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except PermissionError as error:
        raise WarehouseError(denied(path)) from error
    except (OSError, ValueError):
        return False
    return any(isinstance(action, dict) and "commitInfo" in action for action in actions)


def is_checkpoint(path: Path) -> bool:
    """Tell whether the checkpoint at *path* can be read.

    Raises:
        WarehouseError: Just this user may not.
    """
    import pyarrow.parquet as pq

    try:
        pq.read_metadata(path)
    except PermissionError as error:
        raise WarehouseError(denied(path)) from error
    except (OSError, pa.ArrowException):
        return False
    return True


def _actions(log: Path, first: int, last: int, kind: str) -> Iterator[dict[str, Any]]:
    """Yield the actions of one *kind* in the entries *first* to *last*."""
    for version in range(first, last + 1):
        path = entry(log, version)
        try:
            text = path.read_text("utf-8")
            if not text.strip("\0 \n"):
                # deltalake takes an empty entry for a commit that did nothing: its rows would vanish unnoticed.
                raise ValueError("it is empty")  # noqa: TRY301 # told as every other damage
            for line in text.splitlines():
                if f'"{kind}"' in line and (action := json.loads(line).get(kind)):
                    if kind in _FILES:
                        keep_inside(log.parent, action["path"])
                    yield action
        except PermissionError as error:
            raise WarehouseError(denied(path)) from error
        except (OSError, ValueError, AttributeError) as error:
            raise WarehouseError(f"{path} can't be read ({error}); run `ingest repair` on this warehouse") from error


def _checkpoints(log: Path, version: int) -> list[Path]:
    """Return the checkpoints up to *version*, the newest first."""
    return [p for p in checkpoints(log) if version_of(p) <= version]


def _checkpointed(log: Path, version: int, kind: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the version of the newest readable checkpoint up to *version*, -1 for none, and its actions of *kind*."""
    for path in _checkpoints(log, version):
        import pyarrow.parquet as pq  # takes 30 ms, and a new warehouse has no checkpoint

        try:
            column = pq.read_table(path, columns=[kind]).column(kind)
        except PermissionError as error:
            raise WarehouseError(denied(path)) from error
        except (OSError, pa.ArrowException):
            continue  # a damaged checkpoint costs nothing while the entries before it are there
        rows = [row for row in column.to_pylist() if row and any(v is not None for v in row.values())]
        for row in rows if kind in _FILES else ():
            keep_inside(log.parent, row["path"])
        return version_of(path), rows
    return -1, []
