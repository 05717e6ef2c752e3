"""Grok CLI's `grok.db` (SQLite): the table `usage_events`, one row a request, whether for the user or for itself.

`source` is what the request was for. The prompt holds what came from the cache, which isn't told; the output leaves out
the reasoning, which xAI counts in the total only. `cost_micros` is in millionths of a dollar, by the CLI's own list; 0
for a model that it doesn't know. The folder is that of the session.
"""

import polars as pl

from parsers.blocks.format import Beside, Known, Parsed, Related
from parsers.rows.calls import Meaning, calls
from parsers.rows.typed_tables import Columns, parsed, typed

COLUMNS: Columns = dict.fromkeys(
    (
        "id", "session_id", "source", "model", "input_tokens", "output_tokens", "total_tokens", "cost_micros",
        "created_at",
    ),
    pl.String,
)  # fmt: skip

_MEANING = Meaning(name="grok-cli", cost=1e-6, response_includes_reasoning=False, constants={"variant": "row"})


def calls_from_table(rows: pl.DataFrame, related: Related) -> Parsed:
    """Return the calls in *rows* of `usage_events`, in the folders of the *related* sessions."""
    rows, rejects = typed(rows, COLUMNS)
    folders = related["sessions"].select(session_id="id", project="cwd_at_start")
    counts = {
        name: pl.col(name).cast(pl.Int64, strict=False) for name in ("total_tokens", "input_tokens", "output_tokens")
    }
    beyond = counts["total_tokens"] - counts["input_tokens"] - counts["output_tokens"]
    made = calls(
        rows.join(folders, on="session_id", how="left", maintain_order="left").select(
            "source_offset",
            "source_end",
            "line",
            "session_id",
            "project",
            "model",
            "total_tokens",
            "created_at",
            task="source",
            request_tokens="input_tokens",
            response_tokens="output_tokens",
            reasoning_tokens=pl.when(beyond > 0).then(beyond).cast(pl.String),
            cost="cost_micros",
        ),
        _MEANING,
    )
    return parsed(made.calls, [rejects, made.rejects])


TABLE = Known(
    name="grok-cli/row",
    tables=("usage_events",),
    needs=("id", "session_id", "message_seq", "source", "model", "input_tokens", "output_tokens", "cost_micros"),
    reads=tuple(COLUMNS),
    key="id",
    times=("created_at",),
    read=calls_from_table,
    global_keys=False,
    beside=(Beside("sessions", "id", "session_id", ("id", "cwd_at_start")),),
)
