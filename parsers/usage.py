"""A provider's usage object → tokens: the one place that knows what each provider counts inside what.

| family | read from | prompt includes the cache | response includes reasoning |
| --- | --- | --- | --- |
| OpenAI chat (OpenRouter, LiteLLM, DeepSeek, vLLM) | `prompt_tokens`, `completion_tokens` | yes | yes |
| Anthropic | `input_tokens`, `output_tokens`, `cache_*_input_tokens` | no: added here | yes |
| OpenAI responses | `input_tokens`, `output_tokens`, `*_tokens_details` | yes | yes |
| Gemini (also snake_case) | `promptTokenCount`, `candidatesTokenCount` | yes; tool use added here | no: added here |
| Bedrock Converse | `inputTokens`, `outputTokens`, `cache*InputTokens` | no: added here | yes |

Anthropic and OpenAI responses share their key names: `input_tokens` counts without the cache unless there is
`input_tokens_details`, which only OpenAI writes; without any cache counts both are the same number.

Objects may hold the keys of several families as aliases of the same numbers: the first family that is there, in the
order of the table, is taken. What is absent is NULL, and so is what can't be a count (a negative number).
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
_Get = Callable[..., pl.Expr]


def tokens(usage: pl.Expr) -> Tokens:
    """Return the token columns of the schema for *usage*, an expression of type `USAGE_DTYPE`.

    `total_tokens` is their sum; where one side is unknown, the total that the provider gave.
    """
    get = _getter(usage)
    families = _families(get)
    present = [pl.any_horizontal(family[side].is_not_null() for side in _SIDES) for family in families]
    columns = {name: _first(present, [family[name] for family in families]) for name in _COLUMNS}
    given = pl.coalesce(get(name) for name in ("total_tokens", "totalTokenCount", "total_token_count", "totalTokens"))
    total = pl.coalesce(columns["request_tokens"] + columns["response_tokens"], given)
    return {**columns, "total_tokens": total}


def summed_tokens(usage: pl.Expr) -> Tokens:
    """Return the same for a sum over calls to several providers, by raw key: the families add up."""
    families = _families(_getter(usage))
    columns = {name: _added(*(family[name] for family in families)) for name in _COLUMNS}
    return {**columns, "total_tokens": columns["request_tokens"] + columns["response_tokens"]}


def details(usage: pl.Expr) -> Tokens:
    """Return what a usage object says that has no column of its own, as fields for `values.metadata`."""
    get = _getter(usage)
    return {
        "cache_write_5m_tokens": get("cache_creation", "ephemeral_5m_input_tokens"),
        "cache_write_1h_tokens": get("cache_creation", "ephemeral_1h_input_tokens"),
        "web_search_requests": get("server_tool_use", "web_search_requests"),
        "service_tier": usage.struct.field("service_tier"),
    }


def cost(usage: pl.Expr) -> pl.Expr:
    """Return what a usage object says that the call cost, in USD, as OpenRouter does; else NULL."""
    return usage.struct.field("cost")


_SIDES = ("request_tokens", "response_tokens")
_COLUMNS = ("request_tokens", "cache_read_tokens", "cache_write_tokens", "response_tokens", "reasoning_tokens")


def _families(get: _Get) -> list[Tokens]:
    return [
        _chat(get),
        _messages_or_responses(get),
        _gemini(
            get,
            "promptTokenCount toolUsePromptTokenCount cachedContentTokenCount",
            "candidatesTokenCount thoughtsTokenCount",
        ),
        _gemini(
            get,
            "prompt_token_count tool_use_prompt_token_count cached_content_token_count",
            "candidates_token_count thoughts_token_count",
        ),
        _bedrock(get),
    ]


def _chat(get: _Get) -> Tokens:
    """OpenAI chat, and LiteLLM and DeepSeek, which name the cache in ways of their own but include it all the same."""
    alone = get("input_tokens").is_null()  # else the cache counts beside them are Anthropic's
    named = [pl.when(alone).then(get(name)) for name in ("cache_read_input_tokens", "cache_creation_input_tokens")]
    read = pl.coalesce(get("prompt_tokens_details", "cached_tokens"), named[0], get("prompt_cache_hit_tokens"))
    write = pl.coalesce(get("prompt_tokens_details", "cache_write_tokens"), named[1])
    here = get("prompt_tokens").is_not_null() | get("completion_tokens").is_not_null()
    return {
        "request_tokens": get("prompt_tokens"),
        "cache_read_tokens": pl.when(here).then(read),
        "cache_write_tokens": pl.when(here).then(write),
        "response_tokens": get("completion_tokens"),
        "reasoning_tokens": pl.when(here).then(get("completion_tokens_details", "reasoning_tokens")),
    }


def _messages_or_responses(get: _Get) -> Tokens:
    prompt, read, write = get("input_tokens"), get("cache_read_input_tokens"), get("cache_creation_input_tokens")
    split = _added(
        get("cache_creation", "ephemeral_5m_input_tokens"), get("cache_creation", "ephemeral_1h_input_tokens")
    )
    write = pl.coalesce(write, split)
    inclusive = get("input_tokens_details", "cached_tokens").is_not_null()
    here = prompt.is_not_null() | get("output_tokens").is_not_null()
    thinking = (get("output_tokens_details", "reasoning_tokens"), get("output_tokens_details", "thinking_tokens"))
    return {
        "request_tokens": pl.when(inclusive).then(prompt).otherwise(prompt + read.fill_null(0) + write.fill_null(0)),
        "cache_read_tokens": pl.when(here).then(pl.coalesce(get("input_tokens_details", "cached_tokens"), read)),
        "cache_write_tokens": pl.when(here).then(pl.coalesce(get("input_tokens_details", "cache_write_tokens"), write)),
        "response_tokens": get("output_tokens"),
        "reasoning_tokens": pl.when(here).then(pl.coalesce(thinking)),
    }


def _gemini(get: _Get, prompt: str, response: str) -> Tokens:
    asked, tools, cached = (get(name) for name in prompt.split())
    visible, thoughts = (get(name) for name in response.split())
    return {
        "request_tokens": _added(asked, tools),
        "cache_read_tokens": cached,
        "cache_write_tokens": pl.lit(None, dtype=pl.Int64),
        "response_tokens": _added(visible, thoughts),
        "reasoning_tokens": thoughts,
    }


def _bedrock(get: _Get) -> Tokens:
    read, write = get("cacheReadInputTokens"), get("cacheWriteInputTokens")
    return {
        "request_tokens": get("inputTokens") + read.fill_null(0) + write.fill_null(0),
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "response_tokens": get("outputTokens"),
        "reasoning_tokens": pl.lit(None, dtype=pl.Int64),
    }


def _getter(usage: pl.Expr) -> _Get:
    def get(*path: str) -> pl.Expr:
        value = usage
        for name in path:
            value = value.struct.field(name)
        return pl.when(value >= 0).then(value)

    return get


def _first(present: list[pl.Expr], values: list[pl.Expr]) -> pl.Expr:
    """Return the value of the first family that is present; with `coalesce` a family could borrow from another."""
    chosen = pl.lit(None, dtype=pl.Int64)
    for here, value in zip(reversed(present), reversed(values), strict=True):
        chosen = pl.when(here).then(value).otherwise(chosen)
    return chosen


def _added(*parts: pl.Expr) -> pl.Expr:
    """Return the sum of *parts* that are known; NULL when none is."""
    some = pl.any_horizontal(part.is_not_null() for part in parts)
    return pl.when(some).then(pl.sum_horizontal(part.fill_null(0) for part in parts))
