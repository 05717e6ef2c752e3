"""Rules asked of a warehouse, their crossings written down, and then told: one round, or again after each commit.

A roof, because `alerting` knows no queries, and `queries` no table that it could write.
"""

import contextlib
import logging
import os
import select
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ingest.alerting import deliveries
from ingest.alerting.book import Book
from ingest.alerting.crossings import Crossing, Point, crossings, points
from ingest.alerting.rules import FILE, Rule, read
from ingest.choices import alternatives
from ingest.errors import IngestError
from ingest.ledger import Conflict
from ingest.warehouse.storage.locks import BusyError, alone
from ingest.warehouse.warehouse import Warehouse
from queries.answers import reports
from queries.answers.ask import ask
from queries.connection import connect
from queries.errors import QueryError

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)

LOCK = ".alerts.lock"
"""Who holds it checks and sends: of two processes that do, each message would come twice."""

STATUS = "status"
"""What a rule calls the rows of `ingest status`, which no query knows: how far each source is behind."""

PATIENCE = 60.0
TRIES = 3
"""How often a single check tries to send a message; what is left the next one sends."""

REST_SHARE = 9.0
"""A check that takes a second is followed by so many seconds without one: a tenth of a core."""

LONGEST_REST = 15.0
"""Seconds after which rules are asked without a commit: what is quiet falls below its clear level, too."""

TIMEOUT = 60.0


class Checked(NamedTuple):
    """What a round found: new crossings, how many crossings are not over, and what went wrong."""

    new: Sequence[Crossing]
    still_open: int
    wrong: Sequence[str]
    waiting: int = 0

    @property
    def crossed(self) -> bool:
        """Whether a rule is crossed, or was since the last check."""
        return bool(self.new) or self.still_open > 0


class _Checker:
    """The rules of a warehouse and what is due, from one round to the next."""

    def __init__(self, warehouse: Path, limits: Path | None, say: deliveries.Say) -> None:
        self.file = warehouse / FILE
        self._warehouse, self._limits, self._say = warehouse, limits, say
        self._due: dict[str, float] = {}

    def round(self, rules: Sequence[Rule]) -> Checked:
        """Ask *rules*, write down what crossed, and send what is due.

        Raises:
            IngestError: The table can't be read or written, or another process has been at it for too long.
        """
        with _lock(self._warehouse):
            book = Book(self._warehouse)
            found = _look(book, self._warehouse, rules, self._limits)
            wrong = [*found.wrong, *self._send(book, rules)]
            return found._replace(wrong=wrong, waiting=len(self._due))

    def send(self, rules: Sequence[Rule]) -> list[str]:
        """Send what is due, and return what went wrong."""
        with _lock(self._warehouse):
            return list(self._send(Book(self._warehouse), rules))

    @property
    def waiting(self) -> int:
        """How many messages were not taken."""
        return len(self._due)

    def next_try(self) -> float | None:
        """Return in how many seconds a message is due; None where none waits."""
        return max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None

    def _send(self, book: Book, rules: Sequence[Rule]) -> Iterator[str]:
        """Send what is pending and due, and write down each at once; yield what went wrong."""
        pending, named = book.pending(), {rule.name: rule for rule in rules}
        self._due = {alert.alert_id: self._due.get(alert.alert_id, 0.0) for alert in pending}
        for alert in pending:
            if self._due[alert.alert_id] <= time.monotonic():
                changes, failure = deliveries.tell(alert, named.get(alert.rule), self._say)
                book.change([(alert.alert_id, changes)])
                if failure is None:
                    del self._due[alert.alert_id]
                else:
                    self._due[alert.alert_id] = time.monotonic() + deliveries.pause(int(changes["tries"]))
                    yield failure


def check(warehouse: Path, *, limits: Path | None, say: deliveries.Say) -> Checked:
    """Ask each rule once, and tell what crossed; a message that isn't taken is tried again a few times.

    Raises:
        IngestError: There are no rules, or they are wrong; or the table can't be written.
    """
    checker = _Checker(warehouse, limits, say)
    rules = read(checker.file)
    found = checker.round(rules)
    for _ in range(TRIES - 1):
        if (seconds := checker.next_try()) is None:
            break
        time.sleep(seconds)
        found = found._replace(wrong=[*found.wrong, *checker.send(rules)], waiting=checker.waiting)
    return found


