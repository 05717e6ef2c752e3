"""Fields that nobody knows → the columns that they probably are, by their names and by what is in them.

Names are taken apart into words (`promptToks`, `prompt_tokens` and `usage.prompt` mean the same), and a field is only
taken for what all its values may be: a count is a whole number, a model is one word, a time can be read.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from parsers.rows.calls import TEXTS
from parsers.rows.usage_objects import FAMILIES
from parsers.values.lenient import duration_ms, time
from parsers.values.privacy import Rule, rule_of
from parsers.values.providers import provider_of

SIDES = ("request_tokens", "response_tokens", "total_tokens", "usage")
"""One of these, and a model, make a call."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TOKENS = frozenset({"token", "tok", "tk", "usage"})
_IN = frozenset({"prompt", "input", "in", "request", "req", "sent", "context", "ctx", "asked", "fresh"})
_OUT = frozenset({"completion", "output", "out", "response", "resp", "generated", "gen", "reply", "received",
                  "candidate", "answer", "written"})  # fmt: skip
_ANY = frozenset({"request", "req", "response", "resp"})
"""Words that say which side only of what are tokens for sure."""

_CACHE, _WRITE = frozenset({"cache", "cached"}), frozenset({"write", "creation", "create", "created"})
_THOUGHT = frozenset({"reasoning", "thinking", "thought", "think"})
_NO_COUNT = frozenset({"max", "limit", "remaining", "quota", "budget", "price", "cost", "per", "rate", "usd", "left",
                       "id", "m", "ms", "sec", "second", "window", "byte", "char", "size", "time", "min"})  # fmt: skip
_LONGEST, _MOSTLY = 128, 0.6
_PLURAL = 3
"""Fewer letters make no plural: `ms`, `us`."""

_A_COUNT = re.compile(r"\d{1,12}|\d{1,3}(?:,\d{3})+")
_A_MODEL = re.compile(r"[A-Za-z@][\w./:@+-]{1,99}")
_A_PLACE = re.compile(r"\.[a-z]{1,4}:\d+$|^[a-z]+://")
"""A line of source code, or a URL."""

_NAMES = {
    "session_id": r"(?:^|_)(?:session|conversation|chat|thread|trace|dialog|sid)(?:_(?:id|uuid|key))?$",
    "request_id": r"(?:^|_)(?:request|req|call|completion|generation|response|message|correlation)_(?:id|uuid)$"
    r"|^(?:id|uuid|rid)$",
    "run_id": r"(?:^|_)(?:run|job|workflow|execution)_(?:id|uuid)$",
    "user_id": r"(?:^|_)(?:user|usr|customer|member|caller|login|username|uid|email)(?:_(?:id|name|login))?$",
    "account_id": r"(?:^|_)(?:account|org|organization|team|tenant|workspace|company)(?:_(?:id|name))?$",
    "agent_id": r"(?:^|_)(?:agent|bot|assistant|worker)(?:_(?:id|name|username))?$",
    "project": r"(?:^|_)(?:project|app|application|service)(?:_(?:id|name))?$",
    "task": r"(?:^|_)(?:task|operation|op|purpose|feature|endpoint)(?:_name)?$",
    "provider": r"(?:^|_)(?:provider|vendor)(?:_name)?$",
    "host": r"(?:^|_)(?:host|hostname)$",
    "error": r"^(?:error|err|exception)(?:_(?:message|msg|text))?$",
    "error_type": r"(?:^|_)(?:error|err|exception)_(?:type|code|kind|class)$",
    "status": r"^(?:status|outcome|ok|success|succeeded|status_code|http_status)$",
    "latency": r"(?:^|_)(?:latency|duration|elapsed|took|runtime|rt|dur)(?:_(?:m|ms|s|sec|second|milli|us|ns|time))*$",
    "cost": r"(?:^|_)(?:cost|price|spend|spent|charge|usd|cent)(?:_(?:usd|cent|total|dollar|microusd))*$",
    "requests": r"^(?:num_|n_|total_|model_)?(?:request|call|api_call|llm_call|turn)(?:_count)?$",
    "attempt": r"^(?:attempt|retry)(?:_(?:number|no|count))?$",
    "temperature": r"^temperature$",
    "max_tokens": r"^max_(?:output_|completion_|new_)?tok(?:en)?$",
    "cached": r"(?:^|_)(?:cache|cached)(?:_(?:hit|status))?$|^from_cache$",
}
"""What the words of a name are, joined by `_`, where it means a column."""

