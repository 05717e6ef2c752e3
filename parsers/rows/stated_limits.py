"""Rate limits that error texts tell of, whichever format logged them → events `rate_limited`.

    Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 28747,
    Requested 4251. Please try again in 59.9s.

Providers word it differently: OpenAI and Groq as above (`Used` may be missing), Anthropic "rate limit of 40,000 input
tokens per minute", Azure "exceeded token rate limit … Please retry after 26 seconds", Gemini a `quotaId`, a
`quotaValue` and a `retryDelay`, Bedrock "Too many tokens". A text that says neither what was limited nor how much is no
such event.
"""

import polars as pl

from parsers.schema import EVENTS, conform
from parsers.values.providers import provider_of
from parsers.values.typed import known, metadata

_HINT = r"(?i)rate.?limit|too many (?:requests|tokens)|quota|request too large|RESOURCE_EXHAUSTED"
_PLACE = ("created_at", "session_id", "run_id", "step_id", "story_id", "agent_id", "model", "format", "source_offset")
_N = r"([\d,]+)"
_UNITS = {"h": 3_600_000.0, "m": 60_000.0, "s": 1_000.0}
_AGAIN = r"(?i)(?:again|retry) (?:in|after) "

DIMENSIONS = {
    "ITPM": r"(?i)\(ITPM\)|input tokens per min|InputTokensPer\w*PerMinute|InputTokensPerMinute",
    "OTPM": r"(?i)\(OTPM\)|output tokens per min",
    "TPD": r"(?i)\(TPD\)|tokens per day|TokensPer\w*PerDay|TokensPerDay",
    "TPM": r"(?i)\(TPM\)|tokens per min|token rate limit|too many tokens|TokensPer\w*PerMinute|TokensPerMinute",
    "RPD": r"(?i)\(RPD\)|requests per day|RequestsPer\w*PerDay|RequestsPerDay",
    "RPM": r"(?i)\(RPM\)|requests per min|call rate limit|too many requests|RequestsPer\w*PerMinute|RequestsPerMinute",
}
"""What is limited, by the words for it; the first that is found counts."""


def stated_limits(calls: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return the events `rate_limited` that the errors of *calls* and the reasons of *events* tell of."""
    told = [
        frame.filter(pl.col(text).str.contains(_HINT)).select(
            *_PLACE, provider=pl.col("provider") if "provider" in frame.columns else pl.lit(None, pl.String), text=text
        )
        for frame, text in ((calls, "error"), (events, "reason"))
        if frame[text].null_count() < frame.height
    ]
    if all(frame.is_empty() for frame in told):
        return events.clear()
    text = pl.col("text")
    found = pl.concat(told).with_columns(
        model=pl.coalesce("model", text.str.extract(r"(?i)(?:reached|large) for (?:model )?`?([\w.:/-]+)", 1)),
        dimension=pl.coalesce(
            pl.when(text.str.contains(words)).then(pl.lit(name)) for name, words in DIMENSIONS.items()
        ),
        limit=_count(rf"(?i)\blimit:? {_N}|rate limit of {_N}|\) of {_N} |\"quotaValue\": ?\"{_N}\"", groups=4),
        used=_count(rf"(?i)\b(?:used|current):? {_N}"),
        requested=_count(rf"(?i)\brequested:? {_N}"),
        wait_ms=_wait(),
    )
    stated = found.filter(pl.any_horizontal(pl.col("dimension", "limit").is_not_null()))
    fields = {name: pl.col(name) for name in ("dimension", "limit", "used", "requested")}
    provider = pl.coalesce("provider", provider_of(pl.col("model")))
    rows = stated.select(
        *_PLACE,
        "wait_ms",
        kind=pl.lit("rate_limited"),
        reason=known(pl.col("text")),
        metadata=metadata({"provider": provider} | fields),
    )
    return conform(rows, EVENTS)


def _count(pattern: str, groups: int = 1) -> pl.Expr:
    number = pl.coalesce(pl.col("text").str.extract(pattern, group) for group in range(1, groups + 1))
    return number.str.replace_all(",", "", literal=True).cast(pl.Int64, strict=False)


def _wait() -> pl.Expr:
    """Return how long to wait, in ms: `1h2m3.5s`, `880ms`, `26 seconds`, `"retryDelay": "39s"`."""
    text = pl.col("text")
    in_ms = text.str.extract(_AGAIN + r"([\d.]+) ?ms", 1).cast(pl.Float64, strict=False)
    span = pl.coalesce(
        text.str.extract(_AGAIN + r"((?:\d+h)?(?:\d+m)?(?:[\d.]*\d ?s)?)", 1),
        text.str.extract(r'"retryDelay": ?"([\d.]+s)"', 1),
    )
    parts = [
        span.str.extract(rf"([\d.]+) ?{unit}", 1).cast(pl.Float64, strict=False) * ms for unit, ms in _UNITS.items()
    ]
    some = pl.any_horizontal(part.is_not_null() for part in parts)
    return pl.coalesce(in_ms, pl.when(some).then(pl.sum_horizontal(parts)))
