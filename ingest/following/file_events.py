"""The operating system's file events, as a reason to look sooner. The only module that knows watchdog.

Events get lost (a full queue, a network disk, a watch that failed, a thread that died), so nothing depends on them:
whoever waits here also looks when the time is up.
"""

import contextlib
import logging
import os
import threading
import time
import warnings
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
from watchdog.utils import BaseThread

from ingest.files.streams import Key, key_of

log = logging.getLogger(__name__)

_CHANGES = [FileModifiedEvent, FileCreatedEvent, FileMovedEvent, FileDeletedEvent, FileClosedEvent]

_PAUSE = 30.0
"""Seconds between two starts of watchdog's threads, which may die where folders are moved and deleted quickly."""


class Wakeups(FileSystemEventHandler):
    """A wait that ends at a file event, at a time, or for good."""

    def __init__(self, *, events: bool = True, ignore: Iterable[Path] = ()) -> None:
        """Watch nothing yet. Without *events* only time wakes. Changes below the *ignore* folders don't wake."""
        self._wake = threading.Event()
        self._stop = False
        self._ignored = tuple(f"{folder.resolve()}/" for folder in ignore)
        self._events = events
        self._observer: Any = None
        self._watched: dict[Path, tuple[Key, Any]] = {}
        self._begun = 0.0
        self._dead = False
        self._others_hook = threading.excepthook

    def __enter__(self) -> Self:
        """Start watching."""
        # Neither is for users: new folders in new ones are watched twice, and events that are lost do no harm.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, r"watchdog\.")
        logging.getLogger("watchdog").setLevel(logging.CRITICAL)
        threading.excepthook = self._bury
        if self._events:
            self._begin()
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop watching."""
        self._end()
        threading.excepthook = self._others_hook

    def watch(self, folders: Mapping[Path, bool]) -> None:
        """Watch *folders* that exist now; the value says whether their subfolders count."""
        if self._dead and time.monotonic() - self._begun >= _PAUSE:
            self._end()
            self._begin()
        for folder, deep in folders.items():
            if self._observer is None or self._dead:
                return
            self._watch(folder, deep=deep)

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

    def _begin(self) -> None:
        self._begun, self._dead = time.monotonic(), False
        try:
            self._observer = Observer()
            self._observer.start()
        except OSError as error:
            self._give_up(error)

    def _end(self) -> None:
        observer, self._observer = self._observer, None
        self._watched.clear()
        if observer is not None:
            with contextlib.suppress(KeyError, RuntimeError):  # what it kept may be as wrong as when its thread died
                observer.stop()
                observer.join()

    def _watch(self, folder: Path, *, deep: bool) -> None:
        """Watch *folder*, if it is one, and isn't watched; another one may have its name, or even its inode, by now."""
        key, emitter = self._watched.get(folder, (None, None))
        if not os.path.isdir(folder):  # noqa: PTH112 # never raises
            return
        try:
            now = key_of(folder.stat())
            if emitter is not None:
                if now == key and emitter.should_keep_running():
                    return
                self._observer.unschedule(emitter.watch)
            watch = self._observer.schedule(self, str(folder.resolve()), recursive=deep, event_filter=_CHANGES)
            self._watched[folder] = now, next(e for e in self._observer.emitters if e.watch == watch)
        except FileNotFoundError:
            return
        except OSError as error:
            self._give_up(error)
        except KeyError:
            self._dead = True

    def _bury(self, death: threading.ExceptHookArgs) -> None:
        """Note that one of watchdog's threads has died; of others say what anybody would."""
        if isinstance(death.thread, BaseThread):
            log.debug("file events ended: %r; the files are looked at in intervals meanwhile", death.exc_value)
            self._dead = True
        else:
            self._others_hook(death)

    def _give_up(self, error: OSError) -> None:
        log.warning("no file events (%s): looking at the files at intervals instead", error.strerror or error)
        self._end()
