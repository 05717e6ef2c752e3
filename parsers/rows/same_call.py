"""What tells records of one call apart, worked out when they are stored, so that no question has to.

A streamed response is logged as often as it grew, with the same key and larger counts of what was generated. Of those
that one commit holds all but the fullest change no answer, which then need not be looked for among all calls.
"""

import polars as pl

_KEY = "dedupe_key"
_SAME = (
    *("source_id", _KEY, "side_chain", "request_id", "requests", "run_id", "step_id"),
    # What calls can be narrowed by: nobody may see the one without the other.
    *("provider", "model", "project", "host", "role", "format"),
    *("agent_id", "story_id", "session_id", "user_id", "account_id"),
    # Whose counts differ here may cost more than a call that generated more.
    *("request_tokens", "cache_read_tokens", "cache_write_tokens", "cost_reported_usd"),
)
_GROWING = ("response_tokens", "reasoning_tokens", "total_tokens")
_SIDE_CHAIN = pl.col("metadata").str.contains(r'(?i)"(is_?)?sidechain":\s*true')
"""As the view `llm_calls` tells it of records that were stored without the column."""


def told_apart(calls: pl.DataFrame) -> pl.DataFrame:
    """Return *calls*, which are committed together, with `side_chain` and `superseded`.

    Superseded is a record where another of the same source has the same key, is equal in all by which anybody may
    narrow, has counted at least as much, and begins earlier if it is equal in that as well. What is neither
    has NULL: of rows that were stored without the columns it isn't known.
    """
    true = pl.lit(value=True)
    calls = calls.with_columns(side_chain=pl.when(_SIDE_CHAIN).then(true))
    if calls[_KEY].null_count() == calls.height:
        return calls
    again = pl.col(_KEY).is_not_null() & (pl.len().over("source_id", _KEY) > 1)
    rows = calls.select("source_offset", *_SAME, *_GROWING).with_row_index("row").filter(again)
    order = {"response_tokens": True, "total_tokens": True, "source_offset": False}
    fullest = rows.sort(*order, descending=[*order.values()], nulls_last=True).unique(_SAME, maintain_order=True)
    pairs = rows.join(fullest, on=_SAME, nulls_equal=True, suffix="_of_fullest")
    fuller = [pl.col(name).is_null() | (pl.col(name) <= pl.col(f"{name}_of_fullest")) for name in _GROWING]
    less = pairs.filter(pl.col("row") != pl.col("row_of_fullest"), *fuller)["row"]
    return (
        calls.with_row_index("row")
        .with_columns(superseded=pl.when(pl.col("row").is_in(less.implode())).then(true))
        .drop("row")
    )
