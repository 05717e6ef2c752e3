"""Write the views and reports as SQL for Spark into `queries/spark/`: `python -m tools.spark_sql`.

sqlglot translates. What it leaves to this file: DuckDB's macros are written out where they are used; its variables are
what they are where nothing is filtered; `*` is written out where columns are left out or replaced. It is a tool of the
build: what it writes is checked in, and a test writes it again and compares.
"""

import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlglot import ErrorLevel, exp, parse, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.simplify import simplify

from parsers.columns import ALL_TABLES, DIMS

QUERIES = Path(__file__).parent.parent / "queries"
OUT = QUERIES / "spark"

_STORED = {f"stored_{name}": [column.name for column in columns] for name, columns in ALL_TABLES.items()}
_STORED |= {f"stored_{name}": [*types] for name, types in DIMS.items()}

_VARIABLES = {"has_sums": "null", "ledger_is_whole": "false", "told_apart": "false", "now": "current_timestamp()"}
"""What variables are in a session of Spark, where nothing is known beforehand."""


class UntranslatedError(Exception):
    """Spark can't say this."""


@dataclass
class Scripts:
    """The views and macros that were read, by name: of several of one name the last, which others are replaced by."""

    views: dict[str, exp.Expression] = field(default_factory=dict)
    macros: dict[str, exp.Create] = field(default_factory=dict)

    def read(self) -> "Scripts":
        """Read all scripts, those of calls that were logged twice after the others."""
        for folder in (QUERIES / "views", QUERIES / "views" / "logged_twice"):
            for script in sorted(folder.glob("*.sql")):
                for each in parse(script.read_text("utf-8"), read="duckdb"):
                    if isinstance(each, exp.Create) and each.args["kind"] == "MACRO":
                        self.macros[each.this.this.name] = each
                    elif isinstance(each, exp.Create):
                        self.views[each.this.name] = each.expression
        return self


@dataclass
class Translation:
    """What is in Spark's SQL: each view with its columns and text, in an order in which they can be created."""

    scripts: Scripts
    columns: dict[str, list[str]] = field(default_factory=lambda: dict(_STORED))
    text: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def view(self, name: str) -> None:
        """Translate the view called *name*, and before it those that it uses.

        Raises:
            UntranslatedError: One of them can't be.
        """
        if name in self.failed:
            raise UntranslatedError(f"view {name}: {self.failed[name]}")
        if name in self.columns or name not in self.scripts.views:
            return
        try:
            query = self.query(self.scripts.views[name])
            self.columns[name] = columns_of(query, self.columns)
            self.text[name] = spark(query)
        except UntranslatedError as error:
            self.failed[name] = str(error)
            raise UntranslatedError(f"view {name}: {error}") from error

    def query(self, query: exp.Expression) -> exp.Expression:
        """Return *query* with all that is DuckDB's alone written out, after the views that it uses."""
        query = known(written_out(query.copy(), self.scripts.macros))
        named = {cte.alias for cte in query.find_all(exp.CTE)}
        for table in query.find_all(exp.Table):
            self.view(table.name)
            if table.name not in named | self.columns.keys():
                raise UntranslatedError(f"reads {table.name}, which `ingest` computes")
        return said_otherwise(stars_written_out(query, self.columns))


def written_out(query: exp.Expression, macros: Mapping[str, exp.Create]) -> exp.Expression:
    """Return *query* with the bodies of *macros* in the place of their calls."""
    while call := next((c for c in query.find_all(exp.Anonymous) if c.name in macros), None):
        macro = macros[call.name]
        names = [parameter.name for parameter in macro.this.expressions]
        given = dict(zip(names, call.expressions, strict=False))
        given |= {each.this.name: each.expression for each in call.expressions if isinstance(each, exp.PropertyEQ)}
        body = macro.expression.copy()
        for column in [*body.find_all(exp.Column)]:
            if not column.table and column.name in given:
                value = given[column.name].copy()
                column.replace(exp.paren(value) if isinstance(value, exp.Binary) else value)
        table = call.parent if isinstance(call.parent, exp.Table) else None
        if table is None:
            call.replace(exp.paren(body) if isinstance(body, exp.Binary) else body)
        else:
            inner = body.this if isinstance(body, exp.Subquery) else body
            table.replace(exp.Subquery(this=inner, alias=table.args.get("alias") or exp.TableAlias(this=call.name)))
    return query


def known(query: exp.Expression) -> exp.Expression:
    """Return *query* with what variables are where nothing is filtered."""
    for call in [*query.find_all(exp.Anonymous)]:
        if call.name != "getvariable":
            continue
        name = call.expressions[0].name
        if name == "filters":
            call.parent.replace(exp.null())
        elif name == "shape":
            call.parent.replace(exp.true())
        elif name in _VARIABLES:
            call.replace(parse_one(_VARIABLES[name], read="spark"))
        else:
            raise UntranslatedError(f"uses the variable {name}")
    for where in [*query.find_all(exp.Where)]:
        where.set("this", simplify(where.this))
        if where.this == exp.true():
            where.pop()
    return query


