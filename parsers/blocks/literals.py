"""Which of many literals occur in some texts, and where: told for all of them at once.

Dozens of formats ask for hundreds of words, and a source holds few of them. A sample tells most of those; the others,
which are mostly nowhere, are then searched for together, in one pass, so that each costs nothing by itself.
"""

from collections.abc import Collection, Iterable

import polars as pl

_SAMPLE = 64
"""So many texts are looked at one by one."""


def occurring(texts: pl.Series, literals: Collection[str]) -> set[str]:
    """Return which of *literals* are in any of *texts*.

    That is no guess: what the sample lacks is looked for in all of them.
    """
    found = _within(texts.gather_every(max(1, len(texts) // _SAMPLE)), literals)
    others = [literal for literal in literals if literal not in found]
    if not others or len(texts) <= _SAMPLE:
        return found
    holding = texts.filter(texts.str.contains_any(others))
    return found | _within(holding, others)


def any_of(literals: Iterable[str]) -> str:
    """Return one regex for *literals*.

    Of few it is a vectorised search, ten times as fast as `contains_any`; of fifty both find 0.6 GB/s.
    """
    return "|".join(sorted({pl.escape_regex(literal) for literal in literals}))


def _within(texts: pl.Series, literals: Collection[str]) -> set[str]:
    """Return which of *literals*, of which one may begin or end in another, are in any of *texts*."""
    if texts.is_empty():
        return set()
    found = texts.str.extract_many(list(literals), overlapping=True).explode(empty_as_null=False).drop_nulls()
    return set(found.unique().to_list())