def stay(warehouse: Path, commits: int, *, limits: Path | None, say: deliveries.Say) -> None:
    """Check again and again: after each byte that comes in at descriptor *commits*, and now and then; until it ends.

    Nothing ends it but that: what is wrong is said once, and tried again.
    """
    checker, rules, said = _Checker(warehouse, limits, say), list[Rule](), set[str]()
    going = True
    while going:
        began = time.monotonic()
        try:
            rules = read(checker.file)
            wrong = checker.round(rules).wrong
        except (IngestError, QueryError) as error:
            wrong = [str(error)]
        for text in wrong:
            if text not in said:
                log.warning("%s", text)
        said = set(wrong)
        going = rest(commits, (time.monotonic() - began) * REST_SHARE, checker.next_try())


def explain(warehouse: Path, rule: Rule, *, limits: Path | None) -> tuple[list[Point], str | None]:
    """Return what *rule* looks at now, or what is wrong with it; nothing is written or sent."""
    try:
        return points(rule, answer(warehouse, rule, limits), datetime.now(UTC)), None
    except (IngestError, QueryError) as error:
        return [], str(error)


def answer(warehouse: Path, rule: Rule, limits: Path | None = None) -> "pl.DataFrame":
    """Return the rows that *rule* asks for.

    Raises:
        QueryError: Its report or SQL can't be answered.
    """
    if rule.report == STATUS:
        from ingest.maintenance.status import sources

        return sources(Warehouse(warehouse))
    given: dict[str, Any] = {name: list(values) for name, values in rule.filters.items()}
    if "tz" in given:
        (given["tz"],) = given["tz"]
    report = reports.load(rule.report, reports.folders(warehouse=warehouse)) if rule.report else None
    serving = report.reach if report else rule.sql
    opened = connect.connect(warehouse, **given, since=rule.window, limits=limits, serving=serving)
    with opened as connection, connect.within(connection, TIMEOUT):
        if report is None:
            return ask(connection, rule.sql or "", rule.parameters).frame
        pricing = alternatives(warehouse) if report.repriced else None
        return reports.run(connection, report, pricing=pricing, **rule.parameters).frame


def _look(book: Book, warehouse: Path, rules: Sequence[Rule], limits: Path | None) -> Checked:
    """Ask *rules*, and write down what crossed, and what is over."""
    now = datetime.now(UTC)
    asked, wrong = list[tuple[Rule, list[Point]]](), list[str]()
    for rule in rules:
        try:
            asked.append((rule, points(rule, answer(warehouse, rule, limits), now)))
        except (IngestError, QueryError) as error:
            wrong.append(f"rule {rule.name!r}: {error}")
    while True:
        last = book.last()
        found = [crossings(rule, seen, last.get(rule.name, {}), now) for rule, seen in asked]
        new = [crossing for each in found for crossing in each.new]
        try:
            book.add(new, now)
        except Conflict:
            continue  # another machine was quicker, and what it found isn't new any more
        book.change((name, {"cleared_at": at}) for each in found for name, at in each.cleared.items())
        return Checked(new, sum(each.still_open for each in found), wrong)


@contextlib.contextmanager
def _lock(warehouse: Path) -> Iterator[None]:
    """Be the only one on this machine who checks; wait for others, but not for ever."""
    end = time.monotonic() + PATIENCE
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(alone(warehouse, LOCK, f"another process checks the rules of {warehouse}"))
                break
            except BusyError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        yield


def rest(commits: int, least: float, next_try: float | None) -> bool:
    """Rest until there is a commit or something is due, and at *least* so many seconds; return whether to go on.

    Who waits for the end doesn't wait for the rest: where no commit will come, what came is looked at without one.
    """
    began, news = time.monotonic(), False
    most = least + (LONGEST_REST if next_try is None else min(next_try, LONGEST_REST))
    while (left := began + (least if news else most) - time.monotonic()) > 0:
        ready, _, _ = select.select([commits], [], [], left)
        if ready:
            if not os.read(commits, 65_536):
                return news
            news = True
    return True
