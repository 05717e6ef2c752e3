"""The columns of the warehouse's tables: name, type, unit, meaning. Everything else derives from here."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import polars as pl

UTC = pl.Datetime("us", "UTC")
USD = pl.Decimal(18, 10)


class Column(NamedTuple):
    """One column: its Polars type, what a value in it means (unknown is always NULL), and what it ordinarily is.

    A format that lacks the column has the ordinary value in it; where it has the column, NULL stays NULL.
    """

    name: str
    type: pl.DataType | type[pl.DataType]
    meaning: str
    ordinary: int | None = None


_PROVENANCE = (
    Column("format", pl.String, "parser and variant that read the record, such as `maestro-log/V4`"),
    Column("source_id", pl.String, "identity of the source: a digest of its first lines, the same under every name"),
    Column("source_path", pl.String, "path of the source when the record was read"),
    Column("source_offset", pl.Int64, "where the record begins: byte offset in the decompressed stream"),
    Column("ingested_at", UTC, "when the record was read"),
)

_TOLD_APART = (
    Column("side_chain", pl.Boolean, "of stored records only: true where it is a side chain's"),
    Column(
        "superseded",
        pl.Boolean,
        "of stored records only: true where a fuller one of the same call came from the same source in the same commit",
    ),
)

CALLS = (
    Column("created_at", UTC, "when the call finished, as logged"),
    Column("started_at", UTC, "`created_at` less the latency; NULL when the latency is unknown"),
    Column("ts_source", pl.String, "`log`; or `file` (file time) or `ingest` (read time) where the log has no times"),
    Column("session_id", pl.String, "session that the call belongs to"),
    Column("run_id", pl.String, "run that the call belongs to"),
    Column("step_id", pl.String, "step of the run"),
    Column("story_id", pl.String, "story or work item"),
    Column(
        "task",
        pl.String,
        "kind of request, such as `complete`, `stream`, `embed`; `session` in sums that don't say of how many requests",
    ),
    Column("agent_id", pl.String, "agent that called"),
    Column("role", pl.String, "kind of agent, such as coder, architect, tutor"),
    Column("state", pl.String, "state of the agent when it called"),
    Column("user_id", pl.String, "user on whose behalf the call was made"),
    Column("account_id", pl.String, "account on whose behalf the call was made"),
    Column("project", pl.String, "working folder, repository or project, as the record names it"),
    Column("host", pl.String, "machine that called"),
    Column("provider", pl.String, "provider, as logged or derived from the model"),
    Column("model", pl.String, "model, as logged"),
    Column(
        "requests",
        pl.Int64,
        "how many requests the row stands for: 1, but for sums that an agent keeps of a session; NULL if unsaid",
        ordinary=1,
    ),
    Column("request_tokens", pl.Int64, "the whole prompt, cached parts included"),
    Column("cache_read_tokens", pl.Int64, "of the prompt, read from the prompt cache"),
    Column("cache_write_tokens", pl.Int64, "of the prompt, written to the prompt cache"),
    Column("response_tokens", pl.Int64, "everything generated, reasoning included"),
    Column("reasoning_tokens", pl.Int64, "of the response, reasoning"),
    Column("total_tokens", pl.Int64, "what is known of `request_tokens` and `response_tokens`, added up"),
    Column(
        "token_source",
        pl.String,
        "`provider`; `estimated`; `partial` where one side is unknown; `contradicted` where no reading of the parts "
        "gives the record's own total",
    ),
    Column("cost_reported_usd", USD, "cost as logged; NULL when absent or a zero that nobody measured"),
    Column("cost_computed_usd", USD, "cost by the price table at the time of the call; NULL when the model is unknown"),
    Column("cost_usd", USD, "reported cost, else computed cost"),
    Column("cost_source", pl.String, "`reported`, `computed` or `unpriced`"),
    Column("pricing_version", pl.String, "price table that computed the cost"),
    Column("known_model", pl.Boolean, "whether the price table knows the model"),
    Column(
        "unpriced_units",
        pl.Int64,
        "audio, image and video tokens and web searches that the price table has no price of its own for; NULL: none",
    ),
    Column("latency_ms", pl.Float64, "wall time of the logical call, retries included where the log says so"),
    Column("success", pl.Boolean, "whether the call succeeded"),
    Column("error", pl.String, "error text of a failed call"),
    Column("error_type", pl.String, "class of the error, as logged"),
    Column("attempt", pl.Int32, "number of the attempt, as logged"),
    Column("temperature", pl.Float64, "sampling temperature"),
    Column("max_tokens", pl.Int64, "limit on the response that the call asked for"),
    Column("request_id", pl.String, "identifier of the request at the provider or in the application"),
    Column("prompt_version", pl.String, "version of the prompt, as logged"),
    Column("tool_used", pl.String, "first tool that the response used"),
    Column(
        "metadata", pl.String, "fields of the record without a column, as a JSON object; never prompts or responses"
    ),
    Column("dedupe_key", pl.String, "set where one call can be logged more than once; equal keys are one call"),
    *_TOLD_APART,
    *_PROVENANCE,
)

EVENTS = (
    Column("created_at", UTC, "when it happened, as logged"),
    Column("kind", pl.String, "what happened, such as `api_retry`, `rate_limit_wait`, `story_attempt_failed`"),
    Column("session_id", pl.String, "session that it belongs to"),
    Column("run_id", pl.String, "run that it belongs to"),
    Column("step_id", pl.String, "step of the run"),
    Column("story_id", pl.String, "story or work item"),
    Column("agent_id", pl.String, "agent that it happened to"),
    Column("model", pl.String, "model"),
    Column("attempt", pl.Int32, "the N of the marker's N/M; what it counts depends on the kind"),
    Column("max_attempts", pl.Int32, "the M of the marker's N/M"),
    Column("wait_ms", pl.Float64, "how long was, or will be, waited"),
    Column("reason", pl.String, "why, as logged"),
    Column("metadata", pl.String, "other fields of the marker, as a JSON object"),
    *_PROVENANCE,
)

REJECTS = (
    Column("created_at", UTC, "time of the record where it can be read, else when it was read"),
    Column("reason", pl.String, "why the record was not taken"),
    Column(
        "line",
        pl.String,
        "structure of the record as JSON: keys, types, lengths; with `--keep-raw` its text, decoded, its first 64 KiB",
    ),
    Column("raw", pl.Binary, "with `--keep-raw`, its bytes, where they are not valid UTF-8"),
    Column("source_end", pl.Int64, "where the record ends: byte offset in the decompressed stream"),
    *_PROVENANCE,
)

BATCHES = (
    Column("committed_at", UTC, "when the batch was read"),
    Column("source_id", pl.String, "identity of the source"),
    Column("source_path", pl.String, "path of the source then"),
    Column("format", pl.String, "formats that the batch held, comma-separated"),
    Column("start_offset", pl.Int64, "first byte of the batch in the decompressed stream"),
    Column("end_offset", pl.Int64, "byte after the last one of the batch"),
    Column("digest", pl.String, "XXH3-128 of the bytes of the batch; NULL for a source that is a table"),
    Column("tail", pl.Int64, "the low 63 bits of XXH3-64 of the up to 4,096 bytes before `end_offset`"),
    Column("calls", pl.Int64, "rows of the batch in `llm_calls`"),
    Column("events", pl.Int64, "rows of the batch in `llm_events`"),
    Column("rejects", pl.Int64, "rows of the batch in `rejects`"),
    Column("sums", pl.Int64, "those of `calls` that stand for several requests, or don't say for how many"),
    Column("superseded", pl.Int64, "those of `calls` that a fuller one supersedes; NULL where nobody looked"),
    Column("unread", pl.Int64, "lines of the batch that speak of tokens and a model, and that no format read"),
    Column("first_at", UTC, "earliest `created_at` of the batch's calls"),
    Column("last_at", UTC, "latest `created_at` of the batch's calls"),
)

ALERTS = (
    Column("created_at", UTC, "when the value crossed the threshold: the time of its row, or of the check"),
    Column("alert_id", pl.String, "rule, key and time: every message carries it"),
    Column("rule", pl.String, "name of the rule in `alerts.toml`"),
    Column("key", pl.String, "what crossed: the values of the rule's key columns"),
    Column("value", pl.Float64, "the value then; NULL for a rule that asks for none"),
    Column("threshold", pl.Float64, "what it crossed; NULL for a rule that has none"),
    Column("row", pl.String, "the row of the answer, as a JSON object"),
    Column("found_at", UTC, "when the check found it"),
    Column("state", pl.String, "`pending` until every message is sent, then `sent`"),
    Column("told", pl.String, "ways by which it was told so far, comma-separated: stderr, exec, webhook"),
    Column("tries", pl.Int64, "how often sending failed"),
    Column("sent_at", UTC, "when the last message was sent"),
    Column("cleared_at", UTC, "when the value had fallen back to the clear level; NULL while it has not"),
)

SESSION = "session"
"""The `task` of a sum that doesn't say how many requests it stands for.

