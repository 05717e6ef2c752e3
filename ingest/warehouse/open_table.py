"""A Delta table: made, given columns, its log opened, and in plain words what is wrong with it."""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote
from uuid import uuid4

import polars as pl
from deltalake import Schema

from ingest.errors import WarehouseError, one_line
from ingest.warehouse import delta_log
from ingest.warehouse.delta_log import Action, Log, Look, State, text_of
from ingest.warehouse.storage.locks import WRITERS
from ingest.warehouse.storage.store import Found, Held, Place, Store, at
from parsers.schema import ALL_TABLES, EMPTY, polars_schema
from parsers.values.messages import denied

_LITTLE = 64 << 10
"""Bytes without which nothing can be committed."""

CHECKPOINT_EVERY = 50
"""Commits between two checkpoints: opening then replays at most so many entries."""

CONFIGURATION = {
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
    "delta.logRetentionDuration": "interval 2 days",
    # Each checkpoint lists the files that were replaced since: twice as long as maintenance keeps them.
    "delta.deletedFileRetentionDuration": "interval 2 hours",
}
"""Properties of the tables."""


def opened(log: Log, look: Look | None = None) -> State:
    """Return what *log* says, of which *look* is what is there.

    Raises:
        WarehouseError: There is no such table, or it can't be opened.
    """
    return log.state(looked_at(log, look))


def looked_at(log: Log, look: Look | None = None) -> Look:
    """Return what is there of *log*, which is *look*, or is looked at now, if that is enough to open the table.

    Raises:
        WarehouseError: It isn't.
    """
    try:
        look = look or log.look()
        if look.newest < 0:
            raise FileNotFoundError(log.folder)  # told as every other reason
    except OSError as error:
        raise WarehouseError(explain(log.store, log.table, error)) from error
    if look.hint and log.is_misleading(look):
        named = f"{log.store.shown(log.hint)} names a checkpoint that is missing"
        raise WarehouseError(f"{named}; `ingest verify` says more, `ingest repair` mends it")
    return look


def make_ready(place: Place, names: Sequence[str], holder: object) -> tuple[list[State], Held | None]:
    """Make what is missing of the tables *names* at *place*, and keep repair away while *holder* lives, if it needs to.

    Return what their logs say: they are read once for all that is to be known of them.

    Raises:
        WarehouseError: They can't be written, or are being repaired.
    """
    try:
        looks = delta_log.logs(place, names)
    except OSError as error:
        raise WarehouseError(explain(at(place), names[0], error)) from error
    store = next(iter(looks)).store
    if store.shared:  # nothing is written to a bucket that loses commits
        held = store.join(WRITERS, holder)
    try:
        young = {log.entry(0): log for log, look in looks.items() if look.newest < 1}  # else its maker has been here
        metadata = {name: _metadata(log.table) for name, log in young.items()}
        firsts = _begin(store, metadata) if young else {}
    except OSError as error:
        raise WarehouseError(explain(store, names[0], error)) from error
    if not store.shared:  # there is a folder now
        held = store.join(WRITERS, holder)
    made = {young[name]: State.of_new(young[name], first, metadata[name]) for name, first in firsts.items()}
    states = [made.get(log) or opened(log, look if look.newest >= 0 else None) for log, look in looks.items()]
    return [_with_all_columns(state) for state in states], held


def _begin(store: Store, metadata: Mapping[str, Action]) -> dict[str, Found]:
    """Put the first entries called as *metadata* says, which they hold, where none are; return what we put."""
    texts = {name: _first_entry(said) for name, said in metadata.items()}
    shown = store.shown()
    if not store.shared and unquote(shown) != shown:
        raise NotADirectoryError(shown)  # `explain` says why
    return store.begin(texts)  # where another is quicker, its entry says the same


def _first_entry(metadata: Action) -> bytes:
    # Reader 1 and writer 2: no engine is locked out.
    protocol: Action = {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
    return text_of([protocol, {"metaData": metadata}], {}, "CREATE TABLE", uuid4().hex)


def _metadata(table: str) -> Action:
    """Return what is said of a new *table*."""
    empty = EMPTY[table].with_columns(date=pl.lit(None, dtype=pl.Date))
    return {
        "id": str(uuid4()),
        "format": {"provider": "parquet", "options": {}},
        "schemaString": Schema.from_arrow(empty.to_arrow().schema).to_json(),
        "partitionColumns": ["date"],
        "createdTime": int(time.time() * 1000),
        "configuration": CONFIGURATION,
    }


def _with_all_columns(state: State) -> State:
    """Give the table of *state*, which an older version made, the columns that came since: one commit, without data.

    Files that were there lack them; who reads takes that for NULL. Readers and writers of the older version go on.

    Raises:
        WarehouseError: The table can't be read or written.
    """
    log = state.log
    while True:
        schema = json.loads(state.metadata["schemaString"])
        there = {field["name"] for field in schema["fields"]}
        missing = [column for column in ALL_TABLES[log.table] if column.name not in there]
        if not missing:
            return state
        added = Schema.from_arrow(pl.DataFrame(schema=polars_schema(missing)).to_arrow().schema).to_json()
        schema["fields"] += json.loads(added)["fields"]
        new = {"metaData": state.metadata | {"schemaString": json.dumps(schema)}}
        entry = log.entry(state.look.newest + 1)
        try:
            log.store.put_if_absent(entry, text_of([new], {}, "ADD COLUMN", uuid4().hex))
        except OSError as error:
            raise WarehouseError(explain(log.store, log.table, error)) from error
        state = opened(log)


def _is_full(path: Path) -> bool:
    """Tell whether the disk of *path* has no room: not all that fails for that reason says so."""
    folder = next(p for p in (path, *path.absolute().parents) if p.is_dir())
    return shutil.disk_usage(folder).free < _LITTLE


def explain(store: Store, table: str, error: Exception) -> str:
    """Say what *error* means for *table*, and what to do."""
    path, text = Path(store.shown(table)), one_line(error)
    if known := _refused(path, error, text) or (None if store.shared else _misplaced(path)):
        return known
    if isinstance(error, FileNotFoundError):
        return _nowhere(store.shown())
    return f"{store.shown(table)} can't be used: {text}"


def _nowhere(shown: str) -> str:
    return f"no warehouse at {shown}: run `ingest follow` or `ingest backfill`, or name it with --warehouse"


def _refused(path: Path, error: Exception, text: str) -> str | None:
    """Say what the system lacks or forbids, if that is it."""
    if "os error 28" in text or "No space left" in text or _is_full(path):
        return f"no space left for {path}: free some and run the same command again; nothing is lost"
    if isinstance(error, PermissionError) or "os error 13" in text or "ermission denied" in text:
        return denied(path, written=True, remedy="check its owner and mode, or choose another folder with --warehouse")
    if "os error 24" in text:
        return f"too many open files for {path}: allow more (`ulimit -n`), or name fewer logs; nothing is lost"
    return None


def _misplaced(path: Path) -> str | None:
    """Say why there can't be a table at *path*, if so."""
    if path.parent.exists() and not path.parent.is_dir():
        return f"{path.parent} is a file; a warehouse is a folder: name another with --warehouse"
    if unquote(str(path)) != str(path):
        return f"{path}: deltalake can't use a folder with %xx in its name: choose another with --warehouse"
    if not os.path.lexists(path / "_delta_log"):
        return _nowhere(str(path.parent))
    return None
