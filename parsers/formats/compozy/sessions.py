"""compozy's sessions on main: the `done` event of a turn as a JSON line, and the table `token_usage` of `events.db`.

    {"schema":"compozy.session.event.v1","type":"done","turn_id":"turn_01J","usage":{"InputTokens":128400,
     "OutputTokens":24900,"TotalTokens":153300,"CostAmount":0.42,"CostCurrency":"USD","Timestamp":"2026-08-20T10:00:00Z"}}

A turn of a session may be many calls to the model; `grain` in `metadata` is `turn`. `usage` events are cumulative
within their turn, so only `done` counts; `error` is an event `session_error`, and the recovery of a session after its
agent crashed (`runtime_recovery_started`, `_succeeded`, `_exhausted`) is one by that name. A turn names no model: the
table's rows take it from the prompt in `session_input_queue` that asked for one, else from the session as it is now;
the lines have none. (`session_prompt_admissions` has such columns, but they are emptied when a prompt is sent.) Both
are one call where they meet (`dedupe_key`). A cost in another currency than USD is only in `metadata`.

The table `token_usage` of v0.2's `run.db` holds the last delta of each session until the session is done, and the row
`run-total`, which is left out; `grain` is `session`.
"""

import polars as pl

from parsers.blocks.format import Beside, Context, Format, Known, Parsed, Related, alone
from parsers.blocks.lines import reject
from parsers.formats.compozy.usage_object import USAGE_DTYPE, tokens, unfold
from parsers.jsonl.decode import OWN, decode
from parsers.jsonl.unknown_fields import LEFTOVERS, leftovers
from parsers.rows.token_counts import TOKEN_COLUMNS
from parsers.rows.typed_tables import Columns, kept, parsed, typed
from parsers.schema import UTC
from parsers.values.providers import provider_of
from parsers.values.typed import known, usd, utc

_RECORD = pl.Struct(
    {"schema": pl.String, "type": pl.String, "turn_id": pl.String, "usage": USAGE_DTYPE, "error": pl.String}
)
RUN_COLUMNS: Columns = {
    "turn_id": pl.String,
    "run_id": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "total_tokens": pl.Int64,
    "cost_amount": pl.Float64,
    "timestamp": UTC,
}
TURN_COLUMNS: Columns = {
    **RUN_COLUMNS,
    "session_id": pl.String,
    "thought_tokens": pl.Int64,
    "cache_read_tokens": pl.Int64,
    "cache_write_tokens": pl.Int64,
    "context_used": pl.Int64,
    "context_size": pl.Int64,
    "cost_currency": pl.String,
}
SESSION_COLUMNS: Columns = {
    "id": pl.String,
    "agent_name": pl.String,
    "provider": pl.String,
    "model": pl.String,
    "parent_session_id": pl.String,
}
_NAMES = {"input_tokens": "request_tokens", "output_tokens": "response_tokens", "thought_tokens": "reasoning_tokens"}


def calls_from_turns(rows: pl.DataFrame, related: Related) -> Parsed:
    """Return the turns in *rows* of `token_usage` as calls of the sessions and prompts that are *related*.

    `token_usage` doesn't name its session, the folder does: give it as a column `session_id`. A prompt that waited in
    the queue may have asked another model than its session has now.
    """
    rows, rejects = typed(rows, TURN_COLUMNS)
    sessions = related["sessions"].rename({"id": "session_id"}).unique("session_id")
    asked = related["session_input_queue"].with_columns(known(pl.col("runtime_provider", "runtime_model")))
    asked = asked.unique("turn_id", keep="last", maintain_order=True)
    rows = rows.join(sessions, on="session_id", how="left", maintain_order="left")
    rows = rows.join(asked, on="turn_id", how="left", maintain_order="left")
    asked_of = pl.coalesce("runtime_provider", provider_of(pl.col("runtime_model")))
    rows = rows.with_columns(
        provider=pl.when(pl.col("runtime_model").is_null()).then(known(pl.col("provider"))).otherwise(asked_of),
        model=pl.coalesce("runtime_model", known(pl.col("model"))),
    )
    return parsed(_calls(rows.rename(_NAMES), "turn"), [rejects])


def calls_from_run(rows: pl.DataFrame) -> Parsed:
    """Return the sessions in *rows* of `token_usage` of a `run.db` as calls. Give the run as a column `run_id`."""
    rows, rejects = typed(rows, RUN_COLUMNS)
    # Its totals are those of the session so far: they say nothing of the row.
    rows = rows.filter(pl.col("turn_id").ne_missing("run-total")).drop("total_tokens")
    return parsed(_calls(rows.rename(_NAMES, strict=False), "session"), [rejects])


