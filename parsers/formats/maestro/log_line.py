"""What all lines of a maestro.log share: the prefix `[time] [logger] LEVEL: `, and the names in it.

    [2026-03-04T11:20:18.002Z] [coder-001] INFO: message

Only such a line begins a record; what doesn't begin so continues the record before it. Times are UTC with exactly three
fraction digits, so the prefix is cut at fixed places.
"""

import re

import polars as pl

from parsers.blocks.lines import Lines, Mask, Positions
from parsers.schema import UTC
from parsers.values.typed import looked_up

TIME = r"\[[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z\]"
LEVELS = ("DEBUG:", "INFO:", "WARN:", "ERROR:")
LEVEL = r"(?:DEBUG|INFO|WARN|ERROR):"
PREFIX = rf"^{TIME} \[[^\]\n]*\] {LEVEL} "
DECORATION = r"(?:[^\x00-\x7F]+ *)?"
"""The emoji that most messages begin with. It varies (U+FE0F or not, one or two spaces), so nothing rests on it."""

TRAILER = (
    r" \(agent: (?P<agent>[^,()\n]*), story: (?P<story>[^,()\n]*), state: (?P<state>[^,()\n]*)"
    r"(?:, temp: (?P<temp>-?[0-9.]+))?(?:, error_type: (?P<error_type>[^,()\n]*))?\)"
)
"""How records about a call end. Error texts may hold the like, so the trailer is what stands at the end of a line."""

FAILURE_END = rf"{TRAILER}[ \t]*(?:\r?\n|$)"
"""A record of a failure ends at its first line that ends so; within that line the last trailer counts."""

ROLES = {"architect": "architect", "coder": "coder", "hotfix": "coder", "pm": "pm"}
"""Kind of agent by the beginning of its id. A hotfix agent is a coder that is kept for urgent work."""

_NOT_AGENTS = (
    "config",
    "dispatcher",
    "empty-response-validator",
    "kernel",
    "llm-middleware",
    "metrics",
    "retry",
    "supervisor",
    "system",
)
_FIXED = {0: "[", 5: "-", 8: "-", 11: "T", 14: ":", 17: ":", 20: ".", 24: "Z", 25: "]", 26: " ", 27: "["}
_PLAUSIBLE_YEARS = (2000, 2100)


def nameless(pattern: str) -> str:
    """Return the regex *pattern* without the names of its groups, to be joined with others."""
    return re.sub(r"\(\?P<\w+>", "(?:", pattern)


def starts(lines: Lines, at: Positions) -> Mask:
    """Return which of the *lines* at these positions begin a record, by the punctuation of the prefix."""
    return lines.punctuated(_FIXED, at)


def time_of(line: pl.Expr) -> pl.Expr:
    """Return the time in the prefix of *line*; NULL where it is none, or not between 2000 and 2100.

    Minutes repeat from line to line and are read through a cache; seconds and milliseconds are numbers.
    """
    minute = line.str.slice(1, 16).str.to_datetime("%Y-%m-%dT%H:%M", strict=False, time_unit="us", cache=True)
    second = line.str.slice(18, 2).cast(pl.Int64, strict=False)
    milli = line.str.slice(21, 3).cast(pl.Int64, strict=False)
    micros = minute.cast(pl.Int64) + second * 1_000_000 + milli * 1_000
    good = (second < 60) & minute.dt.year().is_between(*_PLAUSIBLE_YEARS)  # noqa: PLR2004 # seconds
    return pl.when(good).then(micros).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").cast(UTC)


def split_at(text: pl.Expr, separator: str, *names: str) -> pl.Expr:
    """Return a struct of the *names*: *text* split at *separator*; the last of two or more holds what is left over.

    Unnest it on the frame: as expressions, each field would split again.
    """
    return text.str.splitn(separator, len(names)).struct.rename_fields(list(names)).alias(names[0])


def role_of(agent: pl.Expr) -> pl.Expr:
    """Return the kind of *agent* by its id, such as `coder` of `coder-001`; NULL for ids of another shape."""
    return looked_up(agent, _role, pl.String)


def agent_of(logger: pl.Expr) -> pl.Expr:
    """Return the agent that *logger* belongs to; NULL for the loggers of maestro's machinery.

    The project manager logs as `pm`, but calls itself `pm-001` wherever it is named.
    """
    agent = pl.when(logger == "pm").then(pl.lit("pm-001")).otherwise(logger)
    return pl.when(~agent.is_in(_NOT_AGENTS) & (agent != "")).then(agent)


def _role(agent: pl.Expr) -> pl.Expr:
    return agent.str.extract(r"^([a-z]+)(?:-[0-9]+)?$", 1).replace_strict(ROLES, default=None, return_dtype=pl.String)
