"""The name of a column → what a chart says of it: a title with its unit, and how its numbers are written."""

from collections.abc import Sequence

import polars as pl

from parsers.values.messages import visible
from queries.show.cells import cell

_SHORT = {"tpm": "TPM", "rpm": "RPM", "usd": "USD", "id": ""}
_UNITS = {
    "_usd": "USD",
    "_ms": "ms",
    "_s": "seconds",
    "_tpm": "tokens per minute",
    "_rpm": "requests per minute",
    "_tokens": "tokens",
}
_CENTS = 0.1


def words(name: str) -> str:
    """Return the name of a column as people write it."""
    return visible(" ".join(filter(None, (_SHORT.get(part, part) for part in name.split("_")))) or name)


def title(names: Sequence[str], said: str = "") -> str:
    """Return the title of an axis of the measures *names*; *said* is a unit that their names don't say."""
    units = {next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "") for name in names}
    unit = said or (units.pop() if len(units) == 1 else "")
    if len(names) > 1:
        return unit or "amount"
    plain = words(names[0])
    if not unit:
        return plain
    plain = plain.removesuffix(" USD").removesuffix(" ms").removesuffix(" s")
    return plain if unit in plain else f"{plain} ({unit})"


def axis_text(names: Sequence[str], values: pl.Series) -> str:
    """Return the expression for a tick of the measures *names*: money as $, shares as %, and 700k for large numbers."""
    # Formatted one by one: an axis by itself would write 0k below 100k.
    largest = values.cast(pl.Float64).abs().max()
    if all(name.endswith("_usd") for name in names):
        is_small = not isinstance(largest, float) or largest < _CENTS
        return f"format(datum.value, '{'$,.6~f' if is_small else '$,.2f'}')"
    if all(name.endswith(("share", "ratio", "_rate")) for name in names):
        return "format(datum.value, '.0%')"
    if names[0].endswith("_ms"):
        return "format(datum.value, ',.0f')"
    return "format(datum.value, abs(datum.value) < 1000 ? ',.3~f' : '~s')"


def written(name: str, value: float | None, kind: pl.DataType) -> str:
    """Return *value* of the column *name* as tables write it."""
    return cell(name, round(value) if value is not None and kind.is_integer() else value)
