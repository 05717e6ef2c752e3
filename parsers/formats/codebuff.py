"""Chats of Codebuff: `~/.config/manicode/projects/*/chats/*/chat-messages.json`, one array each.

    {"id":"…","role":"assistant","text":"…","timestamp":"2026-01-02T03:04:06.000Z","credits":1.25,
     "metadata":{"model":"claude-sonnet-4-5","usage":{"inputTokens":100,"outputTokens":50}}}

Messages of the assistant (`role`, or `variant`: `ai`, `agent`) with a usage in `metadata`, or below
`metadata.codebuff`, are calls. Its names are Anthropic's, which leave the cache out of the input, or OpenAI's, which
don't; in both spellings. `credits` are Codebuff's own money. The session is only in the names of the folders. The array
is written anew whenever it grows: `dedupe_key` is `codebuff:<id>:<time>`.
"""

import polars as pl

from parsers.blocks.format import apart
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format

_LINE = pl.col("line")


def _usage(*keys: str) -> tuple[str, ...]:
    return tuple(f"metadata.{above}usage.{key}" for above in ("", "codebuff.") for key in keys)


def _count(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64, strict=False)


_read, _written = (_count(name).fill_null(0) for name in ("cache_read_tokens", "cache_write_tokens"))
_whole = _count("input_tokens") + _count("response_tokens") == _count("total_tokens")

_SHAPE = Shape(
    paths={
        "created_at": ("timestamp", "createdAt", "metadata.timestamp"),
        "model": ("metadata.model", "metadata.codebuff.model", *_usage("model")),
        "request_tokens": _usage("promptTokens", "prompt_tokens"),
        "input_tokens": _usage("inputTokens", "input_tokens"),
        "response_tokens": _usage("outputTokens", "output_tokens", "completionTokens", "completion_tokens"),
        "cache_read_tokens": _usage(
            "cacheReadInputTokens", "cache_read_input_tokens",
            "promptTokensDetails.cachedTokens", "prompt_tokens_details.cached_tokens",
        ),
        "cache_write_tokens": _usage(
            "cacheCreationInputTokens", "cache_creation_input_tokens", "cacheCreationTokens", "cache_creation_tokens",
            "cachedTokensCreated", "cached_tokens_created",
        ),
        "total_tokens": _usage("totalTokens", "total_tokens", "total"),
        "request_id": ("id",),
        "credits": ("credits", *_usage("credits")),
    },
    passed_over=("role", "variant"),
    meaning=Meaning(name="codebuff", requires=(("request_tokens", "response_tokens", "total_tokens"),)),
    derived={
        # Anthropic's names leave the cache out, unless the total says that they don't.
        "request_tokens": pl.coalesce(
            "request_tokens",
            pl.when(_whole.fill_null(value=False)).then("input_tokens"),
            (_count("input_tokens") + _read + _written).cast(pl.String),
        ),
        "dedupe_key": pl.concat_str(pl.lit("codebuff"), "request_id", "created_at", separator=":"),
    },
    counts=pl.any_horizontal(
        pl.col(name).is_not_null() for name in ("request_tokens", "input_tokens", "response_tokens", "total_tokens")
    ),
    internal=("input_tokens",),
)  # fmt: skip

FORMAT = json_format(
    "Codebuff chats",
    _SHAPE,
    claims=_LINE.str.contains(apart(r'"(?:role|variant)"\s*:\s*"(?:assistant|ai|agent)"'))
    & _LINE.str.contains(r'"metadata"\s*:\s*\{')
    & _LINE.str.contains(r'"usage"\s*:\s*\{')
    & _LINE.str.contains(apart(r'"(?:credits|codebuff)"\s*:')),
    hints=('"credits"', '"codebuff"'),
)
