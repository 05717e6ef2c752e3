"""What a maestro.log says beside its calls → events: retries, waits, empty responses, and the life of stories."""

import re
from collections.abc import Sequence
from functools import cache

import polars as pl

from parsers.blocks.lines import occurring
from parsers.formats.maestro.log_line import DECORATION, FAILURE_END, PREFIX, TRAILER, agent_of, nameless
from parsers.formats.maestro.log_markers import MARKERS, Marker
from parsers.schema import UTC
from parsers.values.lenient import duration_ms
from parsers.values.typed import known, metadata, whole

_COLUMNS = ("story", "agent", "model", "attempt", "max_attempts", "wait", "reason")
_AMOUNTS = ("cost_usd", "setup_latency", "temp")
_COUNTS = frozenset(
    (
        *(
            "active",
            "capacity",
            "completion_tokens",
            "count",
            "generation",
            "have",
            "iteration",
            "max_tokens",
            "messages",
        ),
        *("need", "prompt_tokens", "slots", "tool_calls", "tools", "total_tokens"),
    )
)
_LISTS = ("stories",)
"""Identifiers as Go writes a list: `[9ae50aa4 1f00c3d2]`."""

_LONGEST_REASON = 2_000


_NO_EVENTS = pl.DataFrame(schema={"source_offset": pl.Int64, "created_at": UTC})


_FREQUENT = 2
_WORDS = frozenset(marker.word for marker in MARKERS[_FREQUENT:])


@cache
def open_ended() -> pl.Expr:
    """Return, true on `line`, which events may go on in the lines after it: their text does not end as it should."""
    line = pl.col("line")
    spanning = []
    for tail in sorted({marker.tail for marker in MARKERS if marker.tail is not None}):
        begun = nameless("|".join(marker.begins for marker in MARKERS if marker.tail == tail))
        of_tail = line.str.contains(f"{PREFIX}{DECORATION}(?:{begun})")
        spanning.append(of_tail & ~line.str.contains(rf"{nameless(tail)}\s*$") if tail else of_tail)
    return pl.any_horizontal(spanning)


def events(records: pl.DataFrame) -> pl.DataFrame:
    """Return the events of *records*, which have `logger`, `created_at` and `message`; those that are none left out."""
    frames, rest = _taken(records, MARKERS[:_FREQUENT])
    there = occurring(rest["message"], _WORDS)
    rarer, _ = _taken(rest, [marker for marker in MARKERS[_FREQUENT:] if marker.word in there])
    return pl.concat(frames + rarer).sort("source_offset") if frames or rarer else _NO_EVENTS


def _taken(records: pl.DataFrame, markers: Sequence[Marker]) -> tuple[list[pl.DataFrame], pl.DataFrame]:
    """Return the events of *markers*, each those that the ones before it left, and the records that are left."""
    frames = []
    for marker in markers:
        mine = records.select(_is(marker)).to_series()
        if mine.any():
            frames.append(_rows(records.filter(mine), marker))
            records = records.filter(~mine)
    return frames, records


@cache
def _is(marker: Marker) -> pl.Expr:
    return pl.col("message").str.contains(f"^{DECORATION}{nameless(marker.begins)}")


def _rows(records: pl.DataFrame, marker: Marker) -> pl.DataFrame:
    read, names = _read(records, marker)
    agent = known(pl.col("agent")) if "agent" in names else agent_of(pl.col("logger")) if marker.own else _nothing()
    rest = {name: _typed(name) for name in names if name not in _COLUMNS}
    return read.select(
        "source_offset",
        "created_at",
        kind=pl.lit(marker.kind),
        story_id=known(pl.col("story")) if "story" in names else _nothing(),
        agent_id=agent,
        model=known(pl.col("model")) if "model" in names else _nothing(),
        attempt=_number("attempt", names),
        max_attempts=_number("max_attempts", names),
        wait_ms=duration_ms(pl.col("wait"), "s") if "wait" in names else pl.lit(None, dtype=pl.Float64),
        reason=known(pl.col("reason").str.head(_LONGEST_REASON)) if "reason" in names else _nothing(),
        metadata=metadata(rest),
    )


def _read(records: pl.DataFrame, marker: Marker) -> tuple[pl.DataFrame, list[str]]:
    """Add a column for each named group of *marker*; return also their names."""
    begins = f"(?s)^{DECORATION}{marker.begins}"
    message = pl.col("message")
    if marker.tail is None:
        names = _names(begins)
        return records.with_columns(_groups(message, begins)) if names else records, names
    whole_text = (
        f"{begins}(?P<reason>.*?){FAILURE_END}" if marker.tail == TRAILER else f"{begins}(?P<reason>.*){marker.tail}"
    )
    names = _names(whole_text)
    read = records.with_columns(_groups(message, whole_text))
    if marker.tail and read["reason"].has_nulls():  # its end never came: all there is counts
        cut = read["reason"].is_null()
        short = records.filter(cut).with_columns(_groups(message, f"{begins}(?P<reason>.*)"))
        read = pl.concat([read.filter(~cut), short], how="diagonal")
    return read, names


def _groups(text: pl.Expr, pattern: str) -> pl.Expr:
    return text.str.extract_groups(pattern).struct.field(*_names(pattern))


def _names(pattern: str) -> list[str]:
    return re.findall(r"\(\?P<(\w+)>", pattern)


def _number(name: str, names: list[str]) -> pl.Expr:
    return pl.col(name).cast(pl.Int32, strict=False) if name in names else pl.lit(None, dtype=pl.Int32)


def _typed(name: str) -> pl.Expr:
    if name in _COUNTS:
        return whole(pl.col(name))
    if name in _AMOUNTS:
        return pl.col(name).str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False)
    if name in _LISTS:
        return pl.col(name).str.strip_chars().str.replace_all(" +", ",")  # as one word, which the guard lets pass
    return known(pl.col(name))


def _nothing() -> pl.Expr:
    return pl.lit(None, dtype=pl.String)
