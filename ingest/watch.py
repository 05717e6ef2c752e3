"""The operating system's file events, as a reason to look sooner. The only module that knows watchdog.

Events get lost (a full queue, a network disk, a watch that failed), so nothing depends on them: whoever waits here also
looks when the time is up.
"""

import logging
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

log = logging.getLogger(__name__)

_CHANGES = [FileModifiedEvent, FileCreatedEvent, FileMovedEvent, FileDeletedEvent, FileClosedEvent]


class Wakeups(FileSystemEventHandler):
    """A wait that ends at a file event, at a time, or for good."""

    def __init__(self, *, events: bool = True, ignore: Iterable[Path] = ()) -> None:
        """Watch nothing yet. Without *events* only time wakes. Changes below the *ignore* folders don't wake."""
        self._wake = threading.Event()
        self._stop = False
        self._ignored = tuple(f"{folder.resolve()}/" for folder in ignore)
        self._watched: set[Path] = set()
        self._observer: Any = None
        try:
            self._observer = Observer() if events else None
        except OSError as error:
            self._give_up(error)

    def __enter__(self) -> Self:
        """Start watching."""
        if self._observer is not None:
            try:
                self._observer.start()
            except OSError as error:
                self._give_up(error)
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()

    def watch(self, folders: Mapping[Path, bool]) -> None:
        """Watch *folders* that exist now; the value says whether their subfolders count."""
        for folder, deep in folders.items():
            if self._observer is None or folder in self._watched or not os.path.isdir(folder):  # noqa: PTH112 # never raises
                continue
            try:
                self._observer.schedule(self, str(folder.resolve()), recursive=deep, event_filter=_CHANGES)
                self._watched.add(folder)
            except OSError as error:
                self._give_up(error)

    def wait(self, seconds: float) -> bool:
        """Return after at most *seconds*, sooner at an event; False once stopped."""
        if not self._stop:
            self._wake.wait(max(0.0, seconds))
        self._wake.clear()
        return not self._stop

    def stop(self) -> None:
        """End this wait and all later ones; may be called from a signal handler."""
        self._stop = True
        self._wake.set()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Wake whoever waits."""
        if not str(event.src_path).startswith(self._ignored or ("\0",)):
            self._wake.set()

    def _give_up(self, error: OSError) -> None:
        log.warning("no file events (%s): looking at the files at intervals instead", error.strerror or error)
        self._observer = None
