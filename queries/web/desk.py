"""Where questions are answered: at most so many at once, each within a time, and equal ones once on each snapshot."""

import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import duckdb

from queries.answers.reports import Report
from queries.connection import files
from queries.connection.connect import moves, within
from queries.errors import QueryError
from queries.web import question as questions
from queries.web.question import Place, Question

_MOST_KEPT = 64_000_000
"""Bytes of answers that are kept for who asks the same."""

_NICE = 5
"""A third of the share of others where there is not enough for all; all of it where there is."""

Work = Callable[[], bytes]


class BusyError(QueryError):
    """A question too many."""


class Desk:
    """The questions that are being answered, and the answers that still hold."""

    def __init__(self, place: Place, *, at_once: int, waiting: int, timeout: float) -> None:
        """Answer questions of *place*."""
        self.place = place
        self._timeout, self._most = timeout, at_once + waiting
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="question", initializer=_step_back)
        self._kept: OrderedDict[tuple[str, Hashable], Future[bytes]] = OrderedDict()
        self._idle: list[tuple[Hashable, duckdb.DuckDBPyConnection]] = []
        self._most_idle = at_once
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._guard = threading.Lock()

    def version(self) -> str:
        """Return the name of the newest snapshot."""
        return files.version(Path(self.place.warehouse))

    def committed(self) -> str:
        """Return the name of the newest commit: the table of calls is the last one that a commit changes."""
        return files.version(Path(self.place.warehouse), ["llm_calls"])

    def ask(self, question: Question) -> "Future[bytes]":
        """Return the answer to *question*, which is under way or will be.

        Raises:
            WordError: It can't be asked like that.
            BusyError: Too many others wait.
        """
        report = questions.bind(question, self.place)
        if question.form == "sql":
            done: Future[bytes] = Future()
            done.set_result(questions.as_sql(question, report, self.place))
            return done
        # With its text, because a report of the user's own may be mended.
        about = (question, report.sql, self.minute() if _moves(question, report) or report.repriced else None)
        return self.once(about, lambda: self._answer(question, report))

    @staticmethod
    def minute() -> float:
        """Return the minute of now: what depends on the time of asking holds until the next."""
        return time.time() // 60

    def once(self, about: Hashable, work: Work) -> "Future[bytes]":
        """Return what *work* returns, or has returned for the same *about* on this snapshot.

        Where the same is under way on an older snapshot, one more waits for its end, for all who ask meanwhile: two at
        a time would both take twice as long. It looks at what is the newest snapshot by then.
        """
        key = (self.version(), about)
        with self._guard:
            if (known := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return known
            under_way = [(what, future) for (_, what), future in self._kept.items() if not future.done()]
            alike = [future for what, future in under_way if what == about]
            if waiting := next((future for future in alike if not future.running()), None):
                return waiting
            if len(under_way) >= self._most:
                raise BusyError("too many questions at once: ask again in a moment")
            future: Future[bytes] = Future()
            self._kept[key] = future
        future.add_done_callback(lambda ended: self._keep(key, ended))
        if alike:
            alike[0].add_done_callback(lambda _: self._begin(future, work))
        else:
            self._begin(future, work)
        return future

    def _begin(self, future: "Future[bytes]", work: Work) -> None:
        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001 # for whoever waits for it
                    future.set_exception(error)

        try:
            self._threads.submit(run)
        except RuntimeError:  # the desk has closed
            future.cancel()

    def close(self) -> None:
        """Give up what is under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._guard:
            waiting = list(self._kept.values())
            for connection in self._running:
                connection.interrupt()
        for future in waiting:
            future.cancel()

    @contextmanager
    def connection(self, question: Question, report: Report | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open what *question* is about, for the time that a question has; or until the desk closes.

        A page asks thirty times about the same calls, and to open them takes longer than most answers.
        """
        about = (self.version(), question.filters, self.minute() if _moves(question, report) else None)
        opened = self._take(about) or questions.opened(question, self.place)
        with self._guard:
            self._running.add(opened)
        try:
            with within(opened, self._timeout):
                yield opened
        except BaseException:
            opened.close()  # it may have been interrupted in the middle of anything
            raise
        else:
            self._put_back(about, opened)
        finally:
            with self._guard:
                self._running.discard(opened)

    def _take(self, about: Hashable) -> duckdb.DuckDBPyConnection | None:
        with self._guard:
            index = next((i for i, (what, _) in enumerate(self._idle) if what == about), None)
            return None if index is None else self._idle.pop(index)[1]

    def _put_back(self, about: Hashable, connection: duckdb.DuckDBPyConnection) -> None:
        with self._guard:
            self._idle.insert(0, (about, connection))
            surplus = self._idle[self._most_idle :]
            del self._idle[self._most_idle :]
        for _, old in surplus:
            old.close()

    def _answer(self, question: Question, report: Report) -> bytes:
        with self.connection(question, report) as connection:
            return questions.written(questions.answered(connection, question, report, self.place), question)

    def _keep(self, key: tuple[str, Hashable], ended: "Future[bytes]") -> None:
        """Keep what went well, and of that the latest; what failed may go well another time."""
        with self._guard:
            if ended.cancelled() or ended.exception() is not None:
                self._kept.pop(key, None)
                return
            done = [(key, future) for key, future in self._kept.items() if _is_well(future)]
            size = sum(len(future.result()) for _, future in done)
            for old, future in done[:-1]:
                if size <= _MOST_KEPT:
                    break
                size -= len(future.result())
                del self._kept[old]


def _step_back() -> None:
    """Let this thread, and those that DuckDB starts from it, go behind others: no follower waits for a question."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICE)


def _moves(question: Question, report: Report | None) -> bool:
    """Tell whether the answer depends on the time of asking: the window does, or what the report looks at."""
    return question.moves or (report is not None and moves(report.sql))


def _is_well(future: "Future[bytes]") -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
