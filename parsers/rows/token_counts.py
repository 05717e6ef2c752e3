"""The one arithmetic of tokens: the counts that a record gives → prompt, response, their parts, and who says so.

Whether the prompt holds what was read from and written to the cache, and the response its reasoning, is what the format
or the family of the usage object says (`usage_objects.FAMILIES`); a part that is larger than its whole can't be inside.
Where the record states its own total, a reading that contradicts it is not taken: the reasoning is put to the other
side of its whole, then the cache, then both. If no reading gives the total, the first stands, marked `contradicted`.

A side that is unknown is what the stated total leaves for it; without a total the row is `partial`.
"""

from functools import lru_cache

import polars as pl

COUNTS = (
    "request_tokens", "tool_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_5m_tokens",
    "cache_write_1h_tokens", "response_tokens", "reasoning_tokens", "total_tokens",
)  # fmt: skip
"""What may be counted. `tool_tokens` are prompt beside `request_tokens`; writes by lifetime are parts of a write."""

TOKENS = tuple(name for name in COUNTS if name not in ("tool_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"))
"""The counts of the schema."""

TOKEN_COLUMNS = (*TOKENS, "token_source")
"""What `counted` makes."""

SIDES = ("cache_inside", "reasoning_inside")
"""Columns that say of each row whether a part is inside its whole, where the family of its usage object told."""

_SPLIT = ("cache_write_5m_tokens", "cache_write_1h_tokens")
_ASKED, _ANSWERED, _TOTAL = pl.col("_asked"), pl.col("response_tokens"), pl.col("total_tokens")
_CACHED, _THOUGHT = pl.col("_cached"), pl.col("_thought")
_CACHE_BESIDE, _THOUGHT_BESIDE = pl.col("_cache_beside"), pl.col("_thought_beside")
_BEYOND = _TOTAL - _ASKED - _ANSWERED


def counted(
    rows: pl.DataFrame, *, cache_inside: bool = True, reasoning_inside: bool = True, source: str = "provider"
) -> pl.DataFrame:
    """Return *rows* with the token columns of the schema and `token_source`, from those of `COUNTS` that they have.

    *cache_inside* and *reasoning_inside* hold where no column of that name says otherwise; *source* is who counted.
    """
    have = frozenset(rows.columns).intersection((*COUNTS, *SIDES))
    if not have.intersection(COUNTS):
        return rows.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in TOKENS).with_columns(
            token_source=pl.lit(None, dtype=pl.String)
        )
    rows = rows.with_columns(_parts(have, cache_inside, reasoning_inside))
    contradicted = pl.lit(value=False)
    if "total_tokens" in have and rows.select(_disagrees().any()).item():
        rows = rows.with_columns(_other_readings()).with_columns(_taken())
        contradicted = _disagrees()
    rows = rows.with_columns(_wholes(), _wrong=contradicted.fill_null(value=False)).with_columns(_sides())
    return rows.with_columns(_token_source(source)).drop(
        "_asked", "_cached", "_thought", "_cache_beside", "_thought_beside", "_wrong", *SIDES, strict=False
    )


@lru_cache(maxsize=256)
def _parts(have: frozenset[str], cache_inside: bool, reasoning_inside: bool) -> list[pl.Expr]:  # noqa: FBT001 # a key
    def typed(name: str) -> pl.Expr:
        return pl.col(name) if name in have else pl.lit(None, dtype=pl.Int64)

    def beside(name: str, default: bool, more: pl.Expr | None) -> pl.Expr:  # noqa: FBT001 # passed on
        # A part that is more than the whole was counted beside it, whatever is usual.
        larger = pl.lit(value=False) if more is None else more.fill_null(value=False)
        if name in have:
            return ~pl.col(name).fill_null(default) | larger
        return larger if default else pl.lit(value=True)

    def some_of(count: pl.Expr, *, there: bool) -> pl.Expr:
        # Of a literal that is NULL, Polars makes a column of one row here, whatever stands beside it.
        return count.fill_null(0) if there else pl.lit(0, dtype=pl.Int64)

    asked, read, write = typed("request_tokens"), typed("cache_read_tokens"), typed("cache_write_tokens")
    response, reasoning = typed("response_tokens"), typed("reasoning_tokens")
    if "tool_tokens" in have:
        asked = pl.coalesce(asked + pl.col("tool_tokens").fill_null(0), "tool_tokens")
    if split := [pl.col(name) for name in _SPLIT if name in have]:
        some = pl.any_horizontal(part.is_not_null() for part in split)
        write = pl.max_horizontal(write, pl.when(some).then(pl.sum_horizontal(split)))
    writes, thinks = "cache_write_tokens" in have or bool(split), "reasoning_tokens" in have
    cached = some_of(read, there="cache_read_tokens" in have) + some_of(write, there=writes)
    caches = writes or "cache_read_tokens" in have
    return [
        asked.alias("_asked"),
        cached.alias("_cached"),
        some_of(reasoning, there=thinks).alias("_thought"),
        beside("cache_inside", cache_inside, cached > asked if caches else None).alias("_cache_beside"),
        beside("reasoning_inside", reasoning_inside, reasoning > response if thinks else None).alias("_thought_beside"),
        *(
            value.alias(name)
            for name, value in {
                "cache_read_tokens": read,
                "cache_write_tokens": write,
                "response_tokens": response,
                "reasoning_tokens": reasoning,
                "total_tokens": typed("total_tokens"),
            }.items()
        ),
    ]


