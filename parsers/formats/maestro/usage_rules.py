"""What maestro's own readers demand of a record of usage.jsonl, and what they would say of one that breaks it."""

import polars as pl

from parsers.rows.calls import Checks

COUNTS = ("input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens", "cache_write_tokens")
"""The five counts of version 2: all of them on a call that succeeded, none on one that failed."""

_LINE = pl.col("line")
_MOST_TOKENS = 10**12
_MOST_COST = 10**7
_MOST_LATENCY_NS = 366 * 86_400 * 10**9

_NOT_WHOLE = r'ns":\s*-?[0-9]*[^-0-9,}n\s]'
"""Counts, whose keys all end in `ns`, that are no whole numbers; the decoder would cut or convert them."""


def _absent(name: str) -> pl.Expr:
    return pl.col(name).is_null() | (pl.col(name).str.strip_chars() == "")


def _uncountable(name: str) -> pl.Expr:
    return ~pl.col(name).is_between(0, _MOST_TOKENS).fill_null(value=False)


_WRONG_COST = pl.col("cost_usd").is_null() & _LINE.str.contains(r'"cost_usd"\s*:\s*[^n\s]')
_NEGATIVE = ~pl.col("cost_usd").is_between(0, _MOST_COST).fill_null(value=True)
_SUCCESS = pl.col("success").fill_null(value=False)
_COUNTED = pl.sum_horizontal(pl.col(name).is_not_null().cast(pl.UInt8) for name in COUNTS)
_PRINTED = pl.any_horizontal(_LINE.str.contains(f'"{name}":', literal=True) for name in COUNTS)

_COMMON = (
    (_LINE.str.contains(_NOT_WHOLE), "a count is not a whole number"),
    (_WRONG_COST | _NEGATIVE, "the cost is negative, not finite, or out of range"),
    (_absent("model"), "`model` is missing or blank"),
    (pl.col("success").is_null(), "`success` is missing"),
)
CHECKS_1 = Checks(
    (
        *_COMMON,
        (_absent("ts"), "`ts` is missing or blank"),
        (
            ~pl.col("created_at").dt.year().is_between(2000, 2100).fill_null(value=False),
            "`ts` is not a time since 2000",
        ),
        (_uncountable("prompt_tokens"), "`prompt_tokens` is missing, or not a count"),
        (_uncountable("completion_tokens"), "`completion_tokens` is missing, or not a count"),
        (pl.col("cost_usd").is_null(), "`cost_usd` is missing"),
        (
            ~_SUCCESS & ((pl.col("prompt_tokens") > 0) | (pl.col("completion_tokens") > 0) | (pl.col("cost_usd") > 0)),
            "tokens or cost on a failed call",
        ),
    )
)
CHECKS_2 = Checks(
    (
        *_COMMON,
        (_absent("finished_at"), "`finished_at` is missing or blank"),
        (
            ~pl.col("created_at").dt.year().is_between(2000, 2100).fill_null(value=False),
            "`finished_at` is not a time since 2000",
        ),
        (_absent("provider"), "`provider` is missing or blank"),
        (
            ~pl.col("latency_ns").is_between(0, _MOST_LATENCY_NS).fill_null(value=False),
            "`latency_ns` is missing, or no latency",
        ),
        (_SUCCESS & (len(COUNTS) > _COUNTED), "some token counts are missing"),
        (
            pl.any_horizontal(_uncountable(name) & pl.col(name).is_not_null() for name in COUNTS),
            "a token count is not a count",
        ),
        (_SUCCESS & pl.col("error").is_not_null(), "an error on a successful call"),
        (~_SUCCESS & _absent("error"), "a failed call without an error"),
        (~_SUCCESS & ((_COUNTED > 0) | pl.col("cost_usd").is_not_null()), "tokens or cost on a failed call"),
    )
)
