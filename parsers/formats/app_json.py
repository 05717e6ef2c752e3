"""Application logs in JSON lines (slog, zap, structlog, pino, zerolog, python-json-logger) that mention an LLM call.

    {"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"done","model":"gpt-4o","input_tokens":900,"output_tokens":40}

A line is a call if it names a model and counts tokens under one of the usual names; `app_json_names` lists them, and
where they are looked for. Lines are offered to this format after all others. Any other name needs a mapping file.

Times are ISO 8601 or a number since 1970 whose size gives its unit away; without an offset they are UTC. The time is
when the line was written, hence when the call finished. A latency counts if its name or its text gives the unit: zap
writes bare seconds, slog nanoseconds, pino milliseconds, all under the same names.

A line that sums up several calls (`app_json_names.SUMS`), such as the result of a run, is not a call itself.

Names don't say whether the prompt includes the cache. It is assumed to, as OpenAI counts, unless more tokens are cached
than the prompt has, or the cache is counted under the names of Anthropic's API. Responses are assumed to include
reasoning.
"""

import re

import polars as pl

from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import HINTS, Shape, json_format, top_names
from parsers.values.lenient import duration_ms

SUMS = ("ide", "jobs", "num_turns", "llm_calls", "total_calls", "modelUsage")
"""Keys of records that sum up several calls, such as the result of a run or of a session: these are not calls."""

CONTAINERS = ("", "usage.", "llm.", "extra.", "fields.", "llm.usage.")
"""Where the keys are: loggers put an application's fields at the top, below `extra` (Python) or `fields` (Rust)."""

MODEL = ("model", "model_name", "modelName", "model_id", "modelId", "llm_model", "llm.model", "gen_ai.request.model")

COUNTS = {
    "request_tokens": (
        "request_tokens", "prompt_tokens", "input_tokens", "tokens_in", "in_tokens", "promptTokens", "inputTokens",
        "tokensIn", "requestTokens", "prompt_token_count", "input_token_count", "gen_ai.usage.input_tokens",
    ),
    "response_tokens": (
        "response_tokens", "completion_tokens", "output_tokens", "tokens_out", "out_tokens", "completionTokens",
        "outputTokens", "tokensOut", "responseTokens", "completion_token_count", "output_token_count",
        "gen_ai.usage.output_tokens",
    ),
    "total_tokens": ("total_tokens", "totalTokens", "tokens_total", "tokens_used", "token_count"),
}  # fmt: skip
"""Any of these, with a model, makes a record a call."""

PARTS = {
    "cache_read_tokens": (
        "cache_read_tokens",
        "cached_tokens",
        "cached_input_tokens",
        "cacheReadTokens",
        "cachedTokens",
    ),
    "cache_write_tokens": ("cache_write_tokens", "cache_creation_tokens", "cacheWriteTokens"),
    "reasoning_tokens": ("reasoning_tokens", "thinking_tokens", "reasoningTokens"),
    "anthropic_read": ("cache_read_input_tokens",),
    "anthropic_write": ("cache_creation_input_tokens",),
    "cost": ("cost_usd", "costUsd", "costUSD", "cost", "total_cost", "price"),
}
"""The names of Anthropic's own API stand apart, since there `input_tokens` leaves the cache out."""

FIELDS = {
    "created_at": ("timestamp", "time", "ts", "@timestamp", "asctime", "datetime", "created_at", "logged_at"),
    "provider": ("provider", "llm_provider", "llm.provider", "gen_ai.system"),
    "latency_ms": (
        "latency_ms",
        "duration_ms",
        "elapsed_ms",
        "response_time_ms",
        "latencyMs",
        "durationMs",
        "elapsedMs",
    ),
    "latency_s": ("latency_s", "duration_s", "elapsed_s", "latency_seconds", "duration_seconds", "elapsed_seconds"),
    "latency_us": ("latency_us", "duration_us"),
    "latency_ns": ("latency_ns", "duration_ns"),
    "latency_spelled": ("latency", "duration", "elapsed", "took"),
    "session_id": ("session_id", "sessionId", "conversation_id", "conversationId", "thread_id", "trace_id", "traceId"),
    "run_id": ("run_id", "runId", "job_id"),
    "request_id": ("request_id", "requestId", "req_id", "reqId", "response_id", "call_id"),
    "user_id": ("user_id", "userId", "user"),
    "account_id": ("account_id", "org_id", "tenant_id", "team_id", "accountId", "tenantId"),
    "agent_id": ("agent_id", "agentId", "agent", "agent_name", "bot_username"),
    "role": ("role",),
    "task": ("operation", "task", "endpoint", "purpose", "feature"),
    "host": ("hostname", "host"),
    "status": ("success", "ok", "status", "outcome", "level", "levelname", "severity"),
    "error": ("error", "err", "error_message", "error.message", "err.message", "exception"),
    "error_type": ("error_type", "error.type", "err.type", "error_code", "error.code"),
    "attempt": ("attempt", "attempt_number"),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "maxTokens"),
    "logger": ("logger", "logger_name", "name", "component"),
    "service": ("service", "service_name", "app"),
    "environment": ("environment", "env"),
}
"""Fields that any record may have: looked for at the top, below `extra` and below `fields` only."""


