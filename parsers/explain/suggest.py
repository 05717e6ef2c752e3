"""Lines that no format reads → the mapping that would read them, as TOML that its user can correct.

What is guessed is tried: a suggestion reads the lines that it was made from, or it is not made.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parsers.blocks.format import Format
from parsers.blocks.lines import Block
from parsers.claims.documents import parse_document
from parsers.claims.parse import Rows, parse
from parsers.explain.guesses import SIDES, Guess, guess
from parsers.explain.unread import TIMES, Unread, text_fields, unread
from parsers.mapping.mapping import format_of
from parsers.mapping.toml import MappingError, mapping_of

_EVENTS = ("event", "type", "kind", "msg", "message", "event_type", "eventType", "name", "action", "op", "logger")
"""Keys whose value often tells what a line is about."""

_WANTED = ("created_at", "request_tokens", "response_tokens", "request_id", "session_id", "user_id", "agent_id",
           "latency", "cost", "status")  # fmt: skip
_VALUES = {"count": r"\d[\d,]*|-", "latency": r"[\d.]+(?:ns|us|µs|ms|s)?|-", "cost": r"\$?[\d.]+|-",
           "model": r"[A-Za-z@][\w./:@-]*\w"}  # fmt: skip
_WORD = r"[^\s,;|)\]}\x22\x27]+"
_LONGEST = 60


@dataclass(frozen=True)
class _Draft:
    """A mapping about to be suggested: its `[lines]`, the places of its columns, and what is behind it."""

    lines: Sequence[str]
    columns: dict[str, str]
    guess: Guess
    of: Unread


def suggest(block: Block, formats: Sequence[Format], name: str) -> str | None:
    """Return the TOML of a mapping for those lines of *block* that none of *formats* reads; None when none is a call.

    *name* is what the source is called.
    """
    best: tuple[int, str] = (0, "")
    for some in unread(block, formats):
        for draft in _drafts(some):
            text = _written(draft, name)
            rows = _read(block, text)
            if rows is None or len(rows.calls) <= best[0] or len(rows.rejects) > len(rows.calls):
                continue
            best = len(rows.calls), _with_count(text, rows)
    return best[1] or None


def _read(block: Block, text: str) -> Rows | None:
    """Return what the mapping *text* reads of *block*; None when it is none."""
    try:
        formats = [format_of(mapping_of(text, "suggested.toml"))]
    except MappingError:
        return None
    return parse_document(block.data, formats) or parse(block, formats)


def _drafts(some: Unread) -> Iterable[_Draft]:
    guessed = guess(some.fields())
    if not guessed.is_call:
        return
    if some.notation == "csv":
        yield _Draft(["csv = true"], guessed.columns, guessed, some)
    elif some.notation == "json":
        for lines in _selections(some, guessed):
            yield _Draft(lines, guessed.columns, guessed, some)
    else:
        needed = {name: place for name, place in guessed.columns.items() if name in ("model", "created_at", *SIDES)}
        for columns in (guessed.columns, needed):
            yield _text_draft(some, guessed, columns)


def _selections(some: Unread, guessed: Guess) -> Iterable[list[str]]:
    """Yield ways to tell the lines that are calls: by the key of a count, and by what all of them say beside it."""
    around = [_quoted(text) for text in some.unwrap]
    unwrap = [f"unwrap = {around[0] if len(around) == 1 else f'[{chr(44).join(around)}]'}"] if around else []
    side = next(
        name for name in ("response_tokens", "request_tokens", "usage", "total_tokens") if name in guessed.columns
    )
    place = guessed.columns[side]
    if not place:  # a usage object's keys at the top
        place = next(seen for seen in _counts(some, guessed))
    calls = [n for n, record in enumerate(some.records) if _is_call(record, guessed)]
    key = some.keys.get(place, tuple(_keys(place)))[-1]
    if all(f'"{key}"' in some.lines[n] for n in calls):  # not within JSON in text
        key = f'"{key}"'
    contains = [f"contains = {_quoted(key)}", *unwrap]
    others = [record for n, record in enumerate(some.records) if n not in set(calls)]
    same = _same_in([some.records[n] for n in calls], others)
    if same and others:
        yield [f"equals = {{ {_key(same[0])} = {_quoted(same[1])} }}", *unwrap]
    yield contains
    if same and not others:
        yield [f"equals = {{ {_key(same[0])} = {_quoted(same[1])} }}", *unwrap]


def _counts(some: Unread, guessed: Guess) -> Iterable[str]:
    for place in some.keys:
        if re.search(r"(?i)tok|count", place) and place not in guessed.columns.values():
            yield place


def _keys(place: str) -> list[str]:
    return [a or b for a, b in re.findall(r'"([^"]+)"|([^."\[\]]+)', place)]


def _is_call(record: dict[str, list[str]], guessed: Guess) -> bool:
    sides = [guessed.columns[name] for name in SIDES if name in guessed.columns]
    return guessed.columns["model"] in record and any(
        place in record or any(p.startswith(f"{place}.") or not place for p in record) for place in sides
    )


def _same_in(calls: Sequence[dict[str, list[str]]], others: Sequence[dict[str, list[str]]]) -> tuple[str, str] | None:
    """Return a place and its value that all *calls* have, and none of *others* has."""
    if not calls:
        return None
    ranked = sorted(
        (n, place) for place in calls[0] if "[]" not in place
        for n, event in enumerate(_EVENTS) if _keys(place)[-1].lower() == event.lower()
    )  # fmt: skip
    for _, place in ranked:
        values = Counter(value for record in calls for value in record.get(place, [""]))
        value, times = values.most_common(1)[0]
        if times == len(calls) and 0 < len(value) <= _LONGEST and not any(value in r.get(place, ()) for r in others):
            return place, value
    return None


def _text_draft(some: Unread, guessed: Guess, columns: dict[str, str]) -> _Draft:
    """Return the draft with a pattern that finds *columns* in lines of text, in the order of the fullest line."""
    calls = [n for n, record in enumerate(some.records) if _is_call(record, guessed)]
    fullest = max(calls, key=lambda n: len(some.records[n]))
    at = {place: where for place, _, where in text_fields(some.lines[fullest])}
    parts = []
    for name, place in sorted(columns.items(), key=lambda one: at.get(one[1], len(some.lines[fullest]))):
        kind = "count" if name.endswith("_tokens") else name
        value = TIMES[place] if place in TIMES else _VALUES.get(kind, _WORD)
        part = place.replace("…", f"(?P<{name}>{value})")
        everywhere = all(place in {p for p, *_ in text_fields(some.lines[n])} for n in calls)
        if place.startswith("^"):
            parts.append(part)
        else:
            parts.append(f".*?{part}" if everywhere else f"(?:.*?{part})?")
    side = next(columns[name] for name in SIDES if name in columns)
    literal = max(re.split(r"\\W\{0,2\}|\\b|…", side), key=len).replace("\\", "").strip()
    lines = [f"contains = {_quoted(literal)}", f"pattern = {_quoted(''.join(parts))}"]
    return _Draft(lines, {name: name for name in columns}, guessed, some)


def _written(draft: _Draft, name: str) -> str:
    """Return the TOML of *draft*, with what was guessed and what was not found as comments."""
    own = re.sub(r"[^\w-]+", "-", name.rpartition("/")[2].partition(".")[0]).strip("-") or "own"
    missing = [name for name in _WANTED if name not in draft.columns and not _is_told(name, draft)]
    some = f"Suggested by `ingest explain --suggest-mapping` from {name}; try it by --mapping."
    lines = [f"# {some}", "# What a comment calls guessed may be wrong: `ingest mapping` explains each key."]
    if missing:
        lines.append(f"# Not found: {', '.join(missing)}.")
    lines += [f"name = {_quoted(own)}", "", "[lines]", *draft.lines, "", "[columns]"]
    lines += [
        f"{column} = {_quoted(place)}  # guessed: {draft.guess.why[column]}" for column, place in draft.columns.items()
    ]
    units = {k: v for k, v in draft.guess.units.items() if (k, v) not in (("time", "auto"), ("latency", "ms"))}
    units = {k: v for k, v in units.items() if k == "time" or k in draft.columns}
    if units:
        lines += [
            "",
            "[units]",
            *(f"{unit} = {_quoted(value)}  # guessed from the values" for unit, value in units.items()),
        ]
    if "cache_read_tokens" in draft.columns:
        beside = draft.guess.cache_beside
        why = "more is cached than the prompt has" if beside else "as OpenAI counts; false where it is beside"
        lines += ["", "[tokens]", f"request_includes_cache = {str(not beside).lower()}  # guessed: {why}"]
    return "\n".join(lines) + "\n"


def _is_told(name: str, draft: _Draft) -> bool:
    told = {"created_at": draft.of.told or "started_at" in draft.columns}
    return told.get(name, name in ("request_tokens", "response_tokens") and "usage" in draft.columns)


def _with_count(text: str, rows: Rows) -> str:
    first, _, rest = text.partition("\n")
    rejected = f", {len(rows.rejects):,} rejected" if len(rows.rejects) else ""
    calls = f"{len(rows.calls):,} call{'s' * (len(rows.calls) != 1)}"
    return f"{first}\n# It reads {calls} of what was looked at{rejected}.\n{rest}"


def _quoted(text: str) -> str:
    """Return *text* as TOML: a regex as it is, if that can be."""
    return f"'{text}'" if {"\\", '"'} & {*text} and "'" not in text else json.dumps(text, ensure_ascii=False)


def _key(place: str) -> str:
    return place if re.fullmatch(r"[A-Za-z0-9_-]+", place) else _quoted(place)
