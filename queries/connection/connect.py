"""DuckDB in memory over a snapshot of the warehouse, with the views that all reports use."""

import re
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from parsers.columns import ALL_TABLES, CALLS, DIMS, TABLES, Column, called, key_column
from parsers.values.messages import nearest
from queries.connection import dated_data, own_limits
from queries.connection import files as snapshot
from queries.connection.filters import COLUMNS, Filters, filters, zone_called
from queries.connection.small_tables import create, nulls, types_of
from queries.errors import LateError, QueryError, WordError

VIEWS = resources("queries") / "views"

_NAMES = COLUMNS | {"run": "run_id"}
"""What a user may call a column by, in a filter or as a report's parameter."""

_PARTS = {"tool": "tool_of(format)"}
"""What is no column of its own."""

_COMMENT = re.compile(r"--.*")
_VIEW = re.compile(r"^(create (?:or replace )?view \w+) as$", re.MULTILINE)
_NOW = re.compile(r"\b(?:now|today|current_date|current_time|current_timestamp|localtimestamp)\b", re.IGNORECASE)
_WORD = re.compile(r"\w+")

_CALLS = "05_llm_calls.sql"

_KEPT_CALLS = 100_000
"""Of so many stored calls, those that count are kept: tens of MB."""
_KEPT_FILES = 100
"""And of so many files, unless it is known that much will be asked: to read all columns of one takes 3 ms."""

_KEY_IN_ANY = "select 1 from stored_llm_calls where dedupe_key is not null limit 1"
_KEY_IN_NEWEST = _KEY_IN_ANY.replace("stored_llm_calls", "read_parquet(getvariable('newest_calls'))")

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",  # nothing is ever fetched
    "autoload_known_extensions": "false",
    "memory_limit": "80%",
}

Values = str | Sequence[str] | None


