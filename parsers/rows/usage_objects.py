"""A provider's usage object → tokens: the one place that knows which counts include which.

| family | read from | prompt includes the cache | response includes reasoning |
| --- | --- | --- | --- |
| OpenAI chat (OpenRouter, LiteLLM, DeepSeek, vLLM) | `prompt_tokens`, `completion_tokens` | yes | yes |
| Anthropic | `input_tokens`, `output_tokens`, `cache_*_input_tokens` | no: added here | yes |
| OpenAI responses | `input_tokens`, `output_tokens`, `*_tokens_details` | yes | yes |
| Gemini (also snake_case) | `promptTokenCount`, `candidatesTokenCount` | yes; tool use added here | no: added here |
| Bedrock Converse | `inputTokens`, `outputTokens`, `cache*InputTokens` | no: added here | yes |

Anthropic and OpenAI responses share their key names: `input_tokens` counts without the cache unless there is
`input_tokens_details`, which only OpenAI writes; without any cache counts both are the same number.

Objects may hold the keys of several families as aliases of the same numbers: the first that is there, in the order of
the table, is taken. What is absent is NULL, and so is what can't be a count (a negative number).
"""

from collections.abc import Callable

import polars as pl

_PROMPT_DETAILS = pl.Struct({"cached_tokens": pl.Int64, "cache_write_tokens": pl.Int64, "audio_tokens": pl.Int64})
_RESPONSE_DETAILS = pl.Struct(
    {
        "reasoning_tokens": pl.Int64,
        "thinking_tokens": pl.Int64,
        "audio_tokens": pl.Int64,
        "accepted_prediction_tokens": pl.Int64,
        "rejected_prediction_tokens": pl.Int64,
    }
)

USAGE_DTYPE = pl.Struct(
    {
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
        "total_tokens": pl.Int64,
        "prompt_tokens_details": _PROMPT_DETAILS,
        "completion_tokens_details": _RESPONSE_DETAILS,
        "prompt_cache_hit_tokens": pl.Int64,
        "prompt_cache_miss_tokens": pl.Int64,
        "cost": pl.Float64,
        "input_tokens": pl.Int64,
        "output_tokens": pl.Int64,
        "cache_read_input_tokens": pl.Int64,
        "cache_creation_input_tokens": pl.Int64,
        "cache_creation": pl.Struct({"ephemeral_5m_input_tokens": pl.Int64, "ephemeral_1h_input_tokens": pl.Int64}),
        "input_tokens_details": _PROMPT_DETAILS,
        "output_tokens_details": _RESPONSE_DETAILS,
        "server_tool_use": pl.Struct({"web_search_requests": pl.Int64, "web_fetch_requests": pl.Int64}),
        "service_tier": pl.String,
        "promptTokenCount": pl.Int64,
        "cachedContentTokenCount": pl.Int64,
        "toolUsePromptTokenCount": pl.Int64,
        "candidatesTokenCount": pl.Int64,
        "thoughtsTokenCount": pl.Int64,
        "totalTokenCount": pl.Int64,
        "prompt_token_count": pl.Int64,
        "cached_content_token_count": pl.Int64,
        "tool_use_prompt_token_count": pl.Int64,
        "candidates_token_count": pl.Int64,
        "thoughts_token_count": pl.Int64,
        "total_token_count": pl.Int64,
        "inputTokens": pl.Int64,
        "outputTokens": pl.Int64,
        "totalTokens": pl.Int64,
        "cacheReadInputTokens": pl.Int64,
        "cacheWriteInputTokens": pl.Int64,
    }
)
"""Every field of a usage object that is read, of all families: decode into this."""

Tokens = dict[str, pl.Expr]
_Get = Callable[[str], pl.Expr]
_Combine = Callable[..., pl.Expr]


def tokens(usage: pl.Expr) -> Tokens:
    """Return the token columns of the schema for *usage*, an expression of type `USAGE_DTYPE`.

    `total_tokens` is their sum; where one side is unknown, the total that the provider gave.
    """
    get = _getter(usage)
    columns = _columns(get, pl.coalesce)
    given = pl.coalesce(get(name) for name in ("total_tokens", "totalTokenCount", "total_token_count", "totalTokens"))
    total = pl.coalesce(columns["request_tokens"] + columns["response_tokens"], given)
    return {**columns, "total_tokens": total}


