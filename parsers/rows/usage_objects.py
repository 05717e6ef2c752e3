"""Usage objects of providers and their libraries: one table says where each family keeps what, and what that includes.

An object may hold the keys of several families as aliases of the same numbers: the first that is there, in the order of
`FAMILIES`, is taken. What is absent is NULL, and so is what can't be a count (a negative number). OpenAI's responses,
LangChain and Anthropic share `input_tokens`, and Vercel and Bedrock `inputTokens`: the names of their cached parts tell
which it is; without any, all mean the same. The arithmetic is in `token_counts`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import polars as pl

from parsers.rows.token_counts import COUNTS, SIDES, TOKENS, counted

_Keys = tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """Where a family of usage objects keeps its counts: keys, joined by dots, the best first.

    Attributes:
        name: who writes it.
        request: the prompt, and `tool`, which is prompt beside it.
        cache_read: what of the prompt came from the cache; `cache_write`, with its parts by lifetime, what went there.
        response: what was generated, and `reasoning`, a part of it.
        total: of all.
        cache_inside: whether `request` counts the cache.
        reasoning_inside: whether `response` counts the reasoning.
    """

    name: str
    request: _Keys
    response: _Keys
    cache_read: _Keys = ()
    cache_write: _Keys = ()
    cache_write_5m: _Keys = ()
    cache_write_1h: _Keys = ()
    reasoning: _Keys = ()
    total: _Keys = ()
    tool: _Keys = ()
    cache_inside: bool = True
    reasoning_inside: bool = True

    def places(self) -> Iterator[str]:
        """Return the places of all its counts."""
        for name in _ATTRIBUTES:
            yield from getattr(self, name)


_ATTRIBUTES = tuple(field.name for field in fields(Family) if f"{field.name}_tokens" in COUNTS)
"""Attributes of `Family` that say where a column of `token_counts` is."""

OPENAI = Family(
    "openai-chat",
    request=("prompt_tokens",),
    response=("completion_tokens",),
    cache_read=(
        "prompt_tokens_details.cached_tokens",
        "prompt_token_details.cached_tokens",
        "prompt_cache_hit_tokens",
        "cache_read_input_tokens",
        "num_cached_tokens",
        "cached_tokens",
    ),
    cache_write=("prompt_tokens_details.cache_write_tokens", "cache_creation_input_tokens"),
    reasoning=(
        "completion_tokens_details.reasoning_tokens",
        "completion_token_details.reasoning_tokens",
        "reasoning_tokens",
    ),
    total=("total_tokens",),
)
"""Also OpenRouter, LiteLLM, Mistral, DeepSeek, Groq, vLLM, SGLang, and LangChain's `token_usage`. The total of xAI
tells that its reasoning is outside."""

FAMILIES = (
    OPENAI,
    Family(
        "openai-responses",
        request=("input_tokens",),
        response=("output_tokens",),
        cache_read=("input_tokens_details.cached_tokens",),
        cache_write=("input_tokens_details.cache_write_tokens",),
        reasoning=("output_tokens_details.reasoning_tokens",),
        total=("total_tokens",),
    ),
    Family(
        "langchain",  # usage_metadata
        request=("input_tokens",),
        response=("output_tokens",),
        cache_read=("input_token_details.cache_read",),
        cache_write=("input_token_details.cache_creation",),
        cache_write_5m=("input_token_details.ephemeral_5m_input_tokens",),
        cache_write_1h=("input_token_details.ephemeral_1h_input_tokens",),
        reasoning=("output_token_details.reasoning",),
        total=("total_tokens",),
    ),
    Family(
        "anthropic",
        request=("input_tokens",),
        response=("output_tokens",),
        cache_read=("cache_read_input_tokens",),
        cache_write=("cache_creation_input_tokens",),
        cache_write_5m=("cache_creation.ephemeral_5m_input_tokens",),
        cache_write_1h=("cache_creation.ephemeral_1h_input_tokens",),
        reasoning=("output_tokens_details.thinking_tokens",),
        cache_inside=False,
    ),
    Family(
        "gemini",
        request=("promptTokenCount",),
        tool=("toolUsePromptTokenCount",),
        cache_read=("cachedContentTokenCount",),
        response=("candidatesTokenCount", "responseTokenCount"),
        reasoning=("thoughtsTokenCount",),
        total=("totalTokenCount",),
        reasoning_inside=False,
    ),
    Family(
        "gemini-snake",  # its Python library
        request=("prompt_token_count",),
        tool=("tool_use_prompt_token_count",),
        cache_read=("cached_content_token_count",),
        response=("candidates_token_count", "response_token_count"),
        reasoning=("thoughts_token_count",),
        total=("total_token_count",),
        reasoning_inside=False,
    ),
    Family(
        "vercel",  # AI SDK 5 and later
        request=("inputTokens", "inputTokens.total"),
        response=("outputTokens", "outputTokens.total"),
        cache_read=("cachedInputTokens", "inputTokenDetails.cacheReadTokens", "inputTokens.cacheRead"),
        cache_write=("inputTokenDetails.cacheWriteTokens", "inputTokens.cacheWrite"),
        reasoning=("reasoningTokens", "outputTokenDetails.reasoningTokens", "outputTokens.reasoning"),
        total=("totalTokens",),
    ),
    Family(
        "bedrock",
        request=("inputTokens",),
        response=("outputTokens",),
        cache_read=("cacheReadInputTokens", "cacheReadInputTokenCount"),
        cache_write=("cacheWriteInputTokens", "cacheWriteInputTokenCount"),
        total=("totalTokens",),
        cache_inside=False,
    ),
    Family(
        "vercel-4",  # and LangChain's `tokenUsage` in JavaScript
        request=("promptTokens",),
        response=("completionTokens",),
        cache_read=("cachedPromptTokens",),
        total=("totalTokens",),
    ),
    Family(
        "cohere",
        request=("tokens.input_tokens", "billed_units.input_tokens"),
        response=("tokens.output_tokens", "billed_units.output_tokens"),
    ),
    Family("ollama", request=("prompt_eval_count",), response=("eval_count",)),
    Family(
        "llama.cpp",
        request=("timings.prompt_n",),
        response=("timings.predicted_n",),
        cache_read=("timings.cache_n",),
        cache_inside=False,  # `prompt_n` is what was processed
    ),
    Family("llama.cpp-completion", request=("tokens_evaluated",), response=("tokens_predicted",)),
)
"""Every family that is known, the one that is asked first first."""  # fmt: skip

KEYS = tuple(dict.fromkeys(key for family in FAMILIES for key in family.places()))
"""The places of all counts of a usage object."""


def keys_of(families: tuple[Family, ...]) -> dict[str, _Keys]:
    """Return where *families* keep each column of `token_counts`, the best place first."""
    return {
        f"{name}_tokens": tuple(dict.fromkeys(key for family in families for key in getattr(family, name)))
        for name in _ATTRIBUTES
    }


CONTAINERS = ("usage", "usage_metadata", "usageMetadata", "token_usage", "tokenUsage", "llm_usage")
"""What applications and libraries call a usage object."""

_OTHERS = {
    "cost": pl.Float64,
    "is_byok": pl.String,
    "cost_details.upstream_inference_cost": pl.Float64,
    "service_tier": pl.String,
    "server_tool_use.web_search_requests": pl.Int64,
    "server_tool_use.web_fetch_requests": pl.Int64,
    "prompt_cache_miss_tokens": pl.Int64,
    "completion_tokens_details.accepted_prediction_tokens": pl.Int64,
    "completion_tokens_details.rejected_prediction_tokens": pl.Int64,
}
"""What else is known of usage objects."""


def _dtype(leaves: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.Struct:
    below: dict[str, dict[str, pl.DataType | type[pl.DataType]]] = {}
    for path, kind in leaves.items():
        key, _, rest = path.partition(".")
        below.setdefault(key, {})
        if rest:
            below[key][rest] = kind
    return pl.Struct({key: _dtype(more) if more else leaves[key] for key, more in below.items()})


USAGE_DTYPE = _dtype(
    {**{key: pl.Int64 for key in KEYS if key.rpartition(".")[0] not in KEYS}, **_OTHERS}  # some
)
"""Every field of a usage object that is read, of all families: decode into this."""


def parts(
    get: Callable[[str], pl.Expr], have: Collection[str], families: tuple[Family, ...] = FAMILIES
) -> dict[str, pl.Expr]:
    """Return the columns of `token_counts` for usage objects that hold the keys *have*; *get* reads one of them.

    Keys that no record of a block has are not in *have*: expressions stay small, since planning large ones takes long.
    """
    columns = {
        column: pl.coalesce(get(key) for key in keys if key in have)
        for column, keys in keys_of(families).items()
        if any(key in have for key in keys)
    }
    for side, attributes in zip(
        SIDES, (("cache_read", "cache_write", "cache_write_5m", "cache_write_1h"), ("reasoning",)), strict=True
    ):
        told = []
        for family in families:
            whole = [key for key in (*family.request, *family.response) if key in have]
            part = [key for name in attributes for key in getattr(family, name) if key in have]
            if whole and part:
                there = [pl.any_horizontal(get(key).is_not_null() for key in keys) for keys in (whole, part)]
                told.append(pl.when(there[0] & there[1]).then(pl.lit(getattr(family, side))))
            elif part and side == "reasoning_inside":  # Gemini, blocked after it thought
                told.append(
                    pl.when(pl.any_horizontal(get(key).is_not_null() for key in part)).then(
                        pl.lit(getattr(family, side))
                    )
                )
        if told:
            columns[side] = pl.coalesce(told)
    return columns


def unfold(rows: pl.DataFrame, usage: str, families: tuple[Family, ...] = FAMILIES) -> pl.DataFrame:
    """Return *rows* with the counts of the column *usage*, a struct, as columns of `token_counts`."""
    keys = dict.fromkeys(key for family in families for key in family.places() if key.rpartition(".")[0] not in KEYS)
    flat = rows.select(_at(pl.col(usage), key).alias(key) for key in keys)
    there = [column.name for column in flat if column.null_count() < len(column)]
    # An unsigned number can't hold a negative one, so that it becomes NULL.
    flat = flat.select(pl.col(there).cast(pl.UInt64, strict=False).cast(pl.Int64, strict=False))
    return rows.hstack(flat.select(value.alias(name) for name, value in parts(pl.col, there, families).items()))


def tokens(rows: pl.DataFrame, usage: str) -> pl.DataFrame:
    """Return *rows* with the token columns of the schema, `token_source` among them, of the column *usage*."""
    return counted(unfold(rows, usage))


def summed_tokens(rows: pl.DataFrame, usage: str) -> pl.DataFrame:
    """Return the same for sums over calls to several providers, by raw key: what the families count adds up."""
    each = [counted(unfold(rows.select(usage), usage, families)).select(TOKENS) for families in _APART]
    sums = {}
    for name in TOKENS:
        values = pl.DataFrame([found[name].alias(str(i)) for i, found in enumerate(each)])
        some = pl.any_horizontal(pl.all().is_not_null())
        sums[name] = values.select(pl.when(some).then(pl.sum_horizontal(pl.all()))).to_series()
    source = pl.when(pl.col("total_tokens").is_not_null()).then(pl.lit("provider"))
    return rows.with_columns(**sums).with_columns(token_source=source)


def _apart() -> list[tuple[Family, ...]]:
    """Return the families that share no key, for sums: no total is of one of them, and an alias is its owner's."""
    owners = {
        getattr(family, name)[0]: family.request[0]
        for family in FAMILIES
        for name in _ATTRIBUTES
        if getattr(family, name)
    }
    apart: dict[str, list[Family]] = {}
    for family in FAMILIES:
        root = family.request[0]
        own: dict[str, Any] = {
            name: tuple(key for key in getattr(family, name) if name != "total" and owners.get(key, root) == root)
            for name in _ATTRIBUTES
        }
        apart.setdefault(root, []).append(replace(family, **own))
    return [tuple(families) for families in apart.values()]


