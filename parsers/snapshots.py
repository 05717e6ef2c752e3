"""What an application knows about the work behind its calls: the snapshots `sessions`, `stories` and `failures`.

A snapshot has at least these columns, and further ones as the application's table has them. Text that may be a prompt,
a response or a plan is left out.
"""

from collections.abc import Iterable

import polars as pl

from parsers.schema import USD, UTC
from parsers.values.privacy import Rule, guarded_column, rule_of
from parsers.values.typed import known, usd, utc

Types = dict[str, pl.DataType | type[pl.DataType]]

DIMS: dict[str, Types] = {
    "sessions": {"session_id": pl.String, "started_at": UTC, "ended_at": UTC, "status": pl.String},
    "stories": {
        "id": pl.String,
        "session_id": pl.String,
        "spec_id": pl.String,
        "title": pl.String,
        "status": pl.String,
        "priority": pl.Int64,
        "story_type": pl.String,
        "assigned_agent": pl.String,
        "created_at": UTC,
        "started_at": UTC,
        "completed_at": UTC,
        "tokens_used": pl.Int64,
        "cost_usd": USD,
        "pr_id": pl.String,
        "commit_hash": pl.String,
        "hold_reason": pl.String,
        "blocked_by_failure_id": pl.String,
    },
    "failures": {
        "id": pl.String,
        "session_id": pl.String,
        "spec_id": pl.String,
        "story_id": pl.String,
        "attempt_number": pl.Int64,
        "created_at": UTC,
        "source": pl.String,
        "failed_state": pl.String,
        "tool_name": pl.String,
        "kind": pl.String,
        "explanation": pl.String,
        "resolved_kind": pl.String,
        "action": pl.String,
        "resolution_status": pl.String,
        "resolution_outcome": pl.String,
        "model": pl.String,
        "provider": pl.String,
    },
}
"""The snapshots that the views know, with the columns that they always have."""

TAKEN = (*DIMS, "accounts", "pipeline_runs", "pipeline_steps")
"""The tables of which snapshots are taken unasked, where they are there."""

_LEFT_OUT = frozenset({"login", "approved_plan", "plan", "evidence", "metadata", "context", "reason_text", "notes"})
_NUMBERS = {"int": pl.Int64, "real": pl.Float64, "floa": pl.Float64, "doub": pl.Float64, "num": pl.Float64}


_IDS = ("user", "account", "agent", "story", "session", "run")
_KEYS = {name: name for name in ("project", "host", "model", "provider", "role", "task", "tool")}
_KEYS |= {name: f"{id_}_id" for id_ in _IDS for name in (id_, f"{id_}_id")}
"""What a column of a user's own file may be called to name what calls belong to, and which value of a call it is."""


def key_column(columns: Iterable[str]) -> str | None:
    """Return the first of *columns* that says whose the names are; None when none is."""
    return next((column for column in columns if column.strip().lower() in _KEYS), None)


def called(column: str) -> str:
    """Return the value of a call that *column*, which `key_column` returned, stands for."""
    return _KEYS[column.strip().lower()]


def is_kept(column: str, declared: str = "") -> bool:
    """Tell whether *column*, of the type *declared*, can't hold a prompt, a response, a plan or a configuration."""
    name, is_text = column.lower(), _type(column, declared) == pl.String
    return not ((is_text and rule_of(column) is Rule.NEVER) or name in _LEFT_OUT or name.endswith("_json"))


def snapshot(name: str, rows: pl.DataFrame, declared: dict[str, str]) -> pl.DataFrame:
    """Return *rows* of text as the snapshot *name*: typed as `DIMS` says, else by their *declared* types.

    A value that isn't of its type is NULL, and so is text that may not be kept under the name of its column.
    """
    types = DIMS.get(name, {})
    own = {column: types.get(column) or _type(column, declared.get(column, "")) for column in rows.columns}
    read = [_read(pl.col(column), kind).alias(column) for column, kind in own.items()]
    missing = [pl.lit(None, dtype=kind).alias(column) for column, kind in types.items() if column not in own]
    typed = rows.select(*read).with_columns(*missing)
    return typed.select(guarded_column(values) for values in typed)


def _type(column: str, declared: str) -> pl.DataType | type[pl.DataType]:
    """Return the type of a column. Identifiers stay text: those of calls are."""
    name = declared.lower()
    if "timestamp" in name or "datetime" in name:
        return UTC
    if column.lower().endswith("id"):
        return pl.String
    return next((kind for part, kind in _NUMBERS.items() if part in name), pl.String)


def _read(text: pl.Expr, kind: pl.DataType | type[pl.DataType]) -> pl.Expr:
    if kind == UTC:
        return utc(text)
    if kind == USD:
        return usd(text)
    return known(text) if kind == pl.String else text.cast(kind, strict=False)
