"""A value → how people read it: thousands separated, sensible decimals, nothing that a terminal would obey."""

import math
from datetime import datetime
from decimal import Decimal

from parsers.values.messages import visible

_LARGE = 1000


def cell(name: str, value: object) -> str:
    """Return *value* of the column *name* as people read it; unknown is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", timespec="milliseconds" if value.microsecond else "seconds")
    if isinstance(value, int | float | Decimal):
        return _number(name, value)
    return visible(str(value))


def _number(name: str, value: float | Decimal) -> str:
    if name.endswith("_usd"):
        return _money(value)
    if name.endswith("share") or name in {"ratio", "error_rate"}:
        return f"{value:.1%}"
    if isinstance(value, int):
        return f"{value:,}"
    if name.endswith("_ms") or not -_LARGE < value < _LARGE:
        return f"{value:,.0f}"
    # Of a small number, three digits that say something: the median of an hour's cost is not 0.
    decimals = 3 if value == 0 or not -1 < value < 1 else min(2 - math.floor(math.log10(abs(float(value)))), 12)
    return f"{value:,.{max(decimals, 3)}f}".rstrip("0").rstrip(".")


def _money(value: float | Decimal) -> str:
    amount = Decimal(str(value))
    sign, size = ("-" if amount < 0 else ""), abs(amount)
    if size == 0 or size >= 1:
        return f"{sign}${size:,.2f}"
    return f"{sign}${size:.4f}" if size >= Decimal("0.01") else f"{sign}${size:.6f}"