_APART = _apart()


def details(usage: pl.Expr) -> dict[str, pl.Expr]:
    """Return what a usage object says that has no column of its own, as fields for `values.metadata`."""
    return {
        "cache_write_5m_tokens": _at(usage, "cache_creation.ephemeral_5m_input_tokens"),
        "cache_write_1h_tokens": _at(usage, "cache_creation.ephemeral_1h_input_tokens"),
        "web_search_requests": _at(usage, "server_tool_use.web_search_requests"),
        "service_tier": _at(usage, "service_tier"),
    }


def cost(usage: pl.Expr) -> pl.Expr:
    """Return what a usage object says that the call cost, in USD, as OpenRouter does; else NULL."""
    field = usage.struct.field
    return paid(field("cost"), field("is_byok"), _at(usage, "cost_details.upstream_inference_cost"))


def paid(cost: pl.Expr, is_byok: pl.Expr, upstream: pl.Expr) -> pl.Expr:
    """Return what a call cost at OpenRouter: with a key of one's own what the provider charges comes on top.

    Otherwise *cost* has it already. What a provider charges that isn't told is unknown, and so is the whole.
    """
    own_key = (is_byok == "true").fill_null(value=False)
    return pl.when(own_key).then(cost.fill_null(0) + upstream).otherwise(cost)


def _at(usage: pl.Expr, path: str) -> pl.Expr:
    for key in path.split("."):
        usage = usage.struct.field(key)
    return usage


UNIQUE = {
    "openai-chat": r"^(?:chatcmpl|gen)-[0-9A-Za-z_-]{16,}$",
    "openai-responses": r"^resp_[0-9A-Za-z_]{16,}$",
    "anthropic": r"^msg_[0-9A-Za-z_]{16,}$",
}
"""Identifiers of responses that are unique in the world, by variant."""
