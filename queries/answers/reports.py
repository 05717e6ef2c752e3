"""Saved reports: find, describe and run them. A report is a `.sql` file; its parameters are read from its statement."""

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from parsers.values.by_hand import text_of
from parsers.values.messages import nearest
from queries.answers.answer_rows import Rows, fetched, of_texts
from queries.connection.connect import lock
from queries.errors import QueryError, WordError

if TYPE_CHECKING:
    import polars as pl

    from queries.answers.repriced import Pricing

_REFUSED = "Invalid Input Error: -p "
"""How an error begins that a view raises for a parameter's value."""

_BUILT_IN = resources("queries") / "reports"


_SHORT = {"k": 1_000, "m": 1_000_000}
"""How people write a thousand and a million behind a number."""


def _whole(text: str) -> str:
    number = _exact(text)
    if number != int(number) or not -(1 << 63) <= number < 1 << 63:
        raise ValueError(text)
    return str(int(number))


def _few(text: str) -> str:
    return str(int(text))


def _number(text: str) -> str:
    return str(_exact(text))


def _exact(text: str) -> Decimal:
    factor = _SHORT.get(text[-1:].lower(), 1)
    try:
        number = Decimal(text[:-1] if factor > 1 else text) * factor
    except InvalidOperation as error:
        raise ValueError(text) from error
    if not number.is_finite():
        raise ValueError(text)
    return number


def _time(text: str) -> str:
    return datetime.fromisoformat(text).isoformat()


_TYPES: dict[str, tuple[Callable[[str], str], str]] = {
    "bigint": (_whole, "a whole number"),
    "integer": (_few, "a whole number"),  # of minutes or hours, where `15m` is none of millions
    "double": (_number, "a number"),
    "varchar": (str, "text"),
    "timestamptz": (_time, "a time such as 2026-02-03T14:00"),
}
"""What a parameter may be cast to where the report first uses it, as DuckDB reads it, and how to say that to people."""


