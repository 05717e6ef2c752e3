"""Pieces of longer lines → those lines, and where a source may be cut so that none of them is."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import numpy as np
import polars as pl

from parsers.blocks.lines import MAX_RECORD, Positions
from parsers.envelopes.known_envelopes import FACTS
from parsers.schema import UTC
from parsers.values.lenient import time as read_time

_STREAM = ("envelope", "stream", "container", "pod", "host")
_FAR = 1 << 20
_LATE = timedelta(minutes=1)
"""The pieces of a line follow each other at once; lines of other streams and containers may fall between."""

_NONE: Positions = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Joined:
    """Lines that were made of several: where the first begins and the last ends; and where one begins that goes on."""

    begins: Positions
    ends: Positions
    open_at: int

    @classmethod
    def nothing(cls, end: int) -> Self:
        """Return that no line was, up to *end*."""
        return cls(_NONE, _NONE, end)

    def __add__(self, other: "Joined") -> "Joined":
        """Return what both say."""
        return Joined(
            np.concatenate([self.begins, other.begins]),
            np.concatenate([self.ends, other.ends]),
            min(self.open_at, other.open_at),
        )


def join(lines: pl.DataFrame, *, sealed: bool, end: int) -> tuple[pl.DataFrame, Joined]:
    """Return *lines* with those joined that are `part` of one: they follow each other in one stream.

    The last piece may be still to come, unless the source is *sealed*: until `_FAR` bytes, or lines that are `_LATE`,
    lie between. Whatever comes after them begins anew, so that it doesn't matter where the source was cut.
    *end* is where the lines end.
    """
    if not lines["part"].any():
        return lines.drop("part"), Joined.nothing(end)
    before = pl.col("part").fill_null(value=False).shift(1, fill_value=False)
    far = pl.col("source_offset") - pl.col("source_end").shift(1) > _FAR
    late = pl.col("_time") - pl.col("_time").shift(1) > _LATE
    keys = [pl.col(name).fill_null("").alias(f"_{name}") for name in _STREAM]
    marked = lines.sort("source_offset").with_columns(*keys, _time=read_time(pl.col("time")))
    streams = [f"_{name}" for name in _STREAM]
    numbered = marked.with_columns(_number=(~before | far | late.fill_null(value=False)).cum_sum().over(streams))
    grouped = numbered.group_by(*streams, "_number", maintain_order=True).agg(
        pl.col("line").str.join(""),
        pl.col("source_offset").first(),
        pl.col("source_end").last(),
        pl.col("at").first(),
        pl.col("envelope", *FACTS).first(),
        pieces=pl.len(),
        last_at=pl.col("_time").last(),
        unfinished=pl.col("part").last().fill_null(value=False),
    )
    several = grouped.filter((pl.col("pieces") > 1) | pl.col("unfinished"))
    newest = marked["_time"].max()
    waits = several.filter(
        pl.col("unfinished")
        & (pl.col("source_offset") > end - MAX_RECORD)
        & (pl.col("source_end") >= end - _FAR)
        & ((pl.lit(newest, UTC) - pl.col("last_at")).fill_null(timedelta()) <= _LATE)
    )
    open_at = end if sealed or waits.is_empty() else int(waits["source_offset"].min())  # type: ignore[arg-type]
    joined = Joined(several["source_offset"].to_numpy(), several["source_end"].to_numpy(), open_at)
    return grouped.drop(*streams, "_number", "pieces", "last_at", "unfinished"), joined


def consistent(joined: Joined, end: int, block_end: int) -> int:
    """Return the last offset up to *end* that lies in no line of several; *end* where that would be too far back."""
    at = min(end, joined.open_at)
    while True:
        across = joined.begins[(joined.begins < at) & (joined.ends > at)]
        if not len(across):
            return at
        at = int(across.min())
        if at <= block_end - MAX_RECORD:
            return min(end, joined.open_at)
