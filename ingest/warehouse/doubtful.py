"""What was taken for a copy, though it may be a log of its own, so that `status` and `verify` can say so.

Nothing is committed of a copy, so no table could tell of it.
"""

import json
from collections.abc import Mapping

from ingest.errors import WarehouseError, reason
from ingest.ledger import Copy
from ingest.warehouse.storage.store import Store

FILE = "copies.json"


def remember(store: Store, copies: Mapping[str, Copy]) -> None:
    """Write down that files, by their paths, were taken for *copies*."""
    noted = {name: list(each) for name, each in {**read(store), **copies}.items()}
    try:
        store.put(FILE, json.dumps(noted, indent=1).encode())
    except OSError as error:
        raise WarehouseError(f"{store.shown(FILE)} can't be written: {reason(error)}") from error


def read(store: Store) -> dict[str, Copy]:
    """Return what is written down, by the path of the file that was taken for a copy."""
    try:
        return {name: Copy(*map(str, each)) for name, each in json.loads(store.get(FILE)).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WarehouseError(f"{store.shown(FILE)} can't be read: {reason(error)}") from error


def still(copies: Mapping[str, Copy], labels: Mapping[str, list[str]]) -> dict[str, Copy]:
    """Return those of *copies* that no source of their own was read from meanwhile, by the *labels* of all sources."""
    owners: dict[str, set[str]] = {}
    for source, paths in labels.items():
        for path in paths:
            owners.setdefault(path, set()).add(source)
    return {path: copy for path, copy in copies.items() if owners.get(path, set()) <= {copy.source_id}}
