"""The columns of the warehouse's tables and snapshots: name, type, unit, meaning. Everything else derives from here.

Plain values: who asks what is stored needs no more, and to import Polars takes as long as a small report.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Column(NamedTuple):
    """One column: its type in SQL, what a value in it means (unknown is always NULL), and what it ordinarily is.

    A format that lacks the column has the ordinary value in it; where it has the column, NULL stays NULL.
    """

    name: str
    type: str
    meaning: str
    ordinary: int | None = None


_PROVENANCE = (
    Column("format", "varchar", "parser and variant that read the record, such as `maestro-log/V4`"),
    Column("source_id", "varchar", "identity of the source: a digest of its first lines, the same under every name"),
    Column("source_path", "varchar", "path of the source when the record was read"),
    Column("source_offset", "bigint", "where the record begins: byte offset in the decompressed stream"),
    Column("ingested_at", "timestamptz", "when the record was read"),
)

_TOLD_APART = (
    Column("side_chain", "boolean", "of stored records only: true where it is a side chain's"),
    Column(
        "superseded",
        "boolean",
        "of stored records only: true where a fuller one of the same call came from the same source in the same commit",
    ),
)

CALLS = (
    Column("created_at", "timestamptz", "when the call finished, as logged"),
    Column("started_at", "timestamptz", "`created_at` less the latency; NULL when the latency is unknown"),
    Column("ts_source", "varchar", "`log`; or `file` (file time) or `ingest` (read time) where the log has no times"),
    Column("session_id", "varchar", "session that the call belongs to"),
    Column("run_id", "varchar", "run that the call belongs to"),
    Column("step_id", "varchar", "step of the run"),
    Column("story_id", "varchar", "story or work item"),
    Column(
        "task",
        "varchar",
        "kind of request, such as `complete`, `stream`, `embed`; `session` in sums that don't say of how many requests",
    ),
    Column("agent_id", "varchar", "agent that called"),
    Column("role", "varchar", "kind of agent, such as coder, architect, tutor"),
    Column("state", "varchar", "state of the agent when it called"),
    Column("user_id", "varchar", "user on whose behalf the call was made"),
    Column("account_id", "varchar", "account on whose behalf the call was made"),
    Column("project", "varchar", "working folder, repository or project, as the record names it"),
    Column("host", "varchar", "machine that called"),
    Column("provider", "varchar", "provider, as logged or derived from the model"),
    Column("model", "varchar", "model, as logged"),
    Column(
        "requests",
        "bigint",
        "how many requests the row stands for: 1, but for sums that an agent keeps of a session; NULL if unsaid",
        ordinary=1,
    ),
    Column("request_tokens", "bigint", "the whole prompt, cached parts included"),
    Column("cache_read_tokens", "bigint", "of the prompt, read from the prompt cache"),
    Column("cache_write_tokens", "bigint", "of the prompt, written to the prompt cache"),
    Column("response_tokens", "bigint", "everything generated, reasoning included"),
    Column("reasoning_tokens", "bigint", "of the response, reasoning"),
    Column("total_tokens", "bigint", "what is known of `request_tokens` and `response_tokens`, added up"),
    Column(
        "token_source",
        "varchar",
        "`provider`; `estimated`; `partial` where one side is unknown; `contradicted` where no reading of the parts "
        "gives the record's own total",
    ),
    Column("cost_reported_usd", "decimal(18, 10)", "cost as logged; NULL when absent or a zero that nobody measured"),
    Column(
        "cost_computed_usd",
        "decimal(18, 10)",
        "cost by the price table at the time of the call; NULL when the model is unknown",
    ),
    Column("cost_usd", "decimal(18, 10)", "reported cost, else computed cost"),
    Column("cost_source", "varchar", "`reported`, `computed` or `unpriced`"),
    Column("pricing_version", "varchar", "price table that computed the cost"),
    Column("known_model", "boolean", "whether the price table knows the model"),
    Column(
        "unpriced_units",
        "bigint",
        "audio, image and video tokens and web searches that the price table has no price of its own for; NULL: none",
    ),
    Column("latency_ms", "double", "wall time of the logical call, retries included where the log says so"),
    Column("success", "boolean", "whether the call succeeded"),
    Column("error", "varchar", "error text of a failed call"),
    Column("error_type", "varchar", "class of the error, as logged"),
    Column("attempt", "integer", "number of the attempt, as logged"),
    Column("temperature", "double", "sampling temperature"),
    Column("max_tokens", "bigint", "limit on the response that the call asked for"),
    Column("request_id", "varchar", "identifier of the request at the provider or in the application"),
    Column("prompt_version", "varchar", "version of the prompt, as logged"),
    Column("tool_used", "varchar", "first tool that the response used"),
    Column(
        "metadata", "varchar", "fields of the record without a column, as a JSON object; never prompts or responses"
    ),
    Column("dedupe_key", "varchar", "set where one call can be logged more than once; equal keys are one call"),
    *_TOLD_APART,
    *_PROVENANCE,
)

EVENTS = (
    Column("created_at", "timestamptz", "when it happened, as logged"),
    Column("kind", "varchar", "what happened, such as `api_retry`, `rate_limit_wait`, `story_attempt_failed`"),
    Column("session_id", "varchar", "session that it belongs to"),
    Column("run_id", "varchar", "run that it belongs to"),
    Column("step_id", "varchar", "step of the run"),
    Column("story_id", "varchar", "story or work item"),
    Column("agent_id", "varchar", "agent that it happened to"),
    Column("model", "varchar", "model"),
    Column("attempt", "integer", "the N of the marker's N/M; what it counts depends on the kind"),
    Column("max_attempts", "integer", "the M of the marker's N/M"),
    Column("wait_ms", "double", "how long was, or will be, waited"),
    Column("reason", "varchar", "why, as logged"),
    Column("metadata", "varchar", "other fields of the marker, as a JSON object"),
    *_PROVENANCE,
)

REJECTS = (
    Column("created_at", "timestamptz", "time of the record where it can be read, else when it was read"),
    Column("reason", "varchar", "why the record was not taken"),
    Column(
        "line",
        "varchar",
        "structure of the record as JSON: keys, types, lengths; with `--keep-raw` its text, decoded, its first 64 KiB",
    ),
    Column("raw", "blob", "with `--keep-raw`, its bytes, where they are not valid UTF-8"),
    Column("source_end", "bigint", "where the record ends: byte offset in the decompressed stream"),
    *_PROVENANCE,
)

BATCHES = (
    Column("committed_at", "timestamptz", "when the batch was read"),
    Column("source_id", "varchar", "identity of the source"),
    Column("source_path", "varchar", "path of the source then"),
    Column("format", "varchar", "formats that the batch held, comma-separated"),
    Column("start_offset", "bigint", "first byte of the batch in the decompressed stream"),
    Column("end_offset", "bigint", "byte after the last one of the batch"),
    Column("digest", "varchar", "XXH3-128 of the bytes of the batch; NULL for a source that is a table"),
    Column("tail", "bigint", "the low 63 bits of XXH3-64 of the up to 4,096 bytes before `end_offset`"),
    Column("calls", "bigint", "rows of the batch in `llm_calls`"),
    Column("events", "bigint", "rows of the batch in `llm_events`"),
    Column("rejects", "bigint", "rows of the batch in `rejects`"),
    Column("sums", "bigint", "those of `calls` that stand for several requests, or don't say for how many"),
    Column("superseded", "bigint", "those of `calls` that a fuller one supersedes; NULL where nobody looked"),
    Column("unread", "bigint", "lines of the batch that speak of tokens and a model, and that no format read"),
    Column("first_at", "timestamptz", "earliest `created_at` of the batch's calls"),
    Column("last_at", "timestamptz", "latest `created_at` of the batch's calls"),
)

ALERTS = (
    Column("created_at", "timestamptz", "when the value crossed the threshold: the time of its row, or of the check"),
    Column("alert_id", "varchar", "rule, key and time: every message carries it"),
    Column("rule", "varchar", "name of the rule in `alerts.toml`"),
    Column("key", "varchar", "what crossed: the values of the rule's key columns"),
    Column("value", "double", "the value then; NULL for a rule that asks for none"),
    Column("threshold", "double", "what it crossed; NULL for a rule that has none"),
    Column("row", "varchar", "the row of the answer, as a JSON object"),
    Column("found_at", "timestamptz", "when the check found it"),
    Column("state", "varchar", "`pending` until every message is sent, then `sent`"),
    Column("told", "varchar", "ways by which it was told so far, comma-separated: stderr, exec, webhook"),
    Column("tries", "bigint", "how often sending failed"),
    Column("sent_at", "timestamptz", "when the last message was sent"),
    Column("cleared_at", "timestamptz", "when the value had fallen back to the clear level; NULL while it has not"),
)

SESSION = "session"
"""The `task` of a sum that doesn't say how many requests it stands for.

