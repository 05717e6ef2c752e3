"""Who may maintain a warehouse in a bucket: who holds a lease, an object that its holder renews by its tag.

No clock but the bucket's own decides: a lease is as old as the bucket says it is, compared with what the bucket says of
an object written now. A holder that stood still for too long finds another tag, and is told before it goes on.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.errors import WarehouseError
from ingest.warehouse.storage.locks import BusyError
from ingest.warehouse.storage.store import Fence, Store

SECONDS = 60
"""A lease that was not renewed for so long is anybody's."""

log = logging.getLogger(__name__)


@contextmanager
def lease(store: Store, name: str, explanation: str, seconds: float = SECONDS) -> Iterator[Fence]:
    """Hold the lease *name* for the length of the block, and renew it meanwhile; yield its fence.

    Raises:
        BusyError: Somebody holds it; the message is *explanation*.
    """
    held = _Held(store, name, _taken(store, name, seconds, explanation), explanation, seconds)
    stop = threading.Event()
    renewing = threading.Thread(target=held.keep, args=(stop,), daemon=True)
    renewing.start()
    try:
        yield held.check
    finally:
        stop.set()
        renewing.join()
        held.give_back()


class _Held:
    def __init__(self, store: Store, name: str, tag: str, explanation: str, seconds: float) -> None:  # a lease
        self._store, self._name, self._tag = store, name, tag
        self._explanation, self._seconds = explanation, seconds
        self._renewed = time.monotonic()
        self._lost = False
        self._lock = threading.Lock()

    def check(self) -> None:
        """See that the lease is still held, if it wasn't renewed just now.

        Raises:
            BusyError: It isn't.
        """
        if self._lost or (time.monotonic() - self._renewed > self._seconds / 2 and not self._renew()):
            raise BusyError(self._explanation)

    def keep(self, stop: threading.Event) -> None:
        """Renew the lease until *stop*."""
        while not stop.wait(self._seconds / 3):
            try:
                if not self._renew():
                    return
            except WarehouseError as error:
                log.warning("%s", error)  # `check` tries again, and refuses

    def give_back(self) -> None:
        """Let the next one have it at once: an object that says so, as no bucket deletes by tag."""
        with self._lock:
            if not self._lost:
                self._store.replace_if(self._name, _note(free=True), self._tag)

    def _renew(self) -> bool:
        with self._lock:
            if self._lost:
                return False
            tag = self._store.replace_if(self._name, _note(), self._tag)
            self._lost, self._renewed = tag is None, time.monotonic()
            self._tag = tag or self._tag
            return tag is not None


def _taken(store: Store, name: str, seconds: float, explanation: str) -> str:
    """Return the tag of the lease *name*, which is now ours."""
    if tag := store.put_if_absent(name, _note()):
        return tag
    before = store.find(name).get(name)
    if before is None:
        raise BusyError(explanation)
    is_old = store.now() - before.modified / 1e9 > seconds + 1  # a bucket counts whole seconds
    if not (is_old or json.loads(store.get(name)).get("free")):
        raise BusyError(explanation)
    tag = store.replace_if(name, _note(), before.tag)
    if tag is None:
        raise BusyError(explanation)
    return tag


def _note(*, free: bool = False) -> bytes:
    holder = f"{socket.gethostname()}:{os.getpid()}"
    return json.dumps({"holder": holder, "free": free, "id": uuid.uuid4().hex}).encode()
