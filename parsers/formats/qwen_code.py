"""Qwen Code's chats: `~/.qwen/projects/*/chats/*.jsonl`, of which lines of the assistant hold Gemini's usage.

    {"uuid":"…","type":"assistant","model":"qwen3-coder-plus","timestamp":"2026-02-23T14:24:56.857Z","sessionId":"…",
     "cwd":"…","message":{"role":"model","parts":[…]},"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":50,
     "thoughtsTokenCount":0,"totalTokenCount":150,"cachedContentTokenCount":5}}

The prompt includes the cache. Thoughts are beside the candidates, as Gemini counts, unless the total says that they are
among them: most models are asked through APIs that count so. Forked sessions copy lines: `dedupe_key` is the line's id.
"""

import polars as pl

from parsers.rows.calls import Meaning
from parsers.rows.json_shape import Shape, json_format

_LINE = pl.col("line")


def _count(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64, strict=False)


_asked, _answered, _thought = (
    _count("request_tokens") + _count("tool_tokens").fill_null(0),
    _count("response_tokens"),
    _count("reasoning_tokens").fill_null(0),
)
_among = (_asked + _answered == _count("total_tokens")).fill_null(value=False)

_SHAPE = Shape(
    paths={
        "created_at": ("timestamp",),
        "model": ("model",),
        "request_tokens": ("usageMetadata.promptTokenCount",),
        "tool_tokens": ("usageMetadata.toolUsePromptTokenCount",),
        "cache_read_tokens": ("usageMetadata.cachedContentTokenCount",),
        "response_tokens": ("usageMetadata.candidatesTokenCount",),
        "reasoning_tokens": ("usageMetadata.thoughtsTokenCount",),
        "total_tokens": ("usageMetadata.totalTokenCount",),
        "session_id": ("sessionId",),
        "project": ("cwd",),
        "request_id": ("uuid",),
        "version": ("version",),
        "git_branch": ("gitBranch",),
    },
    passed_over=("type", "parentUuid", "userType", "message.role"),
    meaning=Meaning(name="qwen-code", dedupe="qwen-code"),
    derived={
        "request_tokens": pl.coalesce(_asked.cast(pl.String), "request_tokens"),
        "response_tokens": pl.coalesce(
            pl.when(_among).then(_answered).otherwise(_answered + _thought).cast(pl.String), "response_tokens"
        ),
    },
    internal=("tool_tokens",),
)

FORMAT = json_format(
    "Qwen Code chats",
    _SHAPE,
    claims=_LINE.str.contains(r'"type"\s*:\s*"assistant"')
    & _LINE.str.contains(r'"usageMetadata"\s*:\s*\{')
    & _LINE.str.contains(r'"sessionId"\s*:'),
    hints=('okenCount"',),
)
