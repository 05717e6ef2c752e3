"""A warehouse of synthetic calls that were each logged three times, as Claude Code streams them, over 1,100 days."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.calls import MODELS, PROVIDERS
from ingest.ledger import Batch
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import CALLS, EVENTS, REJECTS, conform, polars_schema

DAYS = 1_100
COPIES = 3
FIRST = date(2023, 1, 1)
_DAYS_A_COMMIT = 100
_REPLAYED = 0.02
"""Of the calls, how many a side chain repeats: such a copy counts more tokens, and is not to be taken for its call."""

Truth = dict[str, tuple[int, int]]
"""Calls and tokens of each model."""


def write(folder: Path, *, rows: int) -> Truth:
    """Write a warehouse of about so many stored *rows* to *folder*, unless it is there; return what they count."""
    days = [_day(day, rows // COPIES // DAYS) for day in range(DAYS)]
    if not (marker := folder / f"{rows}.rows").exists():
        warehouse = Warehouse(folder, make=True)
        nothing = pl.DataFrame(schema=polars_schema(EVENTS)), pl.DataFrame(schema=polars_schema(REJECTS))
        for first in range(0, DAYS, _DAYS_A_COMMIT):
            batches = []
            for day, calls in enumerate(days[first : first + _DAYS_A_COMMIT], first):
                source = f"{day:032x}"
                stored = conform(_logged(calls).with_columns(source_id=pl.lit(source)), CALLS)
                batches.append(Batch(source, f"day-{day}.jsonl", None, 10**9, None, day, stored, *nothing))
            warehouse.commit(batches)
        marker.touch()
    counted = pl.concat(days).group_by("model").agg(pl.len(), pl.col("total_tokens").sum())
    return {model: (calls, tokens) for model, calls, tokens in counted.rows()}


def _day(day: int, calls: int) -> pl.DataFrame:
    """Return the calls of one day as they ended."""
    chance = np.random.default_rng(day)
    midnight = datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=day)
    model = chance.choice(len(MODELS), calls, p=[0.1, 0.4, 0.2, 0.15, 0.1, 0.05])
    request = np.minimum(chance.lognormal(9, 1.2, calls), 200_000).astype(np.int64)
    response = np.minimum(chance.lognormal(5.5, 1, calls), 8_000).astype(np.int64) + COPIES
    ids = chance.integers(0, 1 << 60, calls)
    return pl.DataFrame(
        {
            "micros": np.sort(chance.integers(0, 86_300_000_000, calls)),
            "request_tokens": request,
            "response_tokens": response,
            "total_tokens": request + response,
            "cache_read_tokens": request * 9 // 10,
            "agent": chance.integers(0, 12, calls),
            "session": chance.integers(0, 20, calls),
            "id": [f"{one:022d}" for one in ids],
            "source_offset": np.arange(calls) * 3_000,
            "replayed": chance.random(calls) < _REPLAYED,
        }
    ).with_columns(
        created_at=pl.lit(midnight).cast(pl.Datetime("us", "UTC")) + pl.duration(microseconds="micros"),
        model=MODELS.gather(model),
        provider=PROVIDERS.gather(model),
        agent_id=pl.format("agent-{}", "agent"),
        session_id=pl.format("{}-{}", pl.lit(f"session-{day}"), "session"),
        source_path=pl.lit(f"day-{day}.jsonl"),
    )


def _logged(calls: pl.DataFrame) -> pl.DataFrame:
    """Return the records of *calls*: while each streamed its count of generated tokens grew, only the last is whole."""
    nth = pl.col("nth")
    whole = nth == COPIES - 1
    again = pl.col("replayed") & (nth == 1)
    copies = calls.join(pl.DataFrame({"nth": range(COPIES)}, schema={"nth": pl.Int64}), how="cross")
    response = pl.when(whole | again).then("response_tokens").otherwise(nth + 1)
    request = pl.col("request_tokens") + again.cast(pl.Int64)
    cost = (pl.col("request_tokens") * 3 + response * 15) / 1_000_000
    chain = pl.when(again).then(pl.lit('"sidechain":true,')).otherwise(pl.lit(""))
    return copies.with_columns(
        created_at=pl.col("created_at") + pl.duration(milliseconds=nth * 400),
        source_offset=pl.col("source_offset") + nth * 1_000,
        request_tokens=request,
        response_tokens=response,
        total_tokens=request + response,
        cost_computed_usd=cost,
        cost_usd=cost,
        cost_source=pl.lit("computed"),
        pricing_version=pl.lit("2026-01"),
        known_model=pl.lit(value=True),
        success=pl.lit(value=True),
        task=pl.lit("complete"),
        ts_source=pl.lit("log"),
        token_source=pl.lit("provider"),
        format=pl.lit("claude-code"),
        request_id=pl.format("req_{}", "id"),
        dedupe_key=pl.format("claude-code:msg_{}", "id"),
        metadata=pl.concat_str(pl.lit('{"message_id":"msg_'), "id", pl.lit('",'), chain, pl.lit('"version":"2.1.3"}')),
        ingested_at=pl.lit(datetime.now(UTC)),
    )
