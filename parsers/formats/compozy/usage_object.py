"""compozy's usage object, in each of its four spellings: the one place that knows them.

`input_tokens … cache_reads` (v0.2), `inputTokens … cacheReads` (its lean stream), `InputTokens … CacheReadTokens`
(session events of main), `input_tokens … cache_read_tokens` (the same over HTTP, and the table `token_usage`).

The Agent Client Protocol counts each kind of token apart, so the prompt is input + cache reads + cache writes, and the
response is output + thoughts. Agents that count otherwise give themselves away by their total: when it equals input +
output while there are cache reads or thoughts, these are parts of the two. v0.2 adds thoughts to the output itself.
"""

from collections.abc import Callable, Mapping

import polars as pl

_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "input": ("input_tokens", "inputTokens", "InputTokens"),
    "output": ("output_tokens", "outputTokens", "OutputTokens"),
    "total": ("total_tokens", "totalTokens", "TotalTokens"),
    "thought": ("thought_tokens", "thoughtTokens", "ThoughtTokens"),
    "cache_read": ("cache_reads", "cacheReads", "cache_read_tokens", "cacheReadTokens", "CacheReadTokens"),
    "cache_write": ("cache_writes", "cacheWrites", "cache_write_tokens", "cacheWriteTokens", "CacheWriteTokens"),
    "context_used": ("context_used", "contextUsed", "ContextUsed"),
    "context_size": ("context_size", "contextSize", "ContextSize"),
    "cost_amount": ("cost_amount", "costAmount", "CostAmount"),
    "cost_currency": ("cost_currency", "costCurrency", "CostCurrency"),
    "turn_id": ("turn_id", "turnId", "TurnID"),
    "timestamp": ("timestamp", "Timestamp"),
}
_OTHER_TYPES = {
    "cost_amount": pl.Float64(),
    "cost_currency": pl.String(),
    "turn_id": pl.String(),
    "timestamp": pl.String(),
}

Get = Callable[[str], pl.Expr]
"""A quantity (`input`, `output`, `total`, `thought`, `cache_read`, `cache_write`) → its value."""

USAGE_DTYPE = pl.Struct(
    {name: _OTHER_TYPES.get(field, pl.Int64()) for field, names in _SPELLINGS.items() for name in names}
)
"""Every field of a usage object, in every spelling: decode into this."""


def unfold(rows: pl.DataFrame, usage: str) -> pl.DataFrame:
    """Return *rows* with the fields of the column *usage* (`USAGE_DTYPE`) as columns `usage_input` and so on."""
    fields = {}
    for field, names in _SPELLINGS.items():
        value = pl.coalesce(pl.col(usage).struct.field(name) for name in names)
        # An unsigned number can't hold a negative one, so that it becomes NULL.
        count = value.cast(pl.UInt64, strict=False).cast(pl.Int64, strict=False)
        fields[f"usage_{field}"] = value if field in _OTHER_TYPES else count
    return rows.with_columns(**fields)


def unfolded(field: str) -> pl.Expr:
    """Return the expression that reads *field* after `unfold`."""
    return pl.col(f"usage_{field}")


def tokens(get: Get, *, zeros_left_out: bool = False) -> dict[str, pl.Expr]:
    """Return the token columns of the schema. With *zeros_left_out*, an absent input or output is zero."""
    asked, answered, total = get("input"), get("output"), get("total")
    read, write, thought = get("cache_read"), get("cache_write"), get("thought")
    if zeros_left_out:
        some = pl.any_horizontal(value.is_not_null() for value in (asked, answered, read, write))
        asked, answered = (pl.when(some).then(value.fill_null(0)) for value in (asked, answered))
    cached, thoughts = read.fill_null(0) + write.fill_null(0), thought.fill_null(0)
    plain = asked + answered
    cache_inside = (total == plain) | (total == plain + thoughts)
    thought_inside = (total == plain) | (total == plain + cached)
    request = pl.when(cache_inside).then(asked).otherwise(asked + cached)
    response = pl.when(thought_inside).then(answered).otherwise(answered + thoughts)
    return {
        "request_tokens": request,
        "cache_read_tokens": read,
        "cache_write_tokens": write,
        "response_tokens": response,
        "reasoning_tokens": thought,
        "total_tokens": request + response,
    }
