"""maestro.log: the log of maestro, a team of coding agents. Text lines, one record a call, written when it ended.

    [time] [logger] LEVEL: LLM call to model 'M': latency Ls, request tokens: N, response tokens: N, total tokens: N…
        …, cost $C (agent: A, story: S, state: S, temp: T)
    [time] [logger] LEVEL: LLM call to model 'M' failed: latency Ls, …, error: E (agent: A, story: S, state: S, …)

| variant | since | tells it from the others |
| --- | --- | --- |
| V1 · F1 | 2025-08-13 | latency without `s` |
| V2 · F2 | 2025-08-16 | no cost |
| V3 · F3 | 2025-08-19 | cost; V3 is logged by `system` |
| V4 · F4 | 2026-02-10 | `temp` |
| V5 · F5 | 2026-05-19 | logged by the agent, no grouping commas · F5 has no tokens and no cost |
| V6 | 2026-08-08 | `reasoning tokens`; cost may be `unpriced` |

Tokens: `request tokens` is the prompt. `response tokens` is everything generated, but V6 counts reasoning beside it,
so there `response_tokens` is the sum. Up to V4 they are estimates from the text alone (tools not counted),
`token_source` = `estimated`; from V5 on they are the provider's. `total_tokens` is the sum of both; a logged total
that differs is kept in the metadata. The prompt cache is not logged.

Cost: as logged. `$0.000000` for a call with tokens is, up to V5, how a model without a price was written (or a cost
below what six decimals show): nobody measured it, so it is NULL. V6 says `unpriced` there, and its zero is a zero.

Failed calls up to F4 print zero tokens and zero cost that nobody measured: NULL. Empty names are NULL. The latency is
that of the whole call, retries and waiting included, to three significant digits.

An error may span lines: a failed call ends at the first line that ends in `(agent: …, story: …, state: …)`. A record
that begins like a call but is not whole is rejected. `Starting LLM call to model` is an event, not a call;
`maestro_markers` lists the events, `maestro_context` says how sessions and printed prompts are followed.
"""

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import NONE_REJECTED, reject
from parsers.formats.maestro.log_calls import MARKER, NO_TIME, failures, successes
from parsers.formats.maestro.log_context import CONTEXT_LINE, SESSION_WORDS, follow, in_context
from parsers.formats.maestro.log_events import events, open_ended
from parsers.formats.maestro.log_line import LEVELS, PREFIX, TRAILER, nameless, split_at, starts, time_of
from parsers.formats.maestro.log_markers import MARKERS

_LINE = pl.col("line")
MAY_SPAN = "|".join(dict.fromkeys(("' failed: ", *(m.word for m in MARKERS if m.tail is not None))))
"""Nothing but literals, which are searched for ten times as fast as what a regex can do more."""

_FAILED = rf"{PREFIX}{MARKER}[^\n]*?' failed: latency "
_SHORTENED = (pl.col("body").str.len_bytes() < pl.col("message").str.len_bytes()).fill_null(value=False)
_ENDED = rf"{nameless(TRAILER)}\s*$"


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    cut = records.with_columns(split_at(_LINE.str.slice(28), "] ", "logger", "message"), created_at=time_of(_LINE))
    cut = cut.unnest("logger").with_columns(body=pl.col("message").str.strip_prefix(f"INFO: {MARKER}"))
    is_call = cut.select(_SHORTENED).to_series()
    if not is_call.all():  # other levels are asked about only where there is something else
        cut = cut.with_columns(body=_after_marker(pl.col("message")))
        is_call = cut.select(_SHORTENED).to_series()
    others = cut.filter(~is_call).with_columns(message=_without_level(pl.col("message")))
    followed = follow(others, context)
    called = (cut.filter(is_call) if len(others) else cut).drop("message")
    del cut  # its texts are copies: a block of calls takes ten times its size without this
    calls, bad_calls = _calls(called)
    found, bad_events = _events(others)
    rejects = pl.concat([bad_calls, bad_events], how="diagonal").sort("source_offset")
    found = pl.concat([in_context(found, followed), followed.events], how="diagonal").sort("source_offset")
    return Parsed(
        in_context(calls, followed),
        found.with_columns(format=pl.lit("maestro-log")),
        in_context(rejects, followed).drop("session_id"),
        followed.context,
    )


def _events(records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the events of *records*, and as rejects those whose time can be none."""
    found = events(records)
    if not found["created_at"].has_nulls():
        return found, NONE_REJECTED
    timeless = records.filter(
        pl.col("created_at").is_null() & pl.col("source_offset").is_in(found["source_offset"].implode())
    )
    return found.filter(pl.col("created_at").is_not_null()), reject(timeless, NO_TIME)


def _calls(records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the calls and the rejects of usage records, each in their order."""
    failed = records.select(pl.col("body").str.contains("' failed: latency ", literal=True)).to_series()
    if not failed.any():
        return successes(records)
    # A model or an error may hold the words of the other kind: what follows the model first decides.
    failed &= records.select(pl.col("body").str.contains(r"^[^\n]*?' failed: latency ")).to_series()
    good, bad = successes(records.filter(~failed))
    lost, worse = failures(records.filter(failed))
    return (
        pl.concat([good, lost], how="diagonal").sort("source_offset"),
        pl.concat([bad, worse], how="diagonal").sort("source_offset"),
    )


def _after_marker(message: pl.Expr) -> pl.Expr:
    """Return what follows the marker of a usage record; any other message as it is."""
    for level in LEVELS:
        message = message.str.strip_prefix(f"{level} {MARKER}")
    return message


def _without_level(message: pl.Expr) -> pl.Expr:
    for level in LEVELS:
        message = message.str.strip_prefix(f"{level} ")
    return message


def _closed(lines: pl.Series) -> pl.Series:
    """Return which claimed *lines* are whole records, asking as few as possible: successful calls always are."""
    line = pl.col("line")
    frame = lines.to_frame("line").with_row_index()
    doubtful = frame.filter(line.str.contains(MAY_SPAN))
    spanning = doubtful.filter(open_ended() | (line.str.contains(_FAILED) & ~line.str.contains(_ENDED)))
    closed = pl.repeat(value=True, n=len(lines), eager=True, dtype=pl.Boolean)
    return closed.scatter(spanning["index"], values=False).alias(lines.name)


HINTS = (*dict.fromkeys((MARKER, *(marker.word for marker in MARKERS), *SESSION_WORDS)),)
"""Literals: one is in each line that matters. Each is long enough that few other lines hold it."""

FORMAT = Format(
    name="maestro-log",
    title="maestro.log: usage lines, retries, rate limits and stories of maestro",
    json=False,
    claims=_LINE.str.slice(24, 4) == "Z] [",
    parse=_parse,
    sets_context=_LINE.str.contains(CONTEXT_LINE),
    starts=starts,
    closed=_LINE.map_batches(_closed, return_dtype=pl.Boolean),
    hints=HINTS,
)
