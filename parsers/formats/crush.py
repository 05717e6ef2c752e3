"""Crush's `crush.db` (SQLite), and that of OpenCode when it was written in Go: one row a session, with what it cost.

`cost` adds up; `prompt_tokens` and `completion_tokens` are overwritten by each step with its own: they say how large
the last prompt was, and are kept as that. What sub-agents cost is in the session that started them, so their sessions
are left out. The model is that of the answers in `messages`, if it was one. A row is the sum of its session,
`crush/sum`, of unknown many requests; it changes as the session goes on: the largest cost is the sum.
"""

import polars as pl

from parsers.blocks.format import Beside, Known, Parsed, Related
from parsers.rows.calls import Meaning, calls
from parsers.rows.typed_tables import Columns, parsed, typed
from parsers.schema import SESSION

COLUMNS: Columns = dict.fromkeys(
    ("id", "parent_session_id", "prompt_tokens", "completion_tokens", "cost"), pl.String
)  # fmt: skip

_MEANING = Meaning(
    name="crush",
    requires=("session_id",),
    metadata=("last_prompt_tokens", "last_completion_tokens"),
    constants={"variant": "sum", "task": SESSION},
)


def calls_from_table(rows: pl.DataFrame, related: Related) -> Parsed:
    """Return the sums in *rows* of `sessions`, of the models that *related* answers name; of those that have called."""
    rows, rejects = typed(rows, COLUMNS)
    answers = related["messages"].select(id="session_id", model="model").drop_nulls().unique()
    models = answers.group_by("id").agg(pl.col("model").first(), several=pl.len() > 1)
    used = pl.max_horizontal(
        pl.col(name).cast(pl.Float64, strict=False) for name in ("cost", "prompt_tokens", "completion_tokens")
    )
    sums = rows.filter(pl.col("parent_session_id").is_null() & (used > 0)).join(models, on="id", how="left")
    made = calls(
        sums.select(
            "source_offset",
            "source_end",
            "line",
            "cost",
            session_id="id",
            model=pl.when(~pl.col("several")).then("model"),
            last_prompt_tokens="prompt_tokens",
            last_completion_tokens="completion_tokens",
            requests=pl.lit(None, pl.String),
        ),
        _MEANING,
    )
    return parsed(made.calls, [rejects, made.rejects])


TABLE = Known(
    name="crush/sum",
    tables=("sessions",),
    needs=("id", "parent_session_id", "message_count", "prompt_tokens", "completion_tokens", "cost"),
    reads=tuple(COLUMNS),
    key="id",
    times=("updated_at", "created_at"),
    read=calls_from_table,
    rewritten=True,
    beside=(Beside("messages", "session_id", "id", ("session_id", "model"), where="role = 'assistant'"),),
)
