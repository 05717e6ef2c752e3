"""Rate limits that error texts and response headers tell of, whichever format logged them → events `rate_limited`.

    Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 28747,
    Requested 4251. Please try again in 59.9s.

Providers word it differently: OpenAI and Groq as above (`Used` may be missing), Anthropic "rate limit of 40,000 input
tokens per minute", Azure "exceeded token rate limit … Please retry after 26 seconds", Gemini a `quotaId`, a
`quotaValue` and a `retryDelay`, Bedrock "Too many tokens". A text that says neither what was limited nor how much is no
such event.

Headers are looked for in what a record has besides, its metadata: `x-ratelimit-limit-tokens` and its kin of OpenAI,
Groq, Azure, Cerebras and Mistral, `anthropic-ratelimit-input-tokens-limit` and its kin, `retry-after`.
"""

import polars as pl

from parsers.schema import EVENTS, conform
from parsers.values.providers import provider_of
from parsers.values.typed import known, metadata

_HINT = (
    r"(?i-u)rate(?u:.)?limit|too many (?:requests|tokens)|quota|request too large|RESOURCE_EXHAUSTED"
    r"|token limit is exceeded|request rate is too high|limited to [\d,]+ API calls"
)
_PLACE = ("created_at", "session_id", "run_id", "step_id", "story_id", "agent_id", "model", "format", "source_offset")
_N = r"([\d,]+)"
_UNITS = {"h": 3_600_000.0, "m": 60_000.0, "s": 1_000.0}
_SPAN = r"((?:\d+ ?h(?:ours?)? ?)?(?:\d+ ?m(?:in(?:utes?)?)? ?)?(?:[\d.]*\d ?s)?)"
_QUOTE = r"""\\?['"]"""
_AGAIN = r"(?i-u)(?:again|retry) (?:in|after) "

DIMENSIONS = {
    "ITPM": r"(?i-u)\(ITPM\)|input tokens per min|request tokens has exceeded your per-minute"
    r"|InputTokensPer(?:\w*Per)?Minute",
    "OTPM": r"(?i-u)\(OTPM\)|output tokens per min",
    "TPD": r"(?i-u)\(TPD\)|tokens per day|TokensPer(?:\w*Per)?Day",
    "TPM": r"(?i-u)\(TPM\)|tokens per min|token rate limit|token limit is exceeded|too many tokens"
    r"|TokensPer(?:\w*Per)?Minute",
    "RPD": r"(?i-u)\(RPD\)|requests per day|RequestsPer(?:\w*Per)?Day",
    "RPM": r"(?i-u)\(RPM\)|requests per min|call rate limit|requests rate limit|too many requests"
    r"|request rate is too high|requests has exceeded your per-minute|API calls / minute|RequestsPer(?:\w*Per)?Minute",
}
"""What is limited, by the words for it; the first that is found counts."""


HEADERS = {
    "TPM": r"x[-_]ratelimit[-_]@[-_]tokens(?:[-_]minute)?|anthropic[-_]ratelimit[-_]tokens[-_]@",
    "ITPM": r"x[-_]ratelimit[-_]@[-_]input[-_]tokens|anthropic[-_]ratelimit[-_]input[-_]tokens[-_]@",
    "OTPM": r"x[-_]ratelimit[-_]@[-_]output[-_]tokens|anthropic[-_]ratelimit[-_]output[-_]tokens[-_]@",
    "RPM": r"x[-_]ratelimit[-_]@[-_]req(?:uests)?(?:[-_]minute)?|anthropic[-_]ratelimit[-_]requests[-_]@",
    "TPD": r"x[-_]ratelimit[-_]@[-_]tokens[-_]day",
    "RPD": r"x[-_]ratelimit[-_]@[-_]requests[-_]day",
}
"""The names of headers by what they limit; `@` is `limit` in that of the limit, `remaining` in that of what is left."""

_BY_DAY = {"groq"}
"""Who counts requests by the day in the header that others have for the minute."""


