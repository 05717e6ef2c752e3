"""Application logs in JSON lines (slog, zap, structlog, pino, zerolog, python-json-logger) that mention an LLM call.

    {"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"done","model":"gpt-4o","input_tokens":900,"output_tokens":40}

A line is a call if it names a model and counts tokens under one of the usual names, or says that there are none to
count (`null`) and why the call failed; `app_json_names` lists the names, and where they are looked for. Lines are
offered to this format after all others. Any other name needs a mapping file.

Times are ISO 8601 or a number since 1970 whose size gives its unit away; without an offset they are UTC. The time is
when the line was written, hence when the call finished. A latency counts if its name or its text gives the unit: zap
writes bare seconds, slog nanoseconds, pino milliseconds, all under the same names.

A line that sums up several calls (`SUMS`, `REQUESTS`), such as the result of a run or a day, is not a call itself.

Names don't say whether the prompt includes the cache. It is assumed to, as OpenAI counts, unless more tokens are cached
than the prompt has, or the cache is counted under the names of Anthropic's API. Responses are assumed to include
reasoning.
"""

import re
from dataclasses import replace

import polars as pl

from parsers.blocks.format import apart
from parsers.jsonl.decode import OWN
from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import HINTS, Shape, json_format, top_names
from parsers.rows.usage_objects import CONTAINERS, FAMILIES, Family, paid
from parsers.values.lenient import duration_ms

SUMS = ("ide", "jobs", "num_turns", "llm_calls", "total_calls", "modelUsage")
"""Keys of records that sum up several calls, such as the result of a run or of a session: these are not calls."""

REQUESTS = (
    *("requests", "num_requests", "n_requests", "request_count", "requests_count", "total_requests", "requestCount"),
    *("num_model_requests", "api_calls", "num_calls", "call_count", "callCount"),
)
"""Keys that say how many requests a record stands for: one of several, such as the sum of a day, is not a call."""

_TOP = ("", "extra.", "fields.")
"""Where the keys are: loggers put an application's fields at the top, below `extra` (Python) or `fields` (Rust)."""

_USAGE = tuple(f"{top}{name}" for name in ("", "llm.", *(f"{c}." for c in CONTAINERS), "llm.usage.") for top in _TOP)

MODEL = ("model", "model_name", "modelName", "model_id", "modelId", "llm_model", "llm.model", "gen_ai.request.model")

_LOOSE = Family(
    "application",
    request=("request_tokens", "prompt_tokens", "input_tokens", "tokens_in", "in_tokens", "promptTokens", "inputTokens",
             "tokensIn", "requestTokens", "input_token_count", "tokens.input", "tokens.prompt", "tokens.in"),
    response=("response_tokens", "completion_tokens", "output_tokens", "tokens_out", "out_tokens", "completionTokens",
              "outputTokens", "tokensOut", "responseTokens", "completion_token_count", "output_token_count",
              "tokens.output", "tokens.completion", "tokens.out"),
    cache_read=("cache_read_tokens", "cached_tokens", "cached_input_tokens", "cacheReadTokens", "cachedTokens",
                "tokens.cache_read", "tokens.cached"),
    cache_write=("cache_write_tokens", "cache_creation_tokens", "cacheWriteTokens", "tokens.cache_write"),
    reasoning=("reasoning_tokens", "thinking_tokens", "reasoningTokens", "tokens.reasoning"),
    total=("total_tokens", "totalTokens", "tokens_total", "tokens_used", "token_count", "tokens.total"),
)  # fmt: skip
"""The names that applications give to counts of their own."""

_LOOSE_APART = replace(
    _LOOSE, cache_read=("cache_read_input_tokens",), cache_write=("cache_creation_input_tokens",), cache_inside=False
)
"""The same where the cache is counted under the names of Anthropic's API, which leaves it out of the prompt."""

_FAMILIES = (*FAMILIES, _LOOSE, _LOOSE_APART)
_SPANS = {"request_tokens": "gen_ai.usage.input_tokens", "response_tokens": "gen_ai.usage.output_tokens"}
COUNTS = tuple(
    key
    for key in dict.fromkeys(key for f in _FAMILIES for key in (*f.request, *f.response, *f.total, *_SPANS.values()))
    if not key.endswith(".total") and not key.startswith("tokens.")  # words that many objects have
)
"""Any of these, with a model, makes a record a call."""

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


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False)