_TIME_WORDS = {"timestamp": 5, "ts": 5, "time": 4, "datetime": 4, "at": 4, "when": 4, "date": 3, "created": 3,
               "logged": 3, "finished": 4, "ended": 4, "end": 3, "start": 2, "started": 2, "begin": 2}  # fmt: skip
_STARTS = frozenset({"start", "started", "begin", "began"})
_WRITTEN = (
    "auto", "%d/%b/%Y:%H:%M:%S %z", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M",
    "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M",
    "%d-%m-%Y %H:%M:%S", "%Y%m%dT%H%M%S", "%Y-%m-%d", "%b %d, %Y %H:%M:%S", "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
"""Ways to write a time, the commonest first."""

_CACHED = re.compile(r"(?i:true|false|yes|no|hit|miss|bypass|expired|none)")
_PER_SECOND, _PER_NANOSECOND = 1e3, 1e7
"""A bare duration below the first on average, with a fraction, is taken for seconds; one above the second for ns."""

_EARLIEST = 946_684_800  # of 2000


@dataclass(frozen=True)
class Seen:
    """A field of some lines: its place as a mapping writes it, the keys on the way, and its values, as text."""

    place: str
    keys: tuple[str, ...]
    values: tuple[str, ...]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The words of its own key."""
        return _words(self.keys[-1])

    @cached_property
    def above(self) -> frozenset[str]:
        """The words of the keys above it."""
        return frozenset(word for key in self.keys[:-1] for word in _words(key))

    @property
    def array(self) -> str:
        """The array in whose elements it is."""
        return self.place.rpartition("[]")[0]


@dataclass
class Guess:
    """The places of columns, with why each was taken; the units, and what counts include."""

    columns: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    cache_beside: bool = False

    def take(self, column: str, seen: Seen, why: str) -> None:
        """Note that *seen* is the *column*."""
        if column not in self.columns and seen.place not in self.columns.values():
            self.columns[column], self.why[column] = seen.place, why

    @property
    def is_call(self) -> bool:
        """Whether that makes a call."""
        return "model" in self.columns and not self.columns.keys().isdisjoint(SIDES)


def guess(fields: Sequence[Seen]) -> Guess:
    """Return what *fields* of lines probably are."""
    found = Guess()
    if (model := _best(fields, _model_score)) is None:
        return found
    named = sorted(set(model.values))[:2]
    found.take("model", model, f"holds {', '.join(named)}")
    near = [seen for seen in fields if seen.array.startswith(model.array) or model.array.startswith(seen.array)]
    _guess_counts(near, found)
    if not found.is_call:
        return found
    array = max((found.columns[name] for name in ("model", *SIDES) if name in found.columns), key=lambda p: "[]" in p)
    inside = array.rpartition("[]")[0]
    near = sorted((seen for seen in near if inside.startswith(seen.array)), key=lambda seen: -len(seen.array))
    _guess_times(near, found)
    for column, pattern in _NAMES.items():
        _guess_named(column, re.compile(pattern), near, found)
    _guess_units(near, found)
    return found


def _words(key: str) -> tuple[str, ...]:
    words = (word.lower() for word in _WORD.findall(key))
    return tuple(word[:-1] if word.endswith("s") and len(word) >= _PLURAL and word[-2] not in "su" else word
                 for word in words)  # fmt: skip


def _mostly(pattern: re.Pattern[str], values: Sequence[str]) -> bool:
    """Tell whether hardly any of *values* is something else: logs have blanks, dashes and worse in between."""
    return sum(pattern.fullmatch(value) is not None for value in values) >= _MOSTLY * len(values)


def _best(fields: Sequence[Seen], score: Callable[[Seen], float]) -> Seen | None:
    """Return the field of the highest positive score; of several the one that most lines have, the first of these."""
    scored = [(score(seen), len(seen.values), -n, seen) for n, seen in enumerate(fields)]
    top = max(scored, default=None, key=lambda one: one[:3])
    return top[3] if top and top[0] > 0 else None


def _model_score(seen: Seen) -> float:
    if not _mostly(_A_MODEL, seen.values) or any(map(_A_PLACE.search, seen.values)):
        return 0
    names = pl.DataFrame({"model": list(dict.fromkeys(seen.values))})
    known = float(names.select(provider_of(pl.col("model")).is_not_null().mean()).item())
    named = 3 if "model" in seen.words else 2 if {"engine", "deployment", "llm"} & {*seen.words} else 0
    if not named and "model" in seen.above:
        named = 2 if {"name", "id"} & {*seen.words} else 0
    provider = {"provider", "vendor"} & {*seen.words}
    return 0 if provider or (not named and known < 1) else named + 3 * known


def _guess_counts(fields: Sequence[Seen], found: Guess) -> None:
    counts = [s for s in fields if _mostly(_A_COUNT, s.values) and any(v.strip("0,-") for v in s.values)]
    if usage := _usage_object(counts):
        found.columns["usage"], found.why["usage"] = usage, "has the keys of a provider's usage object"
        return
    sided = [(side, score, seen) for seen in counts for side, score in [_side(seen)] if side]
    parents = {
        seen.keys[:-1] for side, _, seen in sided if side == "request_tokens"
    } & {seen.keys[:-1] for side, _, seen in sided if side == "response_tokens"}  # fmt: skip
    for column in ("request_tokens", "response_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens",
                   "reasoning_tokens"):  # fmt: skip
        mine = {seen: score + (seen.keys[:-1] in parents) for side, score, seen in sided if side == column}
        best = _best(list(mine), mine.__getitem__)
        if best is not None and (column in SIDES or "request_tokens" in found.columns):
            found.take(column, best, "whole numbers under such a name")
    found.cache_beside = _cache_is_beside(fields, found)


def _usage_object(counts: Sequence[Seen]) -> str | None:
    """Return the place of an object that has a prompt and a response under the keys of one family."""
    places = {seen.place for seen in counts}
    for family in FAMILIES:
        for request in family.request:
            for place in sorted((p for p in places if p == request or p.endswith(f".{request}")), key=len):
                above = place[: -len(request)]
                if any(f"{above}{response}" in places for response in family.response):
                    return above.removesuffix(".")
    return None


def _side(seen: Seen) -> tuple[str, int]:
    """Return which count *seen* is by its name, and how surely; "" where it is none."""
    own, every = frozenset(seen.words), frozenset(seen.words) | seen.above
    if own & _NO_COUNT or (every & _NO_COUNT and not own & _TOKENS):
        return "", 0
    sure = 3 if own & _TOKENS else 2 if seen.above & _TOKENS else 0
    for words in (own, every):
        if words & _CACHE:
            return ("cache_write_tokens" if words & _WRITE else "cache_read_tokens"), sure
        if words & _THOUGHT:
            return "reasoning_tokens", sure
        asked, answered = ((words & side) - (frozenset() if sure else _ANY) for side in (_IN, _OUT))
        if bool(asked) != bool(answered):
            return ("request_tokens" if asked else "response_tokens"), sure
    return (
        ("total_tokens", sure)
        if sure and len(own - _TOKENS - {"total", "sum", "all", "used", "n", "count"}) == 0
        else ("", 0)
    )


def _cache_is_beside(fields: Sequence[Seen], found: Guess) -> bool:
    """Tell whether more tokens are cached than the prompt has, so that it can't include them."""
    values = {seen.place: seen.values for seen in fields}
    pair = [values.get(found.columns.get(name, ""), ()) for name in ("request_tokens", "cache_read_tokens")]
    whole, cached = ([int(v.replace(",", "")) if _A_COUNT.fullmatch(v) else 0 for v in some] for some in pair)
    return len(whole) == len(cached) and any(part > all_ > 0 for all_, part in zip(whole, cached, strict=True))


def _guess_times(fields: Sequence[Seen], found: Guess) -> None:
    scored = []
    for seen in fields:
        if seen.place in found.columns.values():
            continue
        named = max((_TIME_WORDS.get(word, 0) for word in seen.words), default=0)
        written = _way_of_time(seen.values, named=bool(named))
        if written and (named or any(c in "-:/" for c in seen.values[0])):
            scored.append((named, seen, written))
    scored.sort(key=lambda one: -one[0])
    for named, seen, written in scored:
        column = "started_at" if _STARTS & {*seen.words} else "created_at"
        if found.units.setdefault("time", written) == written and column not in found.columns:
            found.take(column, seen, "times" if named else "its values are times")


def _way_of_time(values: Sequence[str], *, named: bool) -> str | None:
    """Return how *values* are written, if all are times."""
    if not named and all(map(_A_COUNT.fullmatch, values)):
        return None
    if all(map(_A_COUNT.fullmatch, values)) and int(values[0].replace(",", "")) < _EARLIEST:
        return None
    texts = pl.DataFrame({"text": list(dict.fromkeys(values))[:64]})
    return next((w for w in _WRITTEN if texts.select(time(pl.col("text"), w).is_not_null().all()).item()), None)


def _guess_named(column: str, pattern: re.Pattern[str], fields: Sequence[Seen], found: Guess) -> None:
    for seen in fields:
        name = "_".join(seen.words)
        longer = "_".join((*_words(seen.keys[-2]), *seen.words)) if len(seen.keys) > 1 else name
        if (pattern.search(name) or pattern.search(longer)) and _may_be(column, seen):
            found.take(column, seen, "by its name")


def _may_be(column: str, seen: Seen) -> bool:
    values = pl.Series("text", list(dict.fromkeys(seen.values))[:64])
    if column in ("cached", "requests"):
        return all(map((_CACHED if column == "cached" else _A_COUNT).fullmatch, values))
    if column in ("cost", "attempt", "temperature", "max_tokens"):
        return bool(values.str.strip_prefix("$").cast(pl.Float64, strict=False).is_not_null().all())
    if column == "latency":
        return bool(values.to_frame().select(duration_ms(pl.col("text")).is_not_null().all()).item())
    if column == "error":
        return True
    if column in TEXTS and not column.endswith("_id") and rule_of(seen.keys[-1]) is Rule.NEVER:
        return False
    return all(len(value) <= _LONGEST and " " not in value for value in values)


def _guess_units(fields: Iterable[Seen], found: Guess) -> None:
    by_place: Mapping[str, Seen] = {seen.place: seen for seen in fields}
    if latency := by_place.get(found.columns.get("latency", "")):
        found.units["latency"] = _unit_of_duration(latency)
    if (cost := by_place.get(found.columns.get("cost", ""))) and {"cent", "microusd"} & {*cost.words}:
        found.units["cost"] = "cents" if "cent" in cost.words else "microusd"


def _unit_of_duration(seen: Seen) -> str:
    for unit, names in {
        "ms": {"ms", "milli", "millisecond"},
        "s": {"s", "sec", "second"},
        "us": {"us"},
        "ns": {"ns"},
    }.items():
        if names & {*seen.words}:
            return unit
    numbers = pl.Series(seen.values).cast(pl.Float64, strict=False).drop_nulls()
    if numbers.is_empty():
        return "ms"  # they say it themselves
    mean = float(numbers.mean())  # type: ignore[arg-type] # of numbers
    if mean > _PER_NANOSECOND:
        return "ns"
    return "s" if mean < _PER_SECOND and bool((numbers != numbers.round()).any()) else "ms"
