"""A CSV of usage or cost → rows per day and model, whatever its columns are called: they are known by their words.

| CSV | day | tokens | cost |
| --- | --- | --- | --- |
| Anthropic's usage | `usage_date_utc` | `usage_input_tokens_no_cache` and what the cache took, output | |
| Anthropic's cost | the same | | `cost_usd`; models are called `Claude Opus 4.5` |
| OpenAI's usage | `start_time` (Unix) | `input_tokens` (of which `input_cached_tokens`), output | |
| OpenAI's cost | the same | | `amount_value`; the model is in `line_item` |
| any other | `Date`, `timestamp` … | input or prompt, output or completion; or `total_tokens` | `cost…`, `amount…` |
"""

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

_WORD = re.compile(r"[a-z0-9]+")
_DAYS = ("date", "day", "start", "time", "timestamp", "created")
_MONEY = frozenset({"cost", "costs", "amount", "spend"})
_NO_NUMBER = frozenset({"type", "currency", "center", "price", "rate", "limit", "id", "name"})
_COUNT = frozenset({"usage", "n", "num", "tokens", "token", "count", "total"})
_ASKED, _ANSWERED = frozenset({"input", "prompt", "request"}), frozenset({"output", "completion", "response"})

Row = dict[str, Any]  # as `provider_export` describes it
Columns = dict[str, frozenset[str]]


def rows(text: str) -> list[Row]:
    """Return the rows of a CSV; those that say nothing are left out.

    Raises:
        ValueError: A column or a value can't be understood.
    """
    heading = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=heading.count))
    columns = {name: frozenset(_WORD.findall(name.lower())) for name in reader.fieldnames or []}
    day = next(
        (name for word in _DAYS for name in columns if word in columns[name] and "end" not in columns[name]), None
    )
    if day is None:
        raise ValueError("no column with a date")
    model = _model(columns)
    requests = [
        name for name in _known(columns, frozenset({"requests", "calls"})) if not columns[name] & {"web", "search"}
    ]
    sums = {"requests": requests[:1], **_tokens(columns), "cost_usd": _cost(columns)}
    if not any(names for key, names in sums.items() if key != "requests"):
        raise ValueError("no columns with input and output tokens, total tokens, or cost")
    found = [
        {
            "day": _day(row[day]),
            "model": model and _name(row[model]),
            **{key: _sum(key, row, sums[key]) for key in sums},
        }
        for row in reader
        if row[day]
    ]
    return [row for row in found if any(row[key] is not None for key in sums)]


def model_of(line_item: str | None) -> str | None:
    """Return the model of a line such as `gpt-5.2, input`; other charges have none."""
    return line_item.split(",")[0].strip() if line_item and "," in line_item else None


def _known(columns: Columns, words: frozenset[str]) -> list[str]:
    return [name for name, own in columns.items() if own & words and not own & _NO_NUMBER]


def _model(columns: Columns) -> str | None:
    named = (name for name, own in columns.items() if "model" in own and "requests" not in own)
    return next(named, None) or next((name for name, own in columns.items() if own == {"line", "item"}), None)


def _tokens(columns: Columns) -> dict[str, list[str]]:
    """Return which columns add up to the tokens asked and answered: the whole, or all its parts."""
    tokens = {name: own for name, own in columns.items() if not own & (_MONEY | _NO_NUMBER)}
    asked, answered = (_whole(tokens, words) for words in (_ASKED, _ANSWERED))
    if asked and answered:
        return {"request_tokens": asked, "response_tokens": answered}
    return {"request_tokens": [name for name, own in tokens.items() if "tokens" in own and own <= _COUNT][:1]}


def _whole(tokens: Columns, words: frozenset[str]) -> list[str]:
    parts = [name for name in tokens if tokens[name] & words and not tokens[name] & {"requests", "calls"}]
    whole = [name for name in parts if tokens[name] <= words | _COUNT][:1]
    # What Anthropic calls input tokens are those beside the cache; what others call so includes it.
    beside = [name for name in parts if {"cache", "input"} <= tokens[name]] if words is _ASKED else []
    return [*whole, *beside] if whole else parts


def _cost(columns: Columns) -> list[str]:
    costs = _known(columns, _MONEY)
    return [name for name in costs if not columns[name] & (_ASKED | _ANSWERED)][:1] or costs


def _day(text: str) -> date:
    """Return the UTC day of a date, a time, or seconds since 1970."""
    text = text.strip()
    if text.isdecimal() and len(text) > len("20260203"):
        return datetime.fromtimestamp(int(text[:10]), UTC).date()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return date.fromisoformat(text[:10])
    return (moment.astimezone(UTC) if moment.tzinfo else moment).date()


def _name(text: str | None) -> str | None:
    name = (text or "").strip()
    if name.startswith("Claude "):
        return re.sub(r"[ .]", "-", name.lower())
    return (model_of(name) if "," in name else name) or None


def _sum(key: str, row: dict[str, str], names: Iterable[str]) -> int | Decimal | None:
    texts = [re.sub(r"[,$\s]", "", row[name] or "") for name in names]
    known = [Decimal(text) for text in texts if text]
    if not known:
        return None
    return sum(known, Decimal(0)) if key == "cost_usd" else int(sum(known))