def connect(  # noqa: PLR0913 - a filter each
    warehouse: str | Path,
    *,
    since: str | date | None = None,
    until: str | date | None = None,
    model: Values = None,
    agent: Values = None,
    story: Values = None,
    session: Values = None,
    user: Values = None,
    account: Values = None,
    role: Values = None,
    project: Values = None,
    tool: Values = None,
    host: Values = None,
    provider: Values = None,
    tz: str | None = None,
    now: datetime | None = None,
    serving: str | None = None,
    limits: str | Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open a snapshot of *warehouse*, narrowed by the filters, which all views and queries then see as the whole world.

        >>> import queries
        >>> connection = queries.connect("warehouse", since="2026-02-03", model="gpt-5.2", tz="UTC")
        >>> connection.sql("select count(*), sum(total_tokens) from llm_calls").fetchall()
        [(127, 3059871)]

    Args:
        warehouse: folder of the tables.
        since: date (or `today`, `yesterday`), time or age (`24h`, `7d`) from which calls count.
        until: the same, up to which they count; a date includes that day.
        model: one or several models, as logged; the next ones likewise. What no call has is an error.
        agent: `agent_id`.
        story: `story_id`.
        session: `session_id`.
        user: `user_id`.
        account: `account_id`.
        role: `role`, the kind of agent.
        project: `project`.
        tool: the name of the format that read a call, without its variant.
        host: `host`.
        provider: `provider`.
        tz: zone of minutes, hours and days; by default the system's.
        now: the moment that ages count from.
        serving: the SQL that will be asked. Only the views that it reaches are created, as a fifth of the time of a
            small report went into the others. Without it, the calls of a small warehouse are counted once and kept.
        limits: TOML file with the rate limits of your account; otherwise `limits.toml` in the warehouse.

    Returns:
        DuckDB in memory, with the tables `llm_calls`, `llm_events`, `rejects`, `batches`, `alerts` and the views of the
        reports. Money is decimal US dollars, tokens are integers, times have the zone *tz*; unknown is NULL.

    Raises:
        QueryError: A filter says what can't be; there is no warehouse, or it is damaged, another program's, or may not
            be read.
    """
    if not is_there(warehouse):
        raise QueryError(
            f"no warehouse at {warehouse}: run `ingest follow` or `ingest backfill`, or name it with --warehouse"
        )
    connection = duckdb.connect(config=_CONFIG)
    local = zone_called(tz or zone(connection))
    connection.execute("set parquet_metadata_cache = true")
    connection.execute("set timezone = $zone", {"zone": str(local)})
    moment = now or datetime.now(UTC)
    connection.execute("set variable now = $now", {"now": moment})
    asked = filters(
        since=since,
        until=until,
        zone=local,
        now=moment,
        model=model,
        agent=agent,
        story=story,
        session=session,
        user=user,
        account=account,
        role=role,
        project=project,
        tool=tool,
        host=host,
        provider=provider,
    )
    try:
        _open_tables(connection, Path(warehouse), asked)
        own = own_limits.read(Path(limits) if limits else Path(warehouse, own_limits.FILE))
        create(connection, "own_limits", own_limits.LIMIT, [limit._asdict() for limit in own.limits])
        scripts = _scripts(VIEWS)
        wanted = set(scripts) if serving is None else _reached(serving, scripts)
        # A macro is bound when it is made, down to the files of calls: over an empty table in half the time.
        create(connection, "llm_calls", types_of(CALLS))
        _create_views(connection, scripts, wanted - {_CALLS})
        connection.execute("drop table llm_calls")
        _create_views(connection, scripts, {_CALLS})
        found = shape(connection)
        found["repeats"] = found["repeats"] and _any_key(connection)
        if any(found.values()):
            # Last, because views bind what they use when they are created, and this one is dear to bind.
            scripts = _scripts(VIEWS / "logged_twice")
            _create_views(connection, scripts, {name for name in scripts if found.get(_creates(name), True)})
            connection.execute("set variable calls_repeat = true")
            if serving is None and len(_paths(connection, "llm_calls")) <= _KEPT_FILES:
                keep_calls(connection)
    except duckdb.Error as error:
        raise QueryError(f"{warehouse} is not as `ingest` makes a warehouse: {error}") from error
    check_values(connection, warehouse, asked.values)

    return connection


def lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep *connection* from everything but the files of its snapshot, for good."""
    ((locked,),) = connection.execute("select current_setting('lock_configuration')").fetchall()
    if locked:
        return
    allowed = [path for name in ALL_TABLES for path in _paths(connection, name)]
    connection.execute("set allowed_paths = $paths", {"paths": allowed})
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


@contextmanager
def within(connection: duckdb.DuckDBPyConnection, seconds: float | None) -> Iterator[None]:
    """Interrupt what *connection* runs inside after so many *seconds*; None lets it run as long as it takes.

    Raises:
        LateError: It was interrupted.
    """
    if not seconds:
        yield
        return
    over = threading.Event()

    def end() -> None:
        over.set()
        connection.interrupt()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (duckdb.Error, QueryError) as error:
        if not over.is_set():
            raise
        said = f"no answer within {seconds:g} s: narrow the question (--since 7d), or allow more with --timeout"
        raise LateError(said) from error
    finally:
        timer.cancel()


def zone(connection: duckdb.DuckDBPyConnection) -> str:
    """Return the time zone of *connection*."""
    ((name,),) = connection.execute("select current_setting('TimeZone')").fetchall()
    return str(name)


def shape(connection: duckdb.DuckDBPyConnection) -> dict[str, bool]:
    """Return what the variable `shape` was found to be when *connection* was opened."""
    ((found,),) = connection.execute("select getvariable('shape')").fetchall()
    return dict(found)


def any_left(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether the filters leave any call."""
    return bool(connection.execute("select 1 from base_calls limit 1").fetchall())


def why_nothing(connection: duckdb.DuckDBPyConnection, warehouse: str | Path) -> str | None:
    """Return what to tell a user who sees no calls of *warehouse*; None when there are some."""
    if any_left(connection):
        return None
    # The views see only files of the span that was asked for; whether there are others is the question here.
    files = snapshot.files(Path(warehouse) / "llm_calls")
    if files.paths:
        with duckdb.connect(config=_CONFIG) as other:  # as *connection* may see its snapshot only
            times = _rows(other, "all_files", files, CALLS).aggregate("min(created_at), max(created_at)")
            ((first, last),) = times.fetchall()
        if first is not None:
            local = ZoneInfo(zone(connection))
            span = " to ".join(f"{moment.astimezone(local):%Y-%m-%d %H:%M}" for moment in (first, last))
            return f"no calls match the filters; those in {warehouse} are from {span}"
    return f"no calls yet: run `ingest follow` or `ingest backfill`, or name another warehouse than {warehouse}"


def check_values(
    connection: duckdb.DuckDBPyConnection, warehouse: str | Path, values: Mapping[str, Sequence[str] | None]
) -> None:
    """Refuse a value that no call has, before its absence looks like an answer; names of no column are passed."""
    for name, wanted in values.items():
        column = _NAMES.get(name)
        if not wanted or not column or not _unknown(connection.view("stored_llm_calls"), column, wanted)[0]:
            continue
        # Not in the span; then it must at least be known from some other time.
        if (files := snapshot.files(Path(warehouse) / "llm_calls")).paths:
            with duckdb.connect(config=_CONFIG) as other:  # as *connection* may see its snapshot only
                unknown, known = _unknown(_rows(other, "all_files", files, CALLS), column, wanted)
            if unknown:
                raise WordError(f"no call has {name} {unknown[0]!r}{nearest(unknown[0], known)}")


def is_there(warehouse: str | Path) -> bool:
    """Whether *warehouse* is one: a folder with at least one of the tables, or with snapshots for them."""
    return Path(warehouse, "dims").is_dir() or any(Path(warehouse, name, "_delta_log").is_dir() for name in TABLES)


def _scripts(folder: Traversable) -> dict[str, str]:
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {file.name: file.read_text(encoding="utf-8") for file in files if file.name.endswith(".sql")}


def _creates(name: str) -> str:
    """Return what the script called *name* creates, or which part of the shape it is for."""
    return name.partition("_")[2].removesuffix(".sql")


def _create_views(connection: duckdb.DuckDBPyConnection, scripts: Mapping[str, str], wanted: Container[str]) -> None:
    """Create what the *wanted* ones of the *scripts* do; a view is bound when it is asked, and only then.

    To bind all takes longer than most questions. The scripts don't say so themselves as an export runs them too, and
    programs that open it want to know the columns of its views.
    """
    for name, script in scripts.items():
        if name in wanted:
            connection.execute(_VIEW.sub(r"\1 with (defer_binding) as", script))


def _any_key(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether any stored call has a key, without which none can be there twice."""
    ((newest,),) = connection.execute("select getvariable('newest_calls')").fetchall()
    # To plan a question to a thousand files takes 10 ms, and where calls have keys the newest file says so.
    asked = (_KEY_IN_NEWEST, _KEY_IN_ANY) if newest else (_KEY_IN_ANY,)
    return any(connection.execute(sql).fetchall() for sql in asked)


def _paths(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Return the files of *table* that `_rows` reads; none where there are none."""
    ((paths,),) = connection.execute(f"select getvariable('{table}_files')").fetchall()
    return paths or []


def keep_calls(connection: duckdb.DuckDBPyConnection) -> None:
    """Count the calls once for all that is asked later, if they are few: planning it takes a question longer than rows.

    Not where none can repeat, nor where one question is known beforehand, whose answer needs a few columns only.
    """
    asked = "select getvariable('calls_repeat'), getvariable('calls_listed')"
    ((may_repeat, listed),) = connection.execute(asked).fetchall()
    if may_repeat and listed is not None and listed <= _KEPT_CALLS:
        connection.execute("create table if not exists calls_counted_once as from llm_calls")
        connection.execute("create or replace view llm_calls as from calls_counted_once")


@lru_cache(maxsize=256)
def moves(sql: str) -> bool:
    """Tell whether the answer to *sql* depends on the time of asking, and not on the calls alone."""
    scripts = _scripts(VIEWS)
    texts = (sql, *(scripts[name] for name in _reached(sql, scripts)))
    return any(_NOW.search(_COMMENT.sub("", text)) for text in texts)


def _reached(sql: str, scripts: Mapping[str, str]) -> set[str]:
    """Return the names of the *scripts* that *sql* reaches, directly or through others; those of the base views always.

    A script is called `<number>_<what it creates>.sql`, in `logged_twice/` also `<number>_<part of the shape>.sql`.
    """
    reached = {name for name in scripts if name.startswith("0")}
    unread = [sql, *(scripts[name] for name in reached)]
    while unread:
        words = set(_WORD.findall(unread.pop()))
        named = {name for name in scripts if _creates(name) in words} - reached
        reached |= named
        unread += [scripts[name] for name in named]
    return reached


def _open_tables(connection: duckdb.DuckDBPyConnection, warehouse: Path, asked: Filters) -> None:
    """Create `stored_<table>` for each table, and the variables that the first views use."""
    listed: dict[str, int | None] = {}
    newest: str | None = None
    for name, columns in ALL_TABLES.items():
        # Story attempts are numbered from a story's beginning, so events are narrowed by time in their view only.
        of_span = name in {"llm_calls", "rejects"}
        files = snapshot.files(
            warehouse / name,
            since=asked.since if of_span else None,
            until=asked.until if of_span else None,
            reader=connection,
        )
        listed[name] = files.rows
        if name == "llm_calls" and files.paths and files.alike:
            newest = files.paths[-1]
        if files.paths:
            _rows(connection, f"{name}_files", files, columns).create_view(f"stored_{name}")
        else:
            create(connection, f"stored_{name}", types_of(columns))
    for name, types in DIMS.items():
        path = warehouse / "dims" / name / "snapshot.parquet"
        if path.exists():
            _open_snapshot(connection, path, f"stored_{name}", types)
        else:
            create(connection, f"stored_{name}", types)
    _open_own_names(connection, warehouse)
    create(connection, "counting_rules", dated_data.RULE, dated_data.counting_rules())
    create(connection, "downgrades", dated_data.TIER, dated_data.downgrades(warehouse))
    connection.execute("set variable filters = $filters", {"filters": asked.variables()})
    connection.execute("set variable calls_listed = $calls::bigint", {"calls": listed["llm_calls"]})
    connection.execute("set variable newest_calls = $path::varchar", {"path": newest})


def _open_snapshot(
    connection: duckdb.DuckDBPyConnection, path: Path, table: str, columns: Iterable[str] = ()
) -> duckdb.DuckDBPyRelation:
    """Return the new *table* of the snapshot in the file at *path*, which has at least these *columns*.

    In memory, because a later snapshot takes the same name.
    """
    try:
        rows = connection.read_parquet(str(path), hive_partitioning=False)
        missing = [column for column in columns if column not in rows.columns]
        why = f"it has no column {missing[0]}" if missing else ""
        if not why:
            rows.create(table)
    except duckdb.Error as error:
        why = " ".join(str(error).split())
    if why:
        raise QueryError(f"{path} is no snapshot of `ingest dims`, which would write it anew: {why}")
    return connection.table(table)


def _open_own_names(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    """Create a table `dims.<name>` for each other snapshot, and the variable `dims`: what its columns call a call."""
    connection.execute("create schema dims")
    names: dict[str, dict[str, object]] = {}
    for path in sorted((warehouse / "dims").glob("*/snapshot.parquet")):
        if (name := path.parent.name) in DIMS:
            continue
        rows = _open_snapshot(connection, path, f"dims.{duckdb.ColumnExpression(name)}")
        key = key_column(rows.columns)
        if key is None:  # a table that is about something else
            continue
        told = rows.filter(duckdb.ColumnExpression(key).isnotnull()).project("columns(*)::varchar").fetchall()
        columns = dict(zip(rows.columns, zip(*told, strict=True), strict=bool(told)))
        if not told or len(set(columns[key])) < len(told):  # so is this
            continue
        for column, values in columns.items():
            known = dict(zip(columns[key], values, strict=True))
            names[f"{name}.{column}"] = {"key": called(key), "names": known}
    kind = "map(varchar, struct(key varchar, names map(varchar, varchar)))"
    connection.execute(f"set variable dims = $names::{kind}", {"names": names})


def _rows(
    connection: duckdb.DuckDBPyConnection, variable: str, files: snapshot.Files, columns: Sequence[Column]
) -> duckdb.DuckDBPyRelation:
    """Return the rows of *files* with all *columns*: NULL where an older version wrote them, which lacked some.

    Their paths stand in a *variable*, as each view over the rows would else name, and look up, thousands of them.

    Raises:
        QueryError: They are rows of something else.
    """
    connection.execute(f"set variable {variable} = $paths", {"paths": files.paths})
    # By name, DuckDB reads the footer of each file first: 0.4 ms a file.
    by_name = str(not files.alike).lower()
    rows = connection.sql(
        f"from read_parquet(getvariable('{variable}'), hive_partitioning = false, union_by_name = {by_name})"
    )
    missing = [column for column in columns if column.name not in rows.columns]
    if not missing:
        return rows
    if columns[0] in missing:  # by which the table is partitioned
        table = next(p for p in Path(files.paths[0]).parents if (p / "_delta_log").is_dir())  # partitioned or not
        raise QueryError(f"{table} is no table of `ingest`: it has no column {columns[0].name}")
    return rows.project(", ".join(["*", *nulls(missing)]))


def _unknown(calls: duckdb.DuckDBPyRelation, column: str, wanted: Sequence[str]) -> tuple[list[str], set[str]]:
    known = {value for (value,) in calls.project(_PARTS.get(column, column)).distinct().fetchall() if value is not None}
    return [value for value in wanted if value not in known], known
