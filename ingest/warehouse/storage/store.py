"""What a warehouse asks of the place that holds its bytes: a folder of this machine, or a bucket.

A name is a path below the warehouse, such as `llm_calls/_delta_log/00000000000000000000.json`. What is above this
package knows names; where they lie, and what makes them durable, is known here only.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from ingest.errors import WarehouseError

ADDRESS = "://"
SCHEMES = ("s3://", "az://", "gs://")
_PASSWORD = re.compile(r"://[^/]*@")


class Found(NamedTuple):
    """A name that is there: its size, when it was written (ns since 1970), and a tag that another content changes."""

    name: str
    size: int
    modified: int
    tag: str


Writer = Callable[[Path], object]
"""Writes a file."""

Fence = Callable[[], None]
"""Raises BusyError where a lock isn't held any more; to be called before what can't be taken back."""


Held = Callable[[], bool]
"""Tells whether a lock that was joined is still the one that its name stands for."""


class UnsureError(WarehouseError):
    """What was put may be there now, or may not."""


class Store(Protocol):
    """A folder or a bucket. Names that aren't there raise FileNotFoundError, whatever the place."""

    folder: Path
    """Where this machine reads: the warehouse itself, or what is kept here of a bucket."""

    shared: bool
    """Whether other machines write here too."""

    def shown(self, name: str = "") -> str:
        """Return how messages call *name*."""

    def get(self, name: str) -> bytes:
        """Return what *name* holds now."""

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return what those of *names* hold now that are there, all at once; nothing of it is kept at hand."""

    def put(self, name: str, data: bytes) -> None:
        """Let *name* hold *data*, durably: who reads it sees the old or the new."""

    def put_if_absent(self, name: str, data: bytes) -> str | None:
        """Let *name* hold *data*, durably, if there is no such name yet, and return its tag; None if there is.

        Two that try it at once never both succeed. *data* is unlike what anybody else puts there.

        Raises:
            UnsureError: It may be there, and it may not, or not for long.
            OSError: It isn't there.
        """

    def begin(self, files: Mapping[str, bytes]) -> dict[str, Found]:
        """Let each name of *files* hold its data if there is no such name yet; return what is known of those.

        Afterwards all are durable, with the folders that they lie in, also those that others made, who may have died
        before they were.
        """

    def replace_if(self, name: str, data: bytes, tag: str) -> str | None:
        """Let *name* hold *data* if it still has *tag*, and return its new one; None if it hasn't."""

    def list(self, *folders: str, after: str = "") -> list[Found]:
        """Return what lies below *folders*, with names behind *after*, in the order of names."""

    def delete(self, names: Iterable[str]) -> None:
        """Take *names* away, in their order; those that aren't there are passed over."""

    def find(self, *names: str) -> dict[str, Found]:
        """Return what is known of those of *names* that are there."""

    def file(self, name: str) -> Path:
        """Return a file of this machine that holds *name*. What data files and log entries hold never changes."""

    def fetch(self, names: Sequence[str]) -> None:
        """Have the files of *names* at hand, all at once instead of one by one."""

    def write(self, files: Mapping[str, Writer], folder: str | None = None) -> Sequence[int]:
        """Let each name of *files* hold, durably, what its function writes; return their sizes.

        Nobody looks for these names yet. *folder* has new folders then, which are made durable, too.
        """

    def keep(self, names: Sequence[str]) -> None:
        """Make durable what was written below `folder` as *names*."""

    def settle(self, names: Sequence[str], folder: str | None = None) -> None:
        """Make durable *names* that others wrote, and may have died before they were."""

    def now(self) -> float:
        """Return the time, in seconds since 1970, by the clock that `Found.modified` is of."""

    def check(self, folders: Iterable[str]) -> None:
        """See that this user may look into *folders*, as far as they are there, or raise WarehouseError."""

    def prune(self, folder: str) -> None:
        """Keep nothing at hand from *folder* that isn't there any more."""

    def trim(self, needed: Sequence[Found]) -> None:
        """Make room at hand for the *needed* data files, or raise WarehouseError."""

    def alone(self, name: str, explanation: str) -> AbstractContextManager[Fence]:
        """Hold the lock *name* for the length of a block; BusyError with *explanation* if another does."""

    def join(self, name: str, holder: object) -> Held | None:
        """Hold the lock *name* together with others while *holder* lives; None where nobody needs to ask."""


Place = str | Path | Store


def is_address(text: str) -> bool:
    """Tell whether *text* is meant as the address of a bucket, be it with a slash too few, and not as a folder."""
    return ADDRESS in text or text.startswith(tuple(scheme[:-1] for scheme in SCHEMES))


def wrong_with(address: str) -> str | None:
    """Return what is wrong with *address* as that of a bucket, without a password that it holds; None if nothing is."""
    bucket = urlsplit(address).netloc
    if address.startswith(SCHEMES) and bucket and "@" not in bucket:
        return None
    return (
        f"{_PASSWORD.sub('://…@', address)}: a warehouse is a folder of this machine, or a bucket: s3://BUCKET/…, "
        "az://CONTAINER/…, gs://BUCKET/…, with its credentials in the environment"
    )


def at(place: Place) -> Store:
    """Return the store at *place*: a folder, the address of a bucket, or a store already.

    Raises:
        WarehouseError: It is an address, and there is nothing to reach it with, or it can't be used.
    """
    if isinstance(place, str) and is_address(place):
        from ingest.warehouse.storage.bucket import Bucket

        return Bucket.of(place)
    if isinstance(place, str | Path):
        from ingest.warehouse.storage.local import Folder

        return Folder(place)
    return place
