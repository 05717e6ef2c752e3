"""Logs in a bucket: which there are, and some of them at a time as files of this machine, for those who read files."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import xxhash

from ingest.errors import SourceError, WarehouseError, reason
from ingest.warehouse.storage.bucket import CONNECTIONS, Bucket

_MOST, _MOST_BYTES = 512, 1 << 30
"""How many objects, and how many bytes of them, are files of this machine at once."""

_CHUNK = 8 << 20
_GLOB = re.compile(r"[*?\[]")


class Object(NamedTuple):
    """An object of the bucket at *root*: key, size, time (ns since 1970), and a number that another content changes."""

    root: str
    key: str
    size: int
    modified: int
    stamp: int

    @property
    def address(self) -> str:
        """What messages and tables call it."""
        return f"{self.root}/{self.key}"

    def __str__(self) -> str:
        """Return what messages call it."""
        return self.address


def listed(address: str) -> list[Object]:
    """Return the objects that *address* names: one, those below a folder, or those that match its `*`, `**` and `?`.

    Raises:
        SourceError: There is none, or the bucket can't be looked into.
    """
    parts = urlsplit(address)
    root, pattern = f"{parts.scheme}://{parts.netloc}", address.partition("://")[2].partition("/")[2]
    fixed = pattern[: found.start()].rpartition("/")[0] if (found := _GLOB.search(pattern)) else pattern.rstrip("/")
    wanted = re.compile(_as_regex(pattern) if found else rf"{re.escape(fixed)}(/.*)?" if fixed else ".*")
    try:
        bucket = Bucket.of(root)
        there = bucket.list(fixed)
        if not found and (one := bucket.find(fixed) if fixed else {}):
            there = [*one.values()]
    except WarehouseError as error:
        raise SourceError(str(error)) from error
    there = [each for each in there if each.size and wanted.fullmatch(each.name)]
    matching = [Object(root, each.name, each.size, each.modified, _stamp(each.tag, each.size)) for each in there]
    if not matching:
        raise SourceError(f"{address}: there is no such object; `**` matches folders, too")
    return matching


def groups(objects: Iterable[Object]) -> Iterator[list[Object]]:
    """Yield *objects* so many at a time as this machine keeps at once."""
    group: list[Object] = []
    for each in objects:
        if group and (len(group) == _MOST or sum(o.size for o in group) + each.size > _MOST_BYTES):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


@contextmanager
def as_files(objects: Iterable[Object]) -> Iterator[Mapping[Path, Object]]:
    """Have *objects* as files, in folders that are called as theirs are, for the length of a block.

    What was replaced since it was listed is what it is now, under the stamp that it had: it is looked at again.

    Raises:
        SourceError: One can't be fetched, or the disk doesn't take it.
    """
    with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
        files = {Path(folder, *_parts(each)): each for each in objects}
        try:
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                list(pool.map(_fetch, files.items()))
        except OSError as error:
            room = shutil.disk_usage(folder).free
            raise SourceError(
                f"{folder} can't be written: {reason(error)}; it has {room / 1e9:,.1f} GB left, TMPDIR names another"
            ) from error
        except WarehouseError as error:
            raise SourceError(str(error)) from error
        yield {path: each for path, each in files.items() if path.exists()}


def _fetch(wanted: tuple[Path, Object]) -> None:
    path, each = wanted
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            for chunk in Bucket.of(each.root).stream(each.key, _CHUNK):
                file.write(chunk)
        os.utime(path, ns=(each.modified, each.modified))  # nobody has written to it since
    except FileNotFoundError:
        path.unlink(missing_ok=True)  # gone since it was listed


def _parts(each: Object) -> list[str]:
    """Return the folders and the name of the file that holds the object: nothing leads out of the folder."""
    parts = [each.root.rpartition("/")[2], *each.key.split("/")]
    return [xxhash.xxh3_64_hexdigest(part.encode()) if part in {"", ".", ".."} else part for part in parts]


def _as_regex(pattern: str) -> str:
    """Return *pattern* as a regular expression: `**/` for any folders, `*` and `?` for what is no slash."""
    ways = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(ways.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))


def _stamp(tag: str, size: int) -> int:
    return xxhash.xxh3_64_intdigest(f"{tag} {size}".encode()) & (1 << 63) - 1