@dataclass(frozen=True)
class Report:
    """One question: a statement whose leading comment begins with its title."""

    name: str
    sql: str
    file: str | None = None
    """Where a report of the user's own lies."""

    def __str__(self) -> str:
        """Return what an error calls it."""
        return self.file or f"report {self.name}"

    @property
    def comment(self) -> list[str]:
        """The lines of the leading comment, without their dashes."""
        lines = []
        for line in self.sql.splitlines():
            if not line.startswith("--"):
                break
            lines.append(line.removeprefix("--").strip())
        return lines

    @property
    def title(self) -> str:
        """The first line of the leading comment."""
        return self.comment[0].removesuffix(".") if self.comment else self.name

    @property
    def notes(self) -> list[str]:
        """What a reader of the answer has to know: lines that begin with `Note:`."""
        return self._said("Note:")

    @property
    def noting(self) -> list[str]:
        """The views whose rows are such notes, because they depend on the calls: lines that begin with `Notes:`."""
        return self._said("Notes:")

    @property
    def chart(self) -> str:
        """How to draw the answer, as `queries.show.charts.plan` reads it: a line with `Chart:`, or nothing."""
        return next(iter(self._said("Chart:")), "")

    @property
    def first(self) -> list[list[str]]:
        """The columns that answer the question, which tables show first and never hide: a line with `First:`.

        `a|b` are columns of which those are meant that are known.
        """
        return [column.strip().split("|") for line in self._said("First:") for column in line.split(",")]

    @property
    def sums(self) -> list[str]:
        """The columns whose values may be added up: a line with `Sums:`."""
        return [column.strip() for line in self._said("Sums:") for column in line.split(",")]

    @property
    def divides(self) -> bool:
        """Whether its rows are sums of calls, so that `--breakdown` may divide them: a line with `Divides:`."""
        return bool(self._said("Divides:"))

    @property
    def reach(self) -> str:
        """The SQL that answering takes, as `connect` wants to know it."""
        return self.sql + " stated_limits single_calls" * ("from replays" in self.sql)

    @property
    def repriced(self) -> bool:
        """Whether it needs prices: see `run`."""
        return any(name in self.sql for name in _REPRICED)

    def _said(self, word: str) -> list[str]:
        return [line.removeprefix(word).strip() for line in self.comment if line.startswith(word)]

    @cached_property
    def parameters(self) -> dict[str, str]:
        """Names the statement binds, each with its meaning (a comment line `$name: meaning`) or nothing."""
        meanings = dict(re.findall(r"^\$(\w+): (.+)$", "\n".join(self.comment), re.MULTILINE))
        return {name: meanings.get(name, "") for name in sorted(_statement(self).named_parameters)}

    def bind(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return a value for each parameter, NULL for those that are not given, converted to what the report takes."""
        for name in given:
            if name not in self.parameters:
                known = nearest(name, self.parameters) if self.parameters else " - it takes none"
                raise WordError(f"report {self.name} has no parameter {name!r}{known}")
        return {name: self._convert(name, given.get(name)) for name in self.parameters}

    def _convert(self, name: str, value: object) -> object:
        cast = re.search(rf"\${name}::(\w+)", self.sql)
        if value is None or not isinstance(value, str) or cast is None or cast[1] not in _TYPES:
            return value
        convert, what = _TYPES[cast[1]]
        try:
            return convert(value)
        except ValueError as error:
            raise WordError(f"parameter {name} of report {self.name} takes {what}, not {value!r}") from error


_CROSSED = frozenset({"exceeded", "differs", "throttled"})


@dataclass(frozen=True)
class Answer:
    """The rows that a report, or a user's own query, gave, and what was asked."""

    name: str
    title: str
    parameters: dict[str, object]
    rows: Rows
    notes: Sequence[str] = ()
    chart: str = ""
    first: Sequence[str] = ()
    """The columns that a table shows before all others, and at every width."""
    sums: Sequence[str] = ()
    """The columns of which a table shows what they add up to."""

    @property
    def frame(self) -> "pl.DataFrame":
        """The rows as a frame of Polars."""
        return self.rows.frame

    @property
    def limit_crossed(self) -> bool:
        """Whether a row says that a limit was crossed, in a column `status`."""
        return "status" in self.rows.kinds and not _CROSSED.isdisjoint(self.rows.column("status"))

    def only(self, columns: Sequence[str]) -> "Answer":
        """Return the same answer with these *columns* only, in this order.

        Raises:
            WordError: There is no such column.
        """
        for name in columns:
            if name not in self.rows.kinds:
                raise WordError(f"{self.name} has no column {name!r}{nearest(name, self.rows.kinds)}")
        return replace(self, rows=self.rows.only(columns), first=columns)

    def with_filters(self, filters: Mapping[str, object]) -> "Answer":
        """Return the same answer, which also says which *filters* were given."""
        given = {name: list(v) if isinstance(v, tuple) else v for name, v in filters.items() if v}
        return replace(self, parameters={**given, **self.parameters})


def folders(own: str | Path | None = None, warehouse: str | Path | None = None) -> list[Traversable]:
    """Return where reports may lie, the nearest first: *own*, `$INGEST_REPORTS`, ours, `<warehouse>/reports`.

    Others may write into a warehouse: what lies there takes no name of ours, unless a user names that folder.
    """
    candidates = [Path(folder) for folder in (own, os.environ.get("INGEST_REPORTS")) if folder]
    shared = [Path(warehouse) / "reports"] if warehouse else []
    return [*(folder for folder in candidates if folder.is_dir()), _BUILT_IN, *(f for f in shared if f.is_dir())]


def _places(own: Sequence[Traversable]) -> Sequence[Traversable]:
    return own if _BUILT_IN in own else (*own, _BUILT_IN)


def names(own: Sequence[Traversable] = ()) -> list[str]:
    """Return the names of all reports, in order."""
    found = {file.name for folder in _places(own) for file in folder.iterdir() if file.is_file()}
    # An editor's lock, and what macOS puts beside a file, begin with a dot.
    return sorted(name.removesuffix(".sql") for name in found if name.endswith(".sql") and not name.startswith("."))


def load(name: str, own: Sequence[Traversable] = ()) -> Report:
    """Return the report called *name*: of the first folder of *own* that has one, as `folders` puts them, else ours."""
    known = names(own)
    for folder in _places(own):
        file = folder / f"{name}.sql"
        if name in known and file.is_file():
            try:
                return Report(name, text_of(file), None if folder is _BUILT_IN else str(file))
            except (OSError, UnicodeDecodeError) as error:
                raise QueryError(f"{file}: {getattr(error, 'strerror', error)}") from error
    raise WordError(f"no report called {name!r}{nearest(name, names(own))} (`ingest report` lists all)")


def listing(own: Sequence[Traversable] = ()) -> Answer:
    """Return name, title and parameters of all reports, as an answer like any other."""
    columns = [(name, *_described(name, own)) for name in names(own)]
    rows = of_texts(("report", "title", "parameters"), columns)
    note = "ingest report NAME --since 7d -p PARAMETER=VALUE; ingest report NAME --explain says what they mean"
    return Answer("reports", "Saved reports", {}, rows, [note, *_hidden(own)])


def _hidden(own: Sequence[Traversable]) -> Iterator[str]:
    """Yield which files are passed over because their name is a report's of ours."""
    places = list(_places(own))
    ours = set(names())
    for folder in places[places.index(_BUILT_IN) + 1 :]:
        for file in folder.iterdir():
            if file.name.removesuffix(".sql") in ours and file.name.endswith(".sql"):
                yield f"{file} is not used, as a report of that name comes with ingest: name its folder with --reports"


def _described(name: str, own: Sequence[Traversable]) -> tuple[str, str]:
    """Return the title and the parameters of the report called *name*."""
    try:
        report = load(name, own)
        return report.title, ", ".join(report.parameters)
    except QueryError as error:
        return str(error).partition("\n")[0], ""


def run(
    connection: duckdb.DuckDBPyConnection,
    report: Report | str,
    *,
    pricing: "Pricing | None" = None,
    **parameters: object,
) -> Answer:
    """Answer *report*, or the one that is called so, over what *connection* sees.

        >>> import queries
        >>> answer = queries.run(queries.connect("warehouse", tz="UTC"), "tpm")
        >>> answer.frame.select("model", "calls", "peak_tpm").row(0)
        ('gpt-5.2', 125, 727096)
        >>> queries.run(queries.connect("warehouse"), "cost-by-day", grain="month").frame["calls"].to_list()
        [759]

    Args:
        connection: what `connect` has opened. It is locked before a report that is not ours, which may be a stranger's,
            and stays so, as for a user's own SQL.
        report: a name, as in `ingest report`, or a `Report` that `load` has read.
        pricing: the prices, `ingest.alternatives(warehouse)`, for a report that is `repriced`: `cache` and `what-if`.
        parameters: the report's own; `load(name).parameters` has their defaults and meanings.

    Returns:
        The rows as the Polars frame `frame`, with the `title`, the bound `parameters`, and `notes` for a reader. Money
        is in US dollars, tokens are counts, and `_ms` is milliseconds.

    Raises:
        QueryError: There is no such report, or a parameter is missing, unknown or of another type.
    """
    if isinstance(report, str):
        report = load(report)
    bound, sql = report.bind(parameters), _statement(report).query
    if report.file:
        lock(connection)
    try:
        with _needs(connection, report, bound, pricing):
            found = fetched(connection, sql, bound)
    except duckdb.Error as error:
        _, refused, why = str(error).partition(_REFUSED)
        if refused:
            raise WordError(f"{report}: -p {why}") from error
        raise QueryError(f"{report}: {error}") from error

    return Answer(
        report.name,
        report.title,
        bound,
        found,
        [*_notes(connection, report), *_remarks(report, bound, pricing)],
        report.chart,
        _known(report.first, found),
        report.sums,
    )


def _known(groups: Sequence[Sequence[str]], rows: Rows) -> list[str]:
    """Return of each of the *groups* the columns that have a value, or its first where none has one."""
    found = []
    for group in groups:
        there = [name for name in group if name in rows.kinds]
        found += [name for name in there if rows.has_values(name)] or there[:1]
    return found


def _notes(connection: duckdb.DuckDBPyConnection, report: Report) -> list[str]:
    found = list(report.notes)
    for view in report.noting:
        try:
            found += [str(text) for (text,) in connection.view(view).fetchall() if text is not None]
        except (duckdb.Error, ValueError) as error:
            raise QueryError(f"{report}: `-- Notes: {view}` needs a view of one column of text ({error})") from error
    return found


def _remarks(report: Report, bound: Mapping[str, Any], pricing: "Pricing | None") -> list[str]:
    if _ELSEWHERE not in report.sql:
        return []
    from queries.answers import repriced

    return repriced.remarks(pricing, bound)


@contextmanager
def _needs(
    connection: duckdb.DuckDBPyConnection, report: Report, bound: Mapping[str, Any], pricing: "Pricing | None"
) -> Iterator[None]:
    """Provide what some reports need beside the views, because it comes from Python or from a user's file."""
    with ExitStack() as needs:
        if "from replays" in report.sql:
            from queries.answers.rate_limits import replaying  # with numpy, which no other report needs

            needs.enter_context(replaying(connection, bound))
        if "provider_export" in report.sql:
            from queries.answers.provider_export import comparing

            needs.enter_context(comparing(connection, bound.get("file")))
        if report.repriced:
            from queries.answers import repriced

            if "from cache_costs" in report.sql:
                needs.enter_context(repriced.cache_costs(connection, pricing))
            if _ELSEWHERE in report.sql:
                needs.enter_context(repriced.costs_elsewhere(connection, pricing, bound))
        yield


def _statement(report: Report) -> duckdb.Statement:
    try:
        statements = duckdb.extract_statements(report.sql)
        reads = len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT
    except (duckdb.Error, ValueError) as error:  # DuckDB's Python doesn't know the types of all its statements
        raise QueryError(f"{report}: {error}") from error
    if not reads:
        raise QueryError(f"{report} must be one select statement")
    return statements[0]


_ELSEWHERE = "from costs_elsewhere"
_REPRICED = ("from cache_costs", _ELSEWHERE)
_OURS = ("from replays", "provider_export", *_REPRICED)
"""What only exists while a report runs; see `run`."""


def as_sql(report: Report, given: Mapping[str, object], filters: Mapping[str, object], *, warehouse: str) -> str:
    """Return *report* as statements for the DuckDB shell, headed by the command that exports what they need."""
    lines = [f"-- In the shell: {_export(filters, warehouse)} && duckdb calls.duckdb"]
    if any(name in report.sql for name in _OURS):
        lines.append(f"-- It won't run there: it uses a part of `ingest report {report.name}` that is not SQL.")
    if zone := filters.get("tz"):
        lines.append(f"set timezone = {_literal(zone)};")
    statement = report.sql.strip().removesuffix(";")
    bound = report.bind(given)
    if not bound:
        return "\n".join([*lines, f"{statement};", ""])
    # DuckDB itself takes the values and quotes them: text is never put into a statement.
    values = ", ".join(f"{duckdb.ColumnExpression(name)} := {_literal(value)}" for name, value in bound.items())
    return "\n".join([*lines, "prepare report as", f"{statement};", f"execute report({values});", ""])


def _literal(value: object) -> str:
    return str(duckdb.ConstantExpression(value))


def _export(filters: Mapping[str, object], warehouse: str) -> str:
    words = ["ingest", "export", "calls.duckdb", "--warehouse", warehouse]
    for name, value in filters.items():
        for one in value if isinstance(value, tuple | list) else [value] if value else []:
            words += [f"--{name}", str(one)]
    return shlex.join(words)
