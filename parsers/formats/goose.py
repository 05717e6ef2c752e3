"""Goose's `sessions.db` (SQLite): one row a session, with the counts of its last call and, `accumulated_…`, of all.

A row is the sum of its session, `goose/sum`, of unknown many requests. Which part of the prompt came from the cache
isn't told. A session's row changes as it goes on: the largest counts are the sum.
"""

import polars as pl

from parsers.blocks.format import Known, Parsed, alone
from parsers.rows.calls import Meaning, calls
from parsers.rows.typed_tables import Columns, parsed, typed
from parsers.schema import SESSION

COLUMNS: Columns = dict.fromkeys(
    (
        "id", "working_dir", "provider_name", "model_config_json", "total_tokens", "input_tokens", "output_tokens",
        "accumulated_total_tokens", "accumulated_input_tokens", "accumulated_output_tokens", "accumulated_cost",
    ),
    pl.String,
)  # fmt: skip

_MEANING = Meaning(
    name="goose",
    requires=(("request_tokens", "response_tokens", "total_tokens"),),
    constants={"variant": "sum", "task": SESSION},
)


def calls_from_rows(rows: pl.DataFrame) -> Parsed:
    """Return the sums in *rows* of `sessions`; one that hasn't called yet has none."""
    rows, rejects = typed(rows, COLUMNS)
    sums = rows.select(
        "source_offset",
        "source_end",
        "line",
        session_id="id",
        project="working_dir",
        provider="provider_name",
        model=pl.col("model_config_json").str.json_path_match("$.model_name"),
        request_tokens=pl.coalesce("accumulated_input_tokens", "input_tokens"),
        response_tokens=pl.coalesce("accumulated_output_tokens", "output_tokens"),
        total_tokens=pl.coalesce("accumulated_total_tokens", "total_tokens"),
        cost="accumulated_cost",
        requests=pl.lit(None, pl.String),
    )
    counts = pl.max_horizontal(
        pl.col(name).cast(pl.Int64, strict=False) for name in ("request_tokens", "response_tokens", "total_tokens")
    )
    made = calls(sums.filter(counts > 0), _MEANING)
    return parsed(made.calls, [rejects, made.rejects])


TABLE = Known(
    name="goose/sum",
    tables=("sessions",),
    needs=("id", "accumulated_input_tokens", "accumulated_output_tokens", "provider_name", "model_config_json"),
    reads=tuple(COLUMNS),
    key="id",
    times=("updated_at", "created_at"),
    read=alone(calls_from_rows),
    rewritten=True,
)
