"""Synthetic calls, each logged once, over 30 days or more: six models, twelve agents, 400 stories, 1% failed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from ingest.ledger import Batch
from ingest.warehouse.warehouse import Warehouse
from parsers.schema import CALLS, EVENTS, REJECTS, conform, polars_schema

DAYS = 30
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
MODELS = pl.Series(
    ["claude-opus-4-5", "claude-sonnet-4-5", "gpt-5.2", "gemini-2.5-flash", "claude-haiku-4-5", "mistral-nemo:latest"]
)
PROVIDERS = pl.Series(["anthropic", "anthropic", "openai", "google", "anthropic", "ollama"])


def write(folder: Path, *, calls: int, first: datetime = FIRST, days: int = DAYS) -> None:
    """Write a warehouse of *calls* calls, *days* from *first* on, to *folder*, unless one of as many is there."""
    marker = folder / f"{calls}.calls"
    if marker.exists():
        return
    warehouse, chance = Warehouse(folder, make=True), np.random.default_rng(1)
    nothing = pl.DataFrame(schema=polars_schema(EVENTS)), pl.DataFrame(schema=polars_schema(REJECTS))
    for day in range(days):
        frame = _day(chance, first + timedelta(days=day), calls // days)
        source = f"{day:032x}"
        rows = frame.with_columns(
            source_id=pl.lit(source),
            ingested_at=pl.lit(datetime.now(UTC)),
            session_id=pl.lit(f"session-{day}"),
            source_path=pl.lit(f"day-{day}.log"),
        )
        warehouse.commit([Batch(source, f"day-{day}.log", None, 10**9, None, day, conform(rows, CALLS), *nothing)])
    marker.touch()


def _day(chance: np.random.Generator, begin: datetime, calls: int) -> pl.DataFrame:
    model = chance.choice(len(MODELS), calls, p=[0.1, 0.4, 0.2, 0.15, 0.1, 0.05])
    story = chance.integers(0, 400, calls)
    good = chance.random(calls) > 0.01
    request = np.minimum(chance.lognormal(8, 1.2, calls), 200_000).astype(np.int64)
    response = np.minimum(chance.lognormal(5.5, 1, calls), 8_000).astype(np.int64)
    frame = pl.DataFrame(
        {
            "micros": np.sort(chance.integers(0, 86_400_000_000, calls)),
            "latency_ms": chance.lognormal(8.5, 0.7, calls),
            "success": good,
            "request_tokens": request,
            "response_tokens": response,
            "agent": chance.integers(0, 12, calls),
            "story": story,
            "source_offset": np.arange(calls) * 200,
        }
    )
    known = pl.col("success")
    total = pl.col("request_tokens") + pl.col("response_tokens")
    created = pl.lit(begin).cast(pl.Datetime("us", "UTC")) + pl.duration(microseconds="micros")
    return frame.with_columns(
        created_at=created,
        started_at=created - pl.duration(microseconds=(pl.col("latency_ms") * 1000).cast(pl.Int64)),
        model=MODELS.gather(model),
        provider=PROVIDERS.gather(model),
        agent_id=pl.format("coder-{}", "agent"),
        user_id=pl.format("user-{}", pl.col("agent") % 5),
        story_id=pl.when(pl.col("story") < 300).then(pl.format("story-{}", "story")),
        state=pl.lit("CODING"),
        ts_source=pl.lit("log"),
        token_source=pl.lit("provider"),
        format=pl.lit("maestro-log/V5"),
        error_type=pl.when(~known).then(pl.lit("rate_limit")),
        request_tokens=pl.when(known).then("request_tokens"),
        response_tokens=pl.when(known).then("response_tokens"),
        total_tokens=pl.when(known).then(total),
        cost_reported_usd=pl.when(known).then(total * 3 / 1_000_000),
        cost_usd=pl.when(known).then(total * 3 / 1_000_000),
        cost_source=pl.when(known).then(pl.lit("reported")),
    )