It tells such a row, whose `requests` is NULL, from one that was written before there was that column.
"""

TABLES = {"llm_calls": CALLS, "llm_events": EVENTS, "rejects": REJECTS, "batches": BATCHES}
"""The tables of a warehouse, by name. Each is partitioned by `date`, the UTC date of its first column."""

ALL_TABLES = TABLES | {"alerts": ALERTS}
"""With those that only some warehouses have, as they are made when there is something to put in."""


def polars_schema(columns: Sequence[Column]) -> pl.Schema:
    """Return the Polars schema of *columns*."""
    return pl.Schema({column.name: column.type for column in columns})


EMPTY = {name: pl.DataFrame(schema=polars_schema(columns)) for name, columns in ALL_TABLES.items()}
"""Each table without rows."""

_MANY_PIECES = 64


def stacked(frames: Iterable[pl.DataFrame], table: str) -> pl.DataFrame:
    """Return the rows of all *frames* of *table*: of more than a few in one piece, as each piece has its own price."""
    filled = [frame for frame in frames if frame.height]
    return pl.concat(filled, rechunk=len(filled) > _MANY_PIECES) if filled else EMPTY[table]


def conform(frame: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """Return *frame* with exactly *columns*, in order: missing ones as they ordinarily are, others cast, extra dropped.

    Raises:
        polars.exceptions.InvalidOperationError: A value does not fit its column.
    """
    have = frozenset(frame.columns)
    if frame.is_empty() or not have:
        return pl.DataFrame(schema=polars_schema(columns))
    return frame.select(_conforming(tuple(columns), have))


@lru_cache(maxsize=256)
def _conforming(columns: tuple[Column, ...], have: frozenset[str]) -> list[pl.Expr]:
    return [
        pl.col(c.name).cast(c.type) if c.name in have else pl.lit(c.ordinary, dtype=c.type).alias(c.name)
        for c in columns
    ]


_ESCAPED = re.compile("%([0-9A-Fa-f]{2})")
_LEAVES = re.compile(r"^[/\\~]|^\w[\w+.-]*:|(?:^|[/\\])\.\.(?:[/\\]|$)|\x00")


def is_inside(path: str) -> bool:
    """Tell whether *path*, a data file as a Delta log writes it, lies below its table's folder.

    Delta's protocol allows absolute paths and URLs, for clones of tables. None of ours is one: who can write to a
    shared warehouse could have any file of a reader's machine read through one.
    """
    decoded = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), path)
    return not any(_LEAVES.search(text) for text in (path, decoded))
