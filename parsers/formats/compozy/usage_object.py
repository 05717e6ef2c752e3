"""compozy's usage object, in each of its four spellings: the one place that knows them.

`input_tokens … cache_reads` (v0.2), `inputTokens … cacheReads` (its lean stream), `InputTokens … CacheReadTokens`
(session events of main), `input_tokens … cache_read_tokens` (the same over HTTP, and the table `token_usage`).

The Agent Client Protocol counts each kind of token apart, so the prompt is input + cache reads + cache writes, and the
response is output + thoughts. Agents that count otherwise give themselves away by their total, as everywhere. v0.2 adds
thoughts to the output itself, and its totals are those of the session so far, which contradict nothing.
"""

import polars as pl

from parsers.rows import usage_objects
from parsers.rows.token_counts import counted
from parsers.rows.usage_objects import Family

_FAMILY = Family(
    "acp",
    request=("input_tokens", "inputTokens", "InputTokens"),
    response=("output_tokens", "outputTokens", "OutputTokens"),
    total=("total_tokens", "totalTokens", "TotalTokens"),
    reasoning=("thought_tokens", "thoughtTokens", "ThoughtTokens"),
    cache_read=("cache_reads", "cacheReads", "cache_read_tokens", "cacheReadTokens", "CacheReadTokens"),
    cache_write=("cache_writes", "cacheWrites", "cache_write_tokens", "cacheWriteTokens", "CacheWriteTokens"),
    cache_inside=False,
    reasoning_inside=False,
)
_OTHERS = {
    "context_used": (pl.Int64, ("context_used", "contextUsed", "ContextUsed")),
    "context_size": (pl.Int64, ("context_size", "contextSize", "ContextSize")),
    "cost_amount": (pl.Float64, ("cost_amount", "costAmount", "CostAmount")),
    "cost_currency": (pl.String, ("cost_currency", "costCurrency", "CostCurrency")),
    "usage_turn": (pl.String, ("turn_id", "turnId", "TurnID")),
    "usage_time": (pl.String, ("timestamp", "Timestamp")),
}

USAGE_DTYPE = pl.Struct(
    {
        **dict.fromkeys(_FAMILY.places(), pl.Int64()),
        **{name: kind() for kind, names in _OTHERS.values() for name in names},
    }
)
"""Every field of a usage object, in every spelling: decode into this."""


def unfold(rows: pl.DataFrame, usage: str) -> pl.DataFrame:
    """Return *rows* with the fields of the column *usage* (`USAGE_DTYPE`): its counts, and `_OTHERS` by those names."""
    value = pl.col(usage).struct
    others = {name: pl.coalesce(value.field(spelt) for spelt in names) for name, (_, names) in _OTHERS.items()}
    return usage_objects.unfold(rows, usage, (_FAMILY,)).with_columns(**others)


def tokens(rows: pl.DataFrame, *, zeros_left_out: bool = False) -> pl.DataFrame:
    """Return *rows* with the token columns, from their counts. With *zeros_left_out*, an absent side is zero."""
    if zeros_left_out:
        counts = [name for name in ("request_tokens", "response_tokens", *_CACHE) if name in rows.columns]
        some = pl.any_horizontal(pl.lit(value=False), *(pl.col(name).is_not_null() for name in counts))
        given = {name: pl.col(name) if name in counts else pl.lit(None, pl.Int64) for name in _SIDES}
        rows = rows.with_columns(**{n: pl.when(some).then(value.fill_null(0)) for n, value in given.items()})
    return counted(rows, cache_inside=False, reasoning_inside=False)


_SIDES = ("request_tokens", "response_tokens")
_CACHE = ("cache_read_tokens", "cache_write_tokens")
