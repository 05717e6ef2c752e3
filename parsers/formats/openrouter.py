"""OpenRouter's records of single generations: rows of its activity export, and answers of its API.

    {"generation_id":"gen-…","created_at":"2026-01-01 00:00:00.040","cost_total":0.0123,"tokens_prompt":1000,
     "tokens_completion":200,"tokens_reasoning":50,"tokens_cached":300,"model_permaslug":"openai/gpt-4.1-2025-04-14",
     "provider_name":"OpenAI","cancelled":false,"generation_time_ms":2345}
    {"data":{"id":"gen-…","model":"openai/gpt-4.1","native_tokens_prompt":1000,"native_tokens_completion":200,
     "native_tokens_reasoning":50,"native_tokens_cached":300,"total_cost":0.0123,"created_at":"…","latency":2345}}

The total cost is what the call cost; the other costs are parts of it. Native tokens are the provider's own count, which
is what is paid for; `tokens_…` of the API are counted by one tokenizer for all models, so they stand in only where
there are no native ones. Cached tokens are of the prompt, those of reasoning of the completion. An application that
logs the response itself has the same `id`: both are one call.
"""

import polars as pl

from parsers.blocks.format import apart
from parsers.rows.by_header import json_header
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format, top_names
from parsers.rows.usage_objects import UNIQUE, paid


def _places(*keys: str) -> tuple[str, ...]:
    return (*keys, *(f"data.{key}" for key in keys))


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64, strict=False)


_SHAPE = Shape(
    paths={
        "created_at": _places("created_at"),
        "model": _places("model_permaslug", "model"),
        "provider": _places("provider_name"),
        "request_tokens": _places("native_tokens_prompt", "tokens_prompt"),
        "cache_read_tokens": _places("native_tokens_cached", "tokens_cached"),
        "response_tokens": _places("native_tokens_completion", "tokens_completion"),
        "reasoning_tokens": _places("native_tokens_reasoning", "tokens_reasoning"),
        "cost": _places("cost_total", "total_cost"),
        "is_byok": _places("is_byok"),
        "upstream_cost": _places("upstream_inference_cost"),
        "latency": _places("generation_time_ms", "latency", "generation_time"),
        "request_id": _places("generation_id", "id"),
        "user_id": _places("user", "external_user"),
        "cancelled": _places("cancelled"),
        "finish_reason": _places("finish_reason_normalized", "finish_reason"),
        "app_name": _places("app_name"),
        "api_key_name": _places("api_key_name"),
    },
    meaning=Meaning(name="openrouter"),
    internal=("cancelled", "is_byok", "upstream_cost"),
    derived={
        "cost": paid(_number("cost"), pl.col("is_byok").str.to_lowercase(), _number("upstream_cost")).cast(pl.String),
        "provider": pl.col("provider").str.to_lowercase(),
        "status": pl.when(pl.col("cancelled").str.to_lowercase() == "true")
        .then(pl.lit("cancelled"))
        .when(pl.col("finish_reason") == "error")
        .then(pl.lit("error")),
        "dedupe_key": pl.coalesce(
            pl.when(pl.col("request_id").str.contains(UNIQUE["openai-chat"])).then(
                pl.lit("openai-chat:") + pl.col("request_id")
            ),
            pl.lit("openrouter:") + pl.col("request_id"),
        ),
    },
)

_LINE = pl.col("line")

FORMAT = json_format(
    "OpenRouter's records of generations",
    _SHAPE,
    claims=_LINE.str.contains(r'"tokens_prompt"\s*:')
    & _LINE.str.contains(apart(r'"(?:generation_id|total_cost)"\s*:')),
    hints=('"tokens_prompt"',),
)

HEADER = json_header(
    FORMAT,
    (("tokens_prompt", "native_tokens_prompt"), ("generation_id", "id"), ("model_permaslug", "model")),
    reads=top_names(_SHAPE),
)