def stars_written_out(query: exp.Expression, known_columns: Mapping[str, Sequence[str]]) -> exp.Expression:
    """Return *query* with columns instead of `*` where some are left out or replaced, and unions by position."""
    for select in [*query.find_all(exp.Select)]:
        sources = sources_of(select, known_columns)
        moved = any(join.args.get("using") for join in select.args.get("joins") or ())  # Spark's come first
        projections = [e for each in select.expressions for e in star_written_out(each, sources, always=moved)]
        select.set("expressions", projections)
        aliases_written_out(select, {name for names in sources.values() for name in names})
    for union in [*query.find_all(exp.SetOperation)]:
        if union.args.get("by_name"):
            columns = columns_of(union.left, scope_of(union, known_columns))
            union.set("expression", exp.select(*columns).from_(union.right.subquery("by_name")))
            union.set("by_name", None)
    return query


def aliases_written_out(select: exp.Select, columns: Collection[str]) -> None:
    """Put in *select*, from sources with *columns*, what an alias stands for in the place of its use beside it."""
    meant: dict[str, exp.Expression] = {}
    for each in select.expressions:
        for column in [*each.find_all(exp.Column)]:
            if not column.table and column.name in meant and column.name not in columns:
                column.replace(exp.paren(meant[column.name].copy()))
        if isinstance(each, exp.Alias):
            meant[each.alias] = each.this


_CALLED = {
    "arg_max_null": "max_by",
    "epoch_us": "unix_micros",
    "hash": "xxhash64",
    "make_timestamptz": "timestamp_micros",
}
"""What functions that sqlglot leaves as they are are called in Spark."""


def said_otherwise(query: exp.Expression) -> exp.Expression:
    """Return *query* with what Spark says in other words.

    Raises:
        UntranslatedError: There are no words for something.
    """
    refuse(query)
    call_otherwise(query)
    for filtered in query.find_all(exp.Filter):
        if not isinstance(filtered.expression, exp.Where):
            filtered.set("expression", exp.Where(this=filtered.expression))
    for cte in query.find_all(exp.CTE):
        cte.set("materialized", None)
    for asked in query.find_all(exp.In):
        inner = asked.args.get("query")
        inner = inner.this if isinstance(inner, exp.Subquery) else inner
        if isinstance(inner, exp.Select) and isinstance(inner.expressions[0], exp.Tuple):
            inner.set("expressions", inner.expressions[0].expressions)
    return query


def refuse(query: exp.Expression) -> None:
    """Refuse what has no words in Spark.

    Raises:
        UntranslatedError: There is such a thing.
    """
    if any(isinstance(each.expression, exp.Array) for each in query.find_all(exp.PercentileDisc)):
        raise UntranslatedError("asks for several quantiles at once")
    if query.find(exp.Columns):
        raise UntranslatedError("computes many columns by one expression")
    for window in query.find_all(exp.Window):
        if isinstance(window.this, exp.RowNumber) and not (window.args.get("order") or window.args.get("alias")):
            raise UntranslatedError("numbers rows that have no order")


def call_otherwise(query: exp.Expression) -> None:
    """Call functions by their names in Spark.

    Raises:
        UntranslatedError: One of them isn't there.
    """
    for call in [*query.find_all(exp.Anonymous)]:
        if call.name.lower() not in _CALLED:
            raise UntranslatedError(f"calls {call.name}")
        call.set("this", _CALLED[call.name.lower()])
    for each in [*query.find_all(exp.AnyValue)]:
        outer = each.parent if isinstance(each.parent, exp.IgnoreNulls) else each
        outer.replace(exp.Anonymous(this="any_value", expressions=[each.this, exp.true()]))
    for joined in [*query.find_all(exp.ArrayToString)]:
        joined.replace(exp.Nullif(this=joined.copy(), expression=exp.Literal.string("")))  # Spark's of nothing is empty
    for part in [*query.find_all(exp.Bracket)]:
        if isinstance(part.expressions[0], exp.Slice) and part.expressions[0].this is None:
            part.replace(exp.Left(this=part.this, expression=part.expressions[0].expression))


Sources = Mapping[str, Sequence[str]]