def summed_tokens(usage: pl.Expr) -> Tokens:
    """Return the same for a sum over calls to several providers, by raw key: the families add up."""
    columns = _columns(_getter(usage), _added)
    return {**columns, "total_tokens": columns["request_tokens"] + columns["response_tokens"]}


def details(usage: pl.Expr) -> Tokens:
    """Return what a usage object says that has no column of its own, as fields for `values.metadata`."""
    get = _getter(usage)
    return {
        "cache_write_5m_tokens": get("cache_creation.ephemeral_5m_input_tokens"),
        "cache_write_1h_tokens": get("cache_creation.ephemeral_1h_input_tokens"),
        "web_search_requests": get("server_tool_use.web_search_requests"),
        "service_tier": usage.struct.field("service_tier"),
    }


def cost(usage: pl.Expr) -> pl.Expr:
    """Return what a usage object says that the call cost, in USD, as OpenRouter does; else NULL."""
    return usage.struct.field("cost")


def _columns(get: _Get, combine: _Combine) -> Tokens:
    """Return what all families say, combined. Expressions stay small: planning large ones takes longer than they do."""
    read, write = get("cache_read_input_tokens"), pl.coalesce(get("cache_creation_input_tokens"), _written(get))
    thinking = "output_tokens_details.reasoning_tokens", "output_tokens_details.thinking_tokens"
    # Nothing is to be added where `input_tokens_details` shows that the cache is included.
    apart = pl.coalesce(get("input_tokens_details.cached_tokens") * 0, read.fill_null(0) + write.fill_null(0))
    cached = get("cacheReadInputTokens").fill_null(0) + get("cacheWriteInputTokens").fill_null(0)
    return {
        "request_tokens": combine(
            get("prompt_tokens"),
            get("input_tokens") + apart,
            _added(get("promptTokenCount"), get("toolUsePromptTokenCount")),
            _added(get("prompt_token_count"), get("tool_use_prompt_token_count")),
            get("inputTokens") + cached,
        ),
        "cache_read_tokens": combine(
            pl.coalesce(get("prompt_tokens_details.cached_tokens"), get("prompt_cache_hit_tokens")),
            pl.coalesce(get("input_tokens_details.cached_tokens"), read),
            *(get(name) for name in ("cachedContentTokenCount", "cached_content_token_count", "cacheReadInputTokens")),
        ),
        "cache_write_tokens": combine(
            get("prompt_tokens_details.cache_write_tokens"),
            pl.coalesce(get("input_tokens_details.cache_write_tokens"), write),
            get("cacheWriteInputTokens"),
        ),
        "response_tokens": combine(
            get("completion_tokens"),
            get("output_tokens"),
            _added(get("candidatesTokenCount"), get("thoughtsTokenCount")),
            _added(get("candidates_token_count"), get("thoughts_token_count")),
            get("outputTokens"),
        ),
        "reasoning_tokens": combine(
            get("completion_tokens_details.reasoning_tokens"),
            pl.coalesce(get(name) for name in thinking),
            *(get(name) for name in ("thoughtsTokenCount", "thoughts_token_count")),
        ),
    }


def _written(get: _Get) -> pl.Expr:
    return _added(get("cache_creation.ephemeral_5m_input_tokens"), get("cache_creation.ephemeral_1h_input_tokens"))


def _getter(usage: pl.Expr) -> _Get:
    def get(path: str) -> pl.Expr:
        value = usage
        for name in path.split("."):
            value = value.struct.field(name)
        # An unsigned number can't hold a negative one, so that it becomes NULL.
        return value.cast(pl.UInt64, strict=False).cast(pl.Int64, strict=False)

    return get


def _added(*parts: pl.Expr) -> pl.Expr:
    """Return the sum of *parts* that are known; NULL when none is."""
    some = pl.coalesce(parts).is_not_null()
    return pl.when(some).then(pl.sum_horizontal(parts))


UNIQUE = {
    "openai-chat": r"^(?:chatcmpl|gen)-[\w-]{16,}$",
    "openai-responses": r"^resp_\w{16,}$",
    "anthropic": r"^msg_\w{16,}$",
}
"""Identifiers of responses that are unique in the world, by variant."""
