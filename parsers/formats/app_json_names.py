"""The names that applications give to the fields of an LLM call when they log JSON lines: data, not code.

For each field of `calls.FIELDS` the keys that mean it, best first. They are looked for at the top of a record and in
the objects of `CONTAINERS`. Keys of one unit stand under their own name (`latency_s`).
"""

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
