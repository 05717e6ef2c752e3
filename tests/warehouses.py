"""Small warehouses for the tests of queries: real Delta tables, from rows or from the sample log."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from deltalake import write_deltalake

from parsers import FORMATS, Block, parse
from parsers.schema import TABLES, conform, polars_schema

FIXTURES = Path(__file__).parent.parent / "fixtures"


def at(text: str) -> datetime:
    """Return a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def call(when: str | datetime, tokens: int | None = 100, *, latency_s: float | None = 1, **columns) -> dict:
    """Return a row of llm_calls; what is not said has a sensible value."""
    created_at = at(when) if isinstance(when, str) else when
    cost = None if tokens is None else tokens / 1_000_000
    return {
        "created_at": created_at,
        "started_at": None if latency_s is None else created_at - timedelta(seconds=latency_s),
        "latency_ms": None if latency_s is None else latency_s * 1000,
        "model": "gpt-5.2",
        "provider": "openai",
        "agent_id": "coder-001",
        "success": tokens is not None,
        "request_tokens": None if tokens is None else tokens - tokens // 10,
        "response_tokens": None if tokens is None else tokens // 10,
        "total_tokens": tokens,
        "token_source": "provider",
        "cost_reported_usd": cost,
        "cost_usd": cost,
        "format": "maestro-log/V4",
        "source_id": "s1",
        "source_path": "logs/maestro.log",
        "source_offset": int(created_at.timestamp() * 1000) % 10_000_000,
    } | columns


def event(when: str, kind: str, **columns) -> dict:
    return {"created_at": at(when), "kind": kind, "format": "maestro-log/V4", "source_id": "s1"} | columns


def build(folder: Path, **rows: list[dict] | pl.DataFrame) -> Path:
    """Write *rows* of tables into *folder*, and empty tables for the others; a second time appends."""
    for name, columns in TABLES.items():
        given = rows.get(name, [])
        if not isinstance(given, pl.DataFrame):
            given = pl.DataFrame(given, schema_overrides=polars_schema(columns), infer_schema_length=None)
        _write(folder, name, conform(given, columns))
    return folder


def sample(folder: Path) -> Path:
    """Write the sample log as a warehouse."""
    parsed = parse(Block((FIXTURES / "rc3" / "maestro.log").read_bytes(), 0, sealed=True), FORMATS)
    provenance = {"source_id": pl.lit("rc3"), "source_path": pl.lit("maestro.log")}
    for name, frame in (("llm_calls", parsed.calls), ("llm_events", parsed.events), ("rejects", parsed.rejects)):
        known = frame.with_columns(**provenance)
        if name == "llm_calls":
            known = known.with_columns(cost_usd="cost_reported_usd")
        _write(folder, name, conform(known, TABLES[name]))
    return folder


def _write(folder: Path, name: str, frame: pl.DataFrame) -> None:
    dated = frame.with_columns(date=pl.col(frame.columns[0]).dt.date())
    write_deltalake(str(folder / name), dated.to_arrow(), mode="append", partition_by=["date"])