def star_written_out(each: exp.Expression, sources: Sources, *, always: bool) -> Iterator[exp.Expression]:
    """Yield what *each* projection is without what only DuckDB's `*` can."""
    star = each if isinstance(each, exp.Star) else each.find(exp.Star)
    differs = always or (star is not None and (star.args.get("except_") or star.args.get("replace")))
    if star is None or isinstance(star.parent, exp.Count) or not differs:
        yield each
        return
    of = each.table if isinstance(each, exp.Column) else ""
    left_out = {column.name for column in star.args.get("except_") or ()}
    replaced = {alias.alias: alias for alias in star.args.get("replace") or ()}
    for name in names_in(sources, of):
        if name in left_out:
            continue
        if each.find(exp.Columns):
            copy = each.copy()
            copy.find(exp.Columns).replace(exp.column(name))
            yield exp.alias_(copy, name)
        else:
            yield replaced[name].copy() if name in replaced else exp.column(name, of or None)


def names_in(sources: Sources, of: str) -> list[str]:
    """Return the columns of the source called *of*, or of all, each once."""
    return list(dict.fromkeys(name for source, names in sources.items() if of in {"", source} for name in names))


def columns_of(query: exp.Expression, scope: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names of the columns of *query*."""
    if isinstance(query, exp.Subquery):
        return columns_of(query.this, scope)
    if isinstance(query, exp.SetOperation):
        return columns_of(query.left, scope_of(query.left, scope))
    sources, found = sources_of(query, scope), list[str]()
    for each in query.expressions:
        if each.is_star and not isinstance(each, exp.Count):
            found += names_in(sources, each.table if isinstance(each, exp.Column) else "")
        else:
            found.append(each.alias_or_name)
    return found


def scope_of(query: exp.Expression, known_columns: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return *known_columns*, and those of what the `with` of *query*, or of one around it, names."""
    scope = dict(known_columns)
    around = [query, *(parent for parent in _parents(query))]
    for each in reversed(around):
        with_ = each.args.get("with_")
        for cte in with_.expressions if with_ else ():
            if _is_below(query, cte):
                break
            if getattr(scope.get(cte.alias), "of", None) is not cte:
                scope[cte.alias] = _Named(columns_of(cte.this, scope), cte)
    return scope


class _Named(list[str]):
    """The columns `of` a part of `with`: it may be called as a view is, or as one of a `with` around it."""

    def __init__(self, columns: Sequence[str], of: exp.CTE) -> None:
        super().__init__(columns)
        self.of = of


def _parents(query: exp.Expression) -> Iterator[exp.Expression]:
    while (query := query.parent) is not None:
        yield query


def _is_below(query: exp.Expression, cte: exp.Expression) -> bool:
    return any(parent is cte for parent in _parents(query))


def sources_of(select: exp.Select, known_columns: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return the columns of what *select* selects from, by its name there."""
    scope, found = scope_of(select, known_columns), dict[str, Sequence[str]]()
    from_ = select.args.get("from_")
    joined = [
        j.this
        for j in select.args.get("joins") or ()
        if j.kind not in {"ANTI", "SEMI"} and j.side not in {"ANTI", "SEMI"}
    ]
    for source in [*([from_.this] if from_ else ()), *joined]:
        if isinstance(source, exp.Subquery):
            found[source.alias] = columns_of(source.this, scope)
        elif isinstance(source, exp.Table):
            found[source.alias or source.name] = scope.get(source.name, ())
    return found


def spark(query: exp.Expression) -> str:
    """Return *query* as text for Spark.

    Raises:
        UntranslatedError: sqlglot can't say it.
    """
    try:
        return query.sql("spark", pretty=True, unsupported_level=ErrorLevel.RAISE, comments=False)
    except SqlglotError as error:
        raise UntranslatedError(str(error).splitlines()[0]) from error


def written() -> dict[str, str]:
    """Return the files of `queries/spark/` by their names."""
    translation = Translation(Scripts().read())
    files, failed = {}, {}
    for file in sorted((QUERIES / "reports").glob("*.sql")):
        sql = file.read_text("utf-8")
        title = sql.splitlines()[0]
        if re.search(r"^[^-].*\$\w", sql, re.MULTILINE):
            failed[file.stem] = "takes parameters"
            continue
        try:
            query = translation.query(parse_one(sql, read="duckdb"))
            files[f"reports/{file.name}"] = f"{title}\n{spark(query)};\n"
        except UntranslatedError as error:
            failed[file.stem] = str(error)
    views = (f"create or replace temporary view {name} as\n{text};\n" for name, text in translation.text.items())
    files["views.sql"] = "\n".join(views)
    files["untranslated.txt"] = "".join(f"{name}: {why}\n" for name, why in sorted(failed.items()))
    return files


def main() -> None:
    """Write them, and nothing else is there then."""
    shutil.rmtree(OUT, ignore_errors=True)
    for name, text in written().items():
        (OUT / name).parent.mkdir(parents=True, exist_ok=True)
        (OUT / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
