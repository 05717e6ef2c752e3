"""What must not be true of a record, each with what to say of a record of which it is."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from parsers.blocks.lines import reject


@dataclass(frozen=True, eq=False)
class Checks:
    """Pairs of what is wrong with a record where it is true (unknown counts as true), and the reason for its reject."""

    pairs: tuple[tuple[pl.Expr, str], ...]

    def apart(self, records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return those of *records* that pass, and the others as `REJECTED` with the first check that each fails."""
        failing = records.select(self._fails).to_series()
        if not failing.any():
            return records, reject(records.clear(), "")
        return records.filter(~failing), reject(records.filter(failing), self._reason)

    @cached_property  # made once: making so many expressions again for each block takes as long as a thousand records
    def _fails(self) -> pl.Expr:
        return pl.any_horizontal(wrong for wrong, _ in self.pairs).fill_null(value=True)

    @cached_property
    def _reason(self) -> pl.Expr:
        return pl.coalesce(pl.when(wrong.fill_null(value=True)).then(pl.lit(why)) for wrong, why in self.pairs)