def _reading(cache_beside: pl.Expr, thought_beside: pl.Expr) -> pl.Expr:
    """Return what a reading has beyond the prompt and the response as they were counted."""
    cached, thought = (
        pl.when(cache_beside).then(_CACHED).otherwise(0),
        pl.when(thought_beside).then(_THOUGHT).otherwise(0),
    )
    return cached + thought


def _disagrees() -> pl.Expr:
    return _reading(_CACHE_BESIDE, _THOUGHT_BESIDE) != _BEYOND


def _other_readings() -> list[pl.Expr]:
    """Return which other readings give the total. A part can't be inside of what is smaller."""
    cache_may = ~_CACHE_BESIDE | (_CACHED <= _ASKED)
    thought_may = ~_THOUGHT_BESIDE | (_THOUGHT <= _ANSWERED)
    return [
        _disagrees().alias("_off"),
        (thought_may & (_reading(_CACHE_BESIDE, ~_THOUGHT_BESIDE) == _BEYOND)).alias("_flip_thought"),
        (cache_may & (_reading(~_CACHE_BESIDE, _THOUGHT_BESIDE) == _BEYOND)).alias("_flip_cache"),
        (cache_may & thought_may & (_reading(~_CACHE_BESIDE, ~_THOUGHT_BESIDE) == _BEYOND)).alias("_flip_both"),
    ]


def _taken() -> list[pl.Expr]:
    off, thought, cache, both = (
        pl.col(name).fill_null(value=False) for name in ("_off", "_flip_thought", "_flip_cache", "_flip_both")
    )
    return [
        (_THOUGHT_BESIDE ^ (off & (thought | (~cache & both)))).alias("_thought_beside"),
        (_CACHE_BESIDE ^ (off & ~thought & (cache | both))).alias("_cache_beside"),
    ]


def _wholes() -> list[pl.Expr]:
    some = _ASKED.is_not_null() | pl.col("cache_read_tokens").is_not_null() | pl.col("cache_write_tokens").is_not_null()
    request = pl.when(_CACHE_BESIDE & some).then(_ASKED.fill_null(0) + _CACHED).otherwise(_ASKED)
    response = pl.when(_THOUGHT_BESIDE).then(pl.coalesce(_ANSWERED + _THOUGHT, "reasoning_tokens"))
    return [request.alias("request_tokens"), response.otherwise(_ANSWERED).alias("response_tokens")]


def _sides() -> list[pl.Expr]:
    """Return both sides, one of which may follow from the total and the other; and the total."""
    request, response = pl.col("request_tokens"), pl.col("response_tokens")
    left = _TOTAL - pl.coalesce(request, response)  # where one is unknown, the other's
    one = request.is_null() ^ response.is_null()
    left = pl.when(one & (left >= 0)).then(left)
    return [
        pl.coalesce(request, left).alias("request_tokens"),
        pl.coalesce(response, left).alias("response_tokens"),
        pl.coalesce(request + response, pl.when(~one | left.is_not_null()).then(_TOTAL), request, response).alias(
            "total_tokens"
        ),
        (pl.col("_wrong") | (one & (pl.coalesce(request, response) > _TOTAL)).fill_null(value=False)).alias("_wrong"),
    ]


def _token_source(source: str) -> pl.Expr:
    one = pl.col("request_tokens").is_null() | pl.col("response_tokens").is_null()
    kept = pl.when(pl.col("total_tokens").is_null()).then(None).when(pl.lit(source != "provider")).then(pl.lit(source))
    marked = kept.when(pl.col("_wrong")).then(pl.lit("contradicted")).when(one).then(pl.lit("partial"))
    return marked.otherwise(pl.lit(source)).alias("token_source")