def _calls(rows: pl.DataFrame, grain: str) -> pl.DataFrame:
    missing = {**TURN_COLUMNS, **SESSION_COLUMNS}
    rows = rows.with_columns(pl.lit(None, dtype=kind).alias(name) for name, kind in missing.items() if name not in rows)
    rows = tokens(rows)
    dollars = pl.col("cost_currency").fill_null("USD").str.to_uppercase() == "USD"
    turn = pl.lit(grain == "turn") & pl.col("turn_id").is_not_null()
    fields = {
        "grain": pl.lit(grain),
        "parent_session_id": pl.col("parent_session_id"),
        "context_used": pl.col("context_used"),
        "context_size": pl.col("context_size"),
        "cost_amount": pl.when(~dollars).then("cost_amount"),
        "cost_currency": pl.when(~dollars).then("cost_currency"),
    }
    return rows.select(
        *("source_offset", "session_id", "run_id", "provider", "model"),
        *TOKEN_COLUMNS,
        created_at="timestamp",
        ts_source=pl.when(pl.col("timestamp").is_not_null()).then(pl.lit("log")),
        step_id="turn_id",
        agent_id="agent_name",
        cost_reported_usd=pl.when(dollars).then(usd(pl.col("cost_amount"))),
        metadata=kept(fields),
        dedupe_key=pl.when(turn).then(pl.format("compozy/{}", "turn_id")),
        format=pl.lit("compozy-sessions/token-usage" if grain == "turn" else "compozy/run-db"),
    )


def _parse(records: pl.DataFrame, _context: Context) -> Parsed:
    decoded, unread = decode(records, _RECORD)
    rows = decoded.with_columns(leftovers(decoded).alias(LEFTOVERS)).unnest("record")
    done = rows.filter((pl.col("type") == "done") & pl.col("usage").is_not_null())
    is_error = pl.col("type") == "error"
    others = rows.filter(is_error | pl.col("type").str.starts_with(_RECOVERY))
    written = known(pl.col("usage_time"))
    turns = unfold(done, "usage").with_columns(
        turn_id=known(pl.coalesce("turn_id", "usage_turn")), timestamp=utc(written)
    )
    bad = turns.select(written.is_not_null() & pl.col("timestamp").is_null()).to_series()
    calls = _calls(turns.filter(~bad), "turn").with_columns(format=pl.lit("compozy-sessions/event"))
    events = others.select(
        "source_offset",
        kind=pl.when(is_error).then(pl.lit("session_error")).otherwise("type"),
        step_id=known(pl.col("turn_id")),
        reason=known(pl.col("error")),
        metadata=LEFTOVERS,
        format=pl.lit("compozy-sessions/event"),
    )
    return parsed(calls, [unread, reject(turns.filter(bad), "the time can't be read")], events=events)


_LINE = pl.col("line")
_RECOVERY = "runtime_recovery_"
_IS_DONE = _LINE.str.contains(r'"type"\s*:\s*"done"') & _LINE.str.contains(r'"usage"\s*:\s*\{')

FORMAT = Format(
    name="compozy-sessions",
    title="session events of compozy's daemon, as JSON lines",
    json=True,
    claims=_LINE.str.contains(OWN + r'"schema"\s*:\s*"compozy\.session\.event\.v1"')
    & (_IS_DONE | _LINE.str.contains(rf'"type"\s*:\s*"(?:error"|{_RECOVERY})')),
    parse=_parse,
    hints=('"compozy.session.event.v1"',),
)

TABLES = (
    Known(
        name="compozy-sessions/token-usage",
        tables=("token_usage",),
        needs=("turn_id", "input_tokens", "output_tokens", "thought_tokens", "cache_read_tokens", "timestamp"),
        reads=tuple(c for c in TURN_COLUMNS if c not in {"session_id", "run_id"}),
        key="turn_id",
        times=("timestamp",),
        read=calls_from_turns,
        rewritten=True,
        folder="session_id",
        beside=(
            Beside("sessions", "id", "session_id", tuple(SESSION_COLUMNS), database="compozy.db"),
            Beside(
                *("session_input_queue", "turn_id", "turn_id"),
                ("turn_id", "runtime_provider", "runtime_model"),
                where="status = 'sent'",
                database="compozy.db",
            ),
        ),
    ),
    Known(
        name="compozy/run-db",
        tables=("token_usage",),
        needs=("turn_id", "input_tokens", "output_tokens", "total_tokens", "timestamp"),
        reads=tuple(c for c in RUN_COLUMNS if c != "run_id"),
        key="turn_id",
        times=("timestamp",),
        read=alone(calls_from_run),
        rewritten=True,
        finished="\"turn_id\" <> 'run-total'",
        global_keys=False,
        folder="run_id",
    ),
)