It tells such a row, whose `requests` is NULL, from one that was written before there was that column.
"""

TABLES = {"llm_calls": CALLS, "llm_events": EVENTS, "rejects": REJECTS, "batches": BATCHES}
"""The tables of a warehouse, by name. Each is partitioned by `date`, the UTC date of its first column."""

ALL_TABLES = TABLES | {"alerts": ALERTS}
"""With those that only some warehouses have, as they are made when there is something to put in."""

DIMS: dict[str, dict[str, str]] = {
    "sessions": {"session_id": "varchar", "started_at": "timestamptz", "ended_at": "timestamptz", "status": "varchar"},
    "stories": {
        "id": "varchar",
        "session_id": "varchar",
        "spec_id": "varchar",
        "title": "varchar",
        "status": "varchar",
        "priority": "bigint",
        "story_type": "varchar",
        "assigned_agent": "varchar",
        "created_at": "timestamptz",
        "started_at": "timestamptz",
        "completed_at": "timestamptz",
        "tokens_used": "bigint",
        "cost_usd": "decimal(18, 10)",
        "pr_id": "varchar",
        "commit_hash": "varchar",
        "hold_reason": "varchar",
        "blocked_by_failure_id": "varchar",
    },
    "failures": {
        "id": "varchar",
        "session_id": "varchar",
        "spec_id": "varchar",
        "story_id": "varchar",
        "attempt_number": "bigint",
        "created_at": "timestamptz",
        "source": "varchar",
        "failed_state": "varchar",
        "tool_name": "varchar",
        "kind": "varchar",
        "explanation": "varchar",
        "resolved_kind": "varchar",
        "action": "varchar",
        "resolution_status": "varchar",
        "resolution_outcome": "varchar",
        "model": "varchar",
        "provider": "varchar",
    },
}
"""The snapshots that the views know, with the columns that they always have and their types in SQL."""

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


_ESCAPED = re.compile("%([0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(r"[/\\~]|\w[\w+.-]*:")
_PARTS = re.compile(r"[/\\]")


def is_inside(path: str) -> bool:
    """Tell whether *path*, a data file as a Delta log writes it, lies below its table's folder.

    Delta's protocol allows absolute paths and URLs, for clones of tables. None of ours is one: who can write to a
    shared warehouse could have any file of a reader's machine read through one.
    """
    decoded = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), path)
    return not any(_ABSOLUTE.match(text) or ".." in _PARTS.split(text) or "\0" in text for text in {path, decoded})