_LATENCIES = ("ms", "s", "us", "ns")
_TIMED = tuple(f"latency_{unit}" for unit in _LATENCIES)

_SHAPE = Shape(
    paths={
        **{name: _places(keys, _TOP) for name, keys in FIELDS.items()},
        "model": _places(MODEL, ("", "llm.", "extra.", "fields.")),
        "cost": _places(("cost_usd", "costUsd", "costUSD", "cost", "total_cost", "price"), _USAGE),
        "is_byok": _places(("is_byok",), _USAGE),
        "upstream_cost": _places(("cost_details.upstream_inference_cost",), _USAGE),
        **{name: _places((key,), _TOP) for name, key in _SPANS.items()},
        "stands_for": _places(REQUESTS, _TOP),
        "object": _places(("object",), _TOP),
    },
    meaning=Meaning(name="app-json"),
    derived={
        "cost": pl.when(pl.col("is_byok") == "true")
        .then(paid(_number("cost"), pl.col("is_byok"), _number("upstream_cost")).cast(pl.String))
        .otherwise("cost"),
        "latency": pl.coalesce(
            *(duration_ms(pl.col(f"latency_{unit}"), unit) for unit in _LATENCIES),
            duration_ms(pl.when(pl.col("latency_spelled").str.contains(r"[a-zµμ]$")).then("latency_spelled")),
        ).cast(pl.String),
    },
    internal=(
        *(f"latency_{unit}" for unit in _LATENCIES),
        "latency_spelled",
        "is_byok",
        "upstream_cost",
        "stands_for",
        "object",
    ),
    counts=~(
        (pl.col("stands_for").cast(pl.Float64, strict=False) > 1).fill_null(value=False)
        | pl.col("object").str.starts_with("organization.usage.").fill_null(value=False)
    ),
    usage=_USAGE,
    families=_FAMILIES,
)


def _any_key(keys: tuple[str, ...]) -> str:
    return "|".join(sorted({re.escape(key.rsplit(".", 1)[-1]) for key in keys} | {re.escape(k) for k in keys}))


_LINE = pl.col("line")

SUM = _LINE.str.contains(rf'{OWN}"(?:{"|".join(REQUESTS)})"\s*:\s*"?(?:[2-9]|1\d)') | _LINE.str.contains(
    r'"object"\s*:\s*"organization\.usage\.'
)
"""Whether a line says at its top that it stands for several requests: what `reconcile` is for."""

_COUNT = (
    rf'"(?:{_any_key(COUNTS)})"\s*:\s*(?:"?\d|\{{\s*"total")'
    r'|"tokens"\s*:\s*\{[^{}]*"(?:input|output|in|out|prompt|completion|total)"\s*:\s*"?\d'
)
_NO_COUNT = rf'"(?:{_any_key(COUNTS)}|tokens)"\s*:\s*null\b'
_FAILURE = (
    r'"(?:err|error|exception|error_message|error_type|error\.message|error\.type)"\s*:\s*(?:"[^"]|\{\s*"|true\b)'
)
_SUMMED = _LINE.str.contains(apart(rf'"(?:{_any_key(SUMS)})"\s*:'))
_OWN = json_format(
    "application logs in JSON lines",
    _SHAPE,
    claims=(_LINE.str.contains(apart(_COUNT)) | (_LINE.str.contains(_NO_COUNT) & _LINE.str.contains(_FAILURE)))
    & _LINE.str.contains(apart(rf'"(?:{_any_key(MODEL)})"\s*:\s*"[^"]'))
    & ~_SUMMED
    & ~SUM,
    hints=(*HINTS, "okens_", "okensIn", "okensOut", "eval_count", "predicted_n"),
    rank=3,
)
FORMAT = replace(_OWN, leaves=_SUMMED | SUM)

HEADER = replace(
    json_header(
        FORMAT,
        (
            MODEL,
            COUNTS,
            # Without any of these it may be a list of limits or prices.
            tuple(name for field in ("created_at", "request_id", "session_id", *_TIMED) for name in FIELDS[field]),
        ),
        reads=top_names(_SHAPE),
    ),
    unless=(*SUMS, *REQUESTS, "calls"),
    rank=3,
)
