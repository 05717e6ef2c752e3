"""A question as a page or a script asks it: the name of a report and a query string → bytes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import duckdb

from queries.answers import reports as saved
from queries.answers.repriced import Pricing
from queries.connection import connect
from queries.connection.filters import COLUMNS
from queries.errors import QueryError, WordError
from queries.show import texts

FORMS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "sql": "text/plain; charset=utf-8"}
"""How an answer may be had, and as what it is sent; `sql` is what the report asks."""

ONCE = ("since", "until", "tz")
MOST_ROWS = 1_000_000
_LONGEST = 1_000
_LONGEST_ADDRESS = 8_000
_OPTIONS = ("format", "rows")
_OWN = "p."
"""What a report's parameter has before its name where a filter is called the same: `p.model`."""

Pairs = Iterable[tuple[str, str]]


class AbsentError(WordError):
    """A report that there isn't."""


class UnreadableError(QueryError):
    """A warehouse that can't be read now; no other question would be answered either."""


@dataclass(frozen=True)
class Place:
    """Where questions are asked: a warehouse, and what its owner has chosen beside it."""

    warehouse: str
    reports: str | None = None
    """A folder of the owner's own reports."""
    zone: str | None = None
    """Time zone of who doesn't say one; None leaves it to the system."""
    pricing: Callable[[], Pricing] | None = None
    """What gives the prices that some reports compare."""
    limits: Path | None = None
    """File with the limits of the owner's account; None is that of the warehouse."""


@dataclass(frozen=True)
class Question:
    """A report with its filters and parameters; two that are equal have one answer on one snapshot."""

    report: str
    filters: tuple[tuple[str, tuple[str, ...]], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    form: str = "json"
    rows: int | None = None

    @property
    def moves(self) -> bool:
        """Whether the answer depends on the time of asking, as that of the last 24 hours does."""
        return any(name in {"since", "until"} and not values[0][:4].isdigit() for name, values in self.filters)

    @property
    def given(self) -> dict[str, str | tuple[str, ...]]:
        """The filters as `connect` takes them, and as the command line gives them."""
        return {name: values[0] if name in ONCE else values for name, values in self.filters}

    @property
    def address(self) -> str:
        """Where the answer is, below the address of the page."""
        pairs = [(name, value) for name, values in self.filters for value in values]
        pairs += [(_OWN + name, value) for name, value in self.parameters]
        pairs += [("rows", str(self.rows))] * (self.rows is not None)
        pairs += [("format", self.form)] * (self.form != "json")
        return f"api/reports/{self.report}" + ("?" + urlencode(pairs) if pairs else "")

    def about(self, report: str, *, rows: int | None = None, **parameters: str) -> "Question":
        """Return the question for another *report* about the same calls."""
        return replace(self, report=report, parameters=tuple(sorted(parameters.items())), rows=rows)


def read(report: str, pairs: Pairs, zone: str | None = None) -> Question:
    """Return the question that the *pairs* of a query string ask of *report*, in *zone* if they don't say another.

    Raises:
        WordError: One of them says what can't be.
    """
    filters: dict[str, list[str]] = {}
    options: dict[str, list[str]] = {}
    parameters: dict[str, list[str]] = {}
    for name, value in checked(pairs):
        kind = filters if name in ONCE or name in COLUMNS else options if name in _OPTIONS else parameters
        kind.setdefault(name if kind is not parameters else name.removeprefix(_OWN), []).append(value)
    for name, values in (*filters.items(), *options.items(), *parameters.items()):
        if len(values) > 1 and name not in COLUMNS:
            raise WordError(f"{name} is given twice")
    if zone:
        filters.setdefault("tz", [zone])
    if "file" in parameters:
        raise WordError("a report that reads a file is for the command line: ingest report NAME -p file=…")
    return Question(
        report,
        tuple((name, tuple(filters[name])) for name in sorted(filters)),
        tuple((name, parameters[name][0]) for name in sorted(parameters)),
        _form(options.get("format", ["json"])[0]),
        _rows(options["rows"][0]) if "rows" in options else None,
    )


def checked(pairs: Pairs) -> list[tuple[str, str]]:
    """Return *pairs*, of which none is longer than any name, or empty, or holds what no text has."""
    found = list(pairs)
    for name, value in found:
        if not value:
            raise WordError(f"{name[:_LONGEST]} is empty: leave it out, or give it a value")
        if max(len(name), len(value)) > _LONGEST:
            raise WordError(f"{name[:40]} is longer than {_LONGEST:,} characters")
        if "\0" in name + value:
            raise WordError("a text has no NUL")
    if sum(len(name) + len(value) for name, value in found) > _LONGEST_ADDRESS:
        raise WordError(f"a question is no longer than {_LONGEST_ADDRESS:,} characters")
    return found


def bind(question: Question, place: Place) -> saved.Report:
    """Return the report of *question*, whose parameters it takes.

    Raises:
        AbsentError: There is no such report.
        WordError: It has no such parameter, or not with such a value.
    """
    folders = saved.folders(place.reports, place.warehouse)
    if question.report not in saved.names(folders):
        raise AbsentError(f"no report called {question.report!r}: api/reports lists all")
    report = saved.load(question.report, folders)
    report.bind(dict(question.parameters))
    return report


def opened(question: Question, place: Place) -> duckdb.DuckDBPyConnection:
    """Open what *question* is about, locked: nothing but the snapshot can be read from then on.

    Raises:
        UnreadableError: There is no warehouse, or it is damaged.
        WordError: A filter says what can't be.
    """
    try:
        connection = connect.connect(place.warehouse, limits=place.limits, **question.given)  # type: ignore[arg-type] # by name
    except WordError:
        raise
    except QueryError as error:
        raise UnreadableError(str(error)) from error
    connect.keep_calls(connection)  # in however many files they are: a page asks many questions
    connect.lock(connection)
    return connection


def answered(
    connection: duckdb.DuckDBPyConnection, question: Question, report: saved.Report, place: Place
) -> saved.Answer:
    """Answer *question*, all rows of it, as the command line does."""
    given = dict(question.parameters)
    pricing = place.pricing() if report.repriced and place.pricing else None
    answer = saved.run(connection, report, pricing=pricing, **given)
    if not answer.rows.height:
        connect.check_values(connection, place.warehouse, {name: [value] for name, value in given.items()})
    return answer.with_filters(question.given)


def cut(answer: saved.Answer, rows: int | None) -> saved.Answer:
    """Return the first *rows* of *answer*, all where it is None; a note says how many more there are."""
    if rows is None or answer.rows.height <= rows:
        return answer
    notes = [*answer.notes, f"{answer.rows.height - rows:,} more rows"]
    return replace(answer, rows=answer.rows.head(rows), notes=notes)


def written(answer: saved.Answer, question: Question) -> bytes:
    """Return *answer* in the form and with as many rows as *question* asks for."""
    text = {"csv": texts.as_csv, "json": texts.as_json}[question.form](cut(answer, question.rows))
    return text.encode()


def as_sql(question: Question, report: saved.Report, place: Place) -> bytes:
    """Return what *question* asks in SQL, with the command that exports what it is asked of."""
    return saved.as_sql(report, dict(question.parameters), question.given, warehouse=place.warehouse).encode()


def _form(value: str) -> str:
    if value not in FORMS:
        raise WordError(f"format is one of {', '.join(FORMS)}, not {value!r}")
    return value


def _rows(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 < int(value[:9]) <= MOST_ROWS:
        raise WordError(f"rows is a whole number up to {MOST_ROWS:,}, not {value!r}")
    return int(value[:9])
