"""The applications' own tables that can be read: how each is recognised, what is read of it, what its rows mean.

Only the columns named here are ever fetched: the others may hold prompts and responses.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from parsers.blocks.format import Parsed
from parsers.formats import agentic_runtime_steps, learnpro, litellm_spend, opencode, simonw_llm, trading
from parsers.formats.compozy import llm_usage
from parsers.formats.compozy import sessions as compozy_sessions
from parsers.formats.maestro import plane

Read = Callable[[pl.DataFrame, pl.DataFrame], Parsed]
"""Rows of the table, with `source_offset`, and rows of `sessions` beside it (mostly none) → calls."""


@dataclass(frozen=True)
class Known:
    """One known table.

    Attributes:
        name: system and table, as in the column `format`.
        tables: what it may be called, best guess first.
        needs: columns without which it is another table.
        reads: columns that are fetched, where they are there.
        key: the column of the primary key.
        times: columns of time, the one that says when the row was done first.
        read: what its rows mean.
        rewritten: whether rows change after they were inserted.
        finished: condition on `column values` that holds for rows that are done, as SQL that all databases understand.
        global_keys: whether keys are unique in the world, as UUIDs are, and not only in their table.
        folder: column that the application leaves to the name of the folder that the database is in.
        sessions: name of a database, in a folder above, whose table `sessions` tells more.
    """

    name: str
    tables: tuple[str, ...]
    needs: tuple[str, ...]
    reads: tuple[str, ...]
    key: str
    times: tuple[str, ...]
    read: Read
    rewritten: bool = False
    finished: str = "1 = 1"
    global_keys: bool = True
    folder: str = ""
    sessions: str = ""


def _alone(read: Callable[[pl.DataFrame], Parsed]) -> Read:
    return lambda rows, _sessions: read(rows)


KNOWN = (
    Known(
        name="agentic-runtime/steps",
        tables=("steps",),
        needs=("id", "run_id", "step_id", "type", "status", "started_at", "finished_at"),
        reads=tuple(agentic_runtime_steps.COLUMNS),
        key="id",
        times=("finished_at", "started_at"),
        read=_alone(agentic_runtime_steps.calls_from_rows),
        rewritten=True,
        finished="\"status\" not in ('PENDING', 'RUNNING')",
    ),
    Known(
        name="maestro-plane/llm-calls",
        tables=("llm_calls",),
        needs=("llm_call_id", "provider", "model", "input_tokens", "output_tokens", "started_at", "finished_at"),
        reads=tuple(plane.COLUMNS),
        key="llm_call_id",
        times=("finished_at",),
        read=_alone(plane.calls_from_rows),
        rewritten=True,
        finished='"finished_at" is not null',
    ),
    Known(
        name="trading/llm-calls",
        tables=("llm_calls",),
        needs=("id", "provider", "model", "role", "input_tokens", "output_tokens", "duration_ms", "created_at"),
        reads=tuple(trading.COLUMNS),
        key="id",
        times=("created_at",),
        read=_alone(trading.calls_from_rows),
        global_keys=False,
    ),
    Known(
        name="learnpro/agent-calls",
        tables=("agent_calls",),
        needs=("id", "provider", "model", "task", "input_tokens", "output_tokens", "latency_ms", "ok", "called_at"),
        reads=tuple(c for c in learnpro.COLUMNS if c != "decided_at"),
        key="id",
        times=("called_at",),
        read=_alone(learnpro.calls_from_rows),
    ),
    Known(
        name="compozy-sessions/token-usage",
        tables=("token_usage",),
        needs=("turn_id", "input_tokens", "output_tokens", "thought_tokens", "cache_read_tokens", "timestamp"),
        reads=tuple(c for c in compozy_sessions.TURN_COLUMNS if c not in {"session_id", "run_id"}),
        key="turn_id",
        times=("timestamp",),
        read=compozy_sessions.calls_from_turns,
        rewritten=True,
        folder="session_id",
        sessions="compozy.db",
    ),
    Known(
        name="compozy/run-db",
        tables=("token_usage",),
        needs=("turn_id", "input_tokens", "output_tokens", "total_tokens", "timestamp"),
        reads=tuple(c for c in compozy_sessions.RUN_COLUMNS if c != "run_id"),
        key="turn_id",
        times=("timestamp",),
        read=_alone(compozy_sessions.calls_from_run),
        rewritten=True,
        finished="\"turn_id\" <> 'run-total'",
        global_keys=False,
        folder="run_id",
    ),
    Known(
        name="compozy-llm-usage/row",
        tables=("llm_usage",),
        needs=("id", "execution_id", "provider", "model", "prompt_tokens", "completion_tokens", "timestamp"),
        reads=tuple(llm_usage.COLUMNS),
        key="id",
        times=("timestamp",),
        read=_alone(llm_usage.calls_from_rows),
    ),
    Known(
        name="simonw-llm/row",
        tables=("responses", "turns"),
        needs=("id", "model", "duration_ms", "datetime_utc", "input_tokens", "output_tokens", "token_details"),
        reads=tuple(simonw_llm.COLUMNS),
        key="id",
        times=("datetime_utc",),
        read=_alone(simonw_llm.calls_from_rows),
    ),
    Known(
        name="litellm/spend",
        tables=("LiteLLM_SpendLogs",),
        needs=("request_id", "model", "spend", "prompt_tokens", "completion_tokens", "startTime", "endTime"),
        reads=litellm_spend.COLUMNS,
        key="request_id",
        times=("endTime", "startTime"),
        read=_alone(litellm_spend.calls_from_rows),
    ),
    Known(
        name="opencode/message",
        tables=("message",),
        needs=("id", "session_id", "time_created", "time_updated", "data"),
        reads=tuple(opencode.COLUMNS),
        key="id",
        times=("time_created",),
        read=_alone(opencode.calls_from_rows),
        finished=opencode.ENDED,
    ),
)
"""All known tables. Of two with one name the one that needs more, or other, columns is asked first."""


def recognise(tables: Mapping[str, Sequence[str]]) -> dict[str, Known]:
    """Return which of *tables* (their columns by name) are known ones, by their names and columns."""
    return {
        table: known
        for table, columns in tables.items()
        if (known := next((k for k in _called(table) if set(k.needs) <= set(columns)), None))
    }


def by_columns(columns: Iterable[str]) -> Known | None:
    """Return the known table that has such *columns*, whatever it is called."""
    have = set(columns)
    return next((k for k in KNOWN if set(k.needs) <= have), None)


def lacking(table: str, columns: Iterable[str]) -> tuple[Known, list[str]] | None:
    """Return what *table* may be by its name, and the columns that it lacks for that; None when no name fits."""
    have = set(columns)
    missing = [(known, [c for c in known.needs if c not in have]) for known in _called(table)]
    return min(missing, key=lambda found: len(found[1]), default=None)


def _called(table: str) -> list[Known]:
    name = table.rsplit(".", 1)[-1].lower()
    return [k for k in KNOWN if name in {t.lower() for t in k.tables}]
