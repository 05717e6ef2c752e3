"""The limits of one's own account, from TOML: `limits.toml` of the warehouse, or the file that the config file names.

usd_a_day = 50                  # a budget; `ingest statusline` shows it

[[limit]]
model = "claude-opus-4-5"       # or how names of models begin; left out: all
provider = "anthropic"          # left out: whichever
itpm = 450_000                  # a minute: input tokens, output tokens, tokens, requests
otpm = 90_000
rpm = 1_000
window = "bucket"               # or "fixed": counted anew in each clock minute
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from parsers.values.by_hand import toml_in
from parsers.values.messages import line_of, nearest
from queries.errors import QueryError

COUNTS = ("tpm", "itpm", "otpm", "rpm")
WINDOWS = ("bucket", "fixed")
FILE = "limits.toml"
_KEYS = ("model", "provider", "window", *COUNTS)


class Limit(NamedTuple):
    """A limit *a_minute* on what *counts* (`TPM`, …) says, of the models that begin so."""

    model: str
    provider: str | None
    counts: str
    a_minute: int
    window: str


LIMIT = {"model": "varchar", "provider": "varchar", "counts": "varchar", "a_minute": "bigint", "window": "varchar"}
"""The types of its fields in SQL."""


class Limits(NamedTuple):
    """What the file says."""

    limits: Sequence[Limit] = ()
    usd_a_day: float | None = None

    def of(self, provider: str | None, model: str | None, counts: str) -> Limit | None:
        """Return the limit of a model, the one that names it most exactly."""
        fitting = [
            limit
            for limit in self.limits
            if limit.counts == counts and (model or "").startswith(limit.model) and limit.provider in (None, provider)
        ]
        return max(fitting, key=lambda limit: (len(limit.model), limit.provider is not None), default=None)


def read(file: Path) -> Limits:
    """Read the limits in *file*; none, where there is no such file.

    Raises:
        QueryError: It can't be read, isn't TOML, or says what is no limit; the message names the line.
    """
    try:
        text, found = toml_in(file, QueryError)
    except FileNotFoundError:
        return Limits()
    except OSError as error:
        raise QueryError(f"{file} can't be read: {error.strerror}") from error
    for key in found:
        if key not in {"usd_a_day", "limit"}:
            raise _error(file, text, key, f"no setting is called {key!r}{nearest(key, ('usd_a_day', 'limit'))}")
    budget, tables = found.get("usd_a_day"), found.get("limit", [])
    if budget is not None and not _is_amount(budget):
        raise _error(file, text, "usd_a_day", "usd_a_day is a number of dollars above 0")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _error(file, text, "limit", "a limit is a table: write [[limit]] and one key a line below it")
    limits = [limit for number, table in enumerate(tables) for limit in _limits(file, text, number, table)]
    return Limits(limits, None if budget is None else float(budget))


def _limits(file: Path, text: str, number: int, table: Mapping[str, Any]) -> list[Limit]:
    def error(key: str | None, said: str) -> QueryError:
        return QueryError(f"{file}, line {line_of(text, key, 'limit', number)}: {said}")

    for key, value in table.items():
        if key not in _KEYS:
            raise error(key, f"a limit has no {key!r}{nearest(key, _KEYS)}")
        if key in COUNTS and not (_is_amount(value) and value == int(value)):
            raise error(key, f"{key} is a whole number above 0")
        if key not in COUNTS and not isinstance(value, str):
            raise error(key, f"{key} is a text")
    window = table.get("window", "bucket")
    if window not in WINDOWS:
        raise error("window", f"window is bucket or fixed, not {window!r}")
    said = [key for key in COUNTS if key in table]
    if not said:
        raise error(None, f"a limit says at least one of {', '.join(COUNTS)}")
    model, provider = table.get("model", ""), table.get("provider")
    return [Limit(model, provider, key.upper(), int(table[key]), window) for key in said]


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _error(file: Path, text: str, key: str, said: str) -> QueryError:
    return QueryError(f"{file}, line {line_of(text, key)}: {said}")