def stated_limits(calls: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return the events `rate_limited` that *calls* (their errors and metadata) and the reasons of *events* tell of."""
    told = [*_holding(calls, "error", _HINT), *_holding(events, "reason", _HINT)]
    stated = [_of_texts(pl.concat(told))] if told else []
    for headed in _holding(calls, "metadata", "ratelimit"):
        stated += [_of_headers(headed, dimension) for dimension in HEADERS]
    if not stated:
        return events.clear()
    fields = {name: pl.col(name) for name in ("dimension", "limit", "used", "requested")}
    provider = pl.coalesce("provider", provider_of(pl.col("model")))
    rows = pl.concat(stated).select(
        *_PLACE,
        "wait_ms",
        "reason",
        kind=pl.lit("rate_limited"),
        metadata=metadata({"provider": provider} | fields),
    )
    return conform(rows.sort("source_offset", maintain_order=True), EVENTS)


def _holding(rows: pl.DataFrame, text: str, pattern: str) -> list[pl.DataFrame]:
    """Return the texts in the column *text* of *rows* that match *pattern*, as `_placed`; none if there is none."""
    if rows[text].null_count() == rows.height:
        return []
    found = rows[text].cast(pl.String).str.contains(pattern).fill_null(value=False)
    return [_placed(rows.filter(found), text)] if found.any() else []


def _placed(rows: pl.DataFrame, text: str) -> pl.DataFrame:
    """Return the texts in the column *text* of *rows*, and whose they are."""
    provider = pl.col("provider") if "provider" in rows.columns else pl.lit(None, pl.String)
    headers = pl.col("metadata") if text == "error" else pl.lit(None, pl.String)
    return rows.select(*_PLACE, provider=provider.cast(pl.String), text=text, headers=headers)


def _of_texts(told: pl.DataFrame) -> pl.DataFrame:
    stated = _stated(told.select(pl.col("text").unique()))
    found = told.join(stated, on="text", how="left", maintain_order="left").with_columns(
        model=pl.coalesce("model", "model_stated"),
        wait_ms=pl.coalesce("wait_ms", _retry_after("headers")),
    )
    return found.filter(pl.any_horizontal(pl.col("dimension", "limit").is_not_null())).drop("text", "headers")


def _stated(texts: pl.DataFrame) -> pl.DataFrame:
    """Return what each of the *texts* says: the same error often comes many times."""
    text = pl.col("text")
    value = rf"{_QUOTE}quotaValue{_QUOTE}: ?{_QUOTE}{_N}"
    return texts.with_columns(
        model_stated=text.str.extract(r"(?i-u)(?:reached|large) for (?:model )?`?([\w.:/-]+)", 1),
        dimension=pl.coalesce(
            pl.when(text.str.contains(words)).then(pl.lit(name)) for name, words in DIMENSIONS.items()
        ),
        limit=_count(rf"(?i-u)\blimit:? {_N}|(?:rate limit of|limited to) {_N}|\) of {_N} |{value}", groups=4),
        used=_count(rf"(?i-u)\b(?:used|current):? {_N}"),
        requested=_count(rf"(?i-u)\brequested:? {_N}"),
        wait_ms=_wait(),
        reason=known(text),
    )


def _of_headers(told: pl.DataFrame, dimension: str) -> pl.DataFrame:
    """Return the limit on *dimension* that the headers in a record's metadata state."""
    limit, left = (
        pl.col("text")
        .str.extract(rf"(?i-u)(?:{HEADERS[dimension].replace('@', word)}){_QUOTE}:\s*(?:{_QUOTE})?(\d+)", 1)
        .cast(pl.Int64, strict=False)
        for word in ("limit", "remaining")
    )
    by_day = pl.col("provider").is_in(_BY_DAY) & (pl.lit(dimension) == "RPM")
    found = told.with_columns(
        dimension=pl.when(by_day).then(pl.lit("RPD")).otherwise(pl.lit(dimension)),
        limit=limit,
        used=limit - left,
        requested=pl.lit(None, pl.Int64),
        wait_ms=_retry_after("text"),
        reason=pl.lit("headers of the response"),
    )
    return found.filter(pl.col("limit").is_not_null()).drop("text", "headers")


def _retry_after(column: str) -> pl.Expr:
    """Return the wait that the header `retry-after` (seconds) or `retry-after-ms` asks for, in ms."""
    in_ms, in_s = (
        pl.col(column)
        .str.extract(rf"(?i-u)retry[-_]after{unit}{_QUOTE}:\s*(?:{_QUOTE})?([\d.]+)", 1)
        .cast(pl.Float64, strict=False)
        for unit in ("[-_]ms", "")
    )
    return pl.coalesce(in_ms, in_s * 1_000)


def _count(pattern: str, groups: int = 1) -> pl.Expr:
    number = pl.coalesce(pl.col("text").str.extract(pattern, group) for group in range(1, groups + 1))
    return number.str.replace_all(",", "", literal=True).cast(pl.Int64, strict=False)


def _wait() -> pl.Expr:
    """Return how long to wait, in ms: `1h2m3.5s`, `880ms`, `26 seconds`, `"retryDelay": "39s"`."""
    text = pl.col("text")
    in_ms = text.str.extract(_AGAIN + r"([\d.]+) ?ms", 1).cast(pl.Float64, strict=False)
    span = pl.coalesce(
        text.str.extract(_AGAIN + _SPAN, 1),
        text.str.extract(rf"{_QUOTE}retryDelay{_QUOTE}: ?{_QUOTE}([\d.]+s)", 1),
    )
    parts = [
        span.str.extract(rf"([\d.]+) ?{unit}", 1).cast(pl.Float64, strict=False) * ms for unit, ms in _UNITS.items()
    ]
    some = pl.any_horizontal(part.is_not_null() for part in parts)
    return pl.coalesce(in_ms, pl.when(some).then(pl.sum_horizontal(parts)))