def _places(keys: tuple[str, ...], containers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the places of *keys*: `a.b` is looked for as one key and as two."""
    return tuple(
        f"{container}{text}"
        for container in containers
        for key in keys
        for text in ((f'"{key}"', key) if "." in key else (key,))
    )


_TOP = ("", "extra.", "fields.")
_LATENCIES = ("ms", "s", "us", "ns")
_TIMED = tuple(f"latency_{unit}" for unit in _LATENCIES)

_added = [pl.col(name).cast(pl.Int64, strict=False).fill_null(0) for name in ("anthropic_read", "anthropic_write")]
_beside = pl.any_horizontal(pl.col(name).is_not_null() for name in ("anthropic_read", "anthropic_write"))
_asked = pl.col("request_tokens").cast(pl.Int64, strict=False)

_SHAPE = Shape(
    paths={
        **{name: _places(keys, _TOP) for name, keys in FIELDS.items()},
        "model": _places(MODEL, ("", "llm.", "extra.", "fields.")),
        **{name: _places(keys, CONTAINERS) for name, keys in {**COUNTS, **PARTS}.items()},
    },
    meaning=Meaning(name="app-json"),
    derived={
        "request_tokens": pl.when(_beside)
        .then(pl.coalesce((_asked + pl.sum_horizontal(_added)).cast(pl.String), "request_tokens"))
        .otherwise("request_tokens"),
        "cache_read_tokens": pl.coalesce("anthropic_read", "cache_read_tokens"),
        "cache_write_tokens": pl.coalesce("anthropic_write", "cache_write_tokens"),
        "latency": pl.coalesce(
            *(duration_ms(pl.col(f"latency_{unit}"), unit) for unit in _LATENCIES),
            duration_ms(pl.when(pl.col("latency_spelled").str.contains(r"[a-zµμ]$")).then("latency_spelled")),
        ).cast(pl.String),
    },
    internal=("anthropic_read", "anthropic_write", *(f"latency_{unit}" for unit in _LATENCIES), "latency_spelled"),
)


def _any_key(keys: tuple[str, ...]) -> str:
    return (
        "(?:"
        + "|".join(sorted({re.escape(key.rsplit(".", 1)[-1]) for key in keys} | {re.escape(k) for k in keys}))
        + ")"
    )


_LINE = pl.col("line")

FORMAT = json_format(
    "application logs in JSON lines",
    _SHAPE,
    claims=_LINE.str.contains(f'"{_any_key(tuple(key for keys in COUNTS.values() for key in keys))}"\\s*:\\s*"?\\d')
    & _LINE.str.contains(f'"{_any_key(MODEL)}"\\s*:\\s*"[^"]')
    & ~_LINE.str.contains(f'"{_any_key(SUMS)}"\\s*:'),
    hints=(*HINTS, "okens_", "okensIn", "okensOut"),
    rank=3,
)

HEADER = json_header(
    FORMAT,
    (
        MODEL,
        tuple(name for names in COUNTS.values() for name in names),
        # Without any of these it may be a list of limits or prices.
        tuple(name for field in ("created_at", "request_id", "session_id", *_TIMED) for name in FIELDS[field]),
    ),
    reads=top_names(_SHAPE),
    unless=(*SUMS, "requests", "request_count", "num_requests", "num_model_requests", "calls"),
    rank=3,
)
