"""Sums of fields: `request_tokens = "fresh + cached"` is what all of them hold together.

A part that is absent counts nothing, unless all are; one that is no number is shown as it is, so that the record is a
reject that says so.
"""

from collections.abc import Callable, Sequence

import polars as pl

from parsers.rows.calls import NUMBERS
from parsers.rows.token_counts import COUNTS
from parsers.values.lenient import count

PLUS = " + "
"""Between the places that are added up."""

SUMMED = (*COUNTS, "latency", "cost", *NUMBERS)
"""Fields that may be sums."""


def added(
    name: str, texts: Sequence[str], places: Callable[[str], tuple[str, ...]]
) -> tuple[dict[str, tuple[str, ...]], pl.Expr]:
    """Return where the parts of the field *name* are, each under a name of its own, and what follows from them.

    *texts* are the places of the field, the best first, some of them sums of *places*.
    """
    parts: dict[str, tuple[str, ...]] = {}
    sums = []
    for i, text in enumerate(texts):
        named = {f"{name}{PLUS}{i}.{j}": places(part) for j, part in enumerate(text.split(PLUS))}
        parts |= named
        sums.append(_sum(list(named), whole=name in COUNTS) if len(named) > 1 else pl.col(*named))
    return parts, pl.coalesce(*sums, name)


def _sum(names: Sequence[str], *, whole: bool) -> pl.Expr:
    """Return the sum of the columns of text *names* as text."""
    values = [count(pl.col(name)) if whole else pl.col(name).cast(pl.Float64, strict=False) for name in names]
    wrong = [
        pl.when(value.is_null()).then(pl.col(name).str.strip_chars()) for name, value in zip(names, values, strict=True)
    ]
    some = pl.any_horizontal(value.is_not_null() for value in values)
    total = pl.when(some).then(pl.sum_horizontal(values)).cast(pl.String)
    return pl.coalesce(*wrong, total)
