"""A CSV of usage or cost → rows per day and model, whatever its columns are called: they are known by their words.

| CSV | day | tokens | cost |
| --- | --- | --- | --- |
| Anthropic's usage | `usage_date_utc` | `usage_input_tokens_no_cache` and what the cache took, output | |
| Anthropic's cost | the same | | `cost_usd`; models are called `Claude Opus 4.5` |
| OpenAI's usage | `start_time` (Unix) | `input_tokens` (of which `input_cached_tokens`), output | |
| OpenAI's cost | the same | | `amount_value`; the model is in `line_item` |
| OpenRouter's activity | `created_at` | `tokens_prompt`, `tokens_completion` | `cost_total`; other costs are parts |
| DeepSeek's amount | `utc_date` | `amount` of each `type` (`input_cache_hit_tokens`, `request_count`) | |
| DeepSeek's cost | `utc_date` | | `cost`, if `currency` is USD |
| any other | `Date`, `timestamp` … | input or prompt, output or completion; or `total_tokens` | `cost…`, `amount…` |
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

_WORD = re.compile(r"[a-z0-9]+")
_DAYS = ("date", "day", "start", "created", "timestamp", "time")
_NO_DAY = frozenset({"end", "ms", "seconds", "first", "latency", "duration", "generation"})
_MONEY = frozenset({"cost", "costs", "amount", "spend"})
_FOREIGN = frozenset({"cny", "rmb", "eur", "gbp", "jpy", "inr", "krw", "aud", "cad", "chf", "credits"})
_NO_NUMBER = frozenset({"type", "currency", "center", "price", "rate", "limit", "id", "name"})
_COUNT = frozenset({"usage", "n", "num", "tokens", "token", "count", "total"})
_KIND, _QUANTITY = frozenset({"type", "kind", "metric"}), frozenset({"amount", "quantity", "value", "usage", "count"})
_CALLS = frozenset({"requests", "calls"})
_ASKED, _ANSWERED = frozenset({"input", "prompt", "request"}), frozenset({"output", "completion", "response"})

_EPOCH = re.compile(r"(\d{10})(?:\d{3}|\d{6}|\d{9})?(?:\.\d+)?")
"""Seconds since 1970, or thousandths, millionths or billionths of them."""

_WRITTEN = ("%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y")
"""How else a day is written where it can mean only one: not 03/02/2026."""

Row = dict[str, Any]  # as `provider_export` describes it
Columns = dict[str, frozenset[str]]


def rows(text: str) -> list[Row]:
    """Return the rows of a CSV; those that say nothing are left out.

    Raises:
        ValueError: A column or a value can't be understood.
    """
    heading = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=heading.count))
    return rows_of(reader.fieldnames or [], list(reader))


def rows_of(names: Sequence[str], records: Sequence[dict[str, str]]) -> list[Row]:
    """Return the rows of *records* with the columns *names*, as `rows` does."""
    columns = {name: _words(name) for name in names}
    columns, records = _wide(columns, records)
    day = next(
        (name for word in _DAYS for name in columns if word in columns[name] and not columns[name] & _NO_DAY), None
    )
    if day is None:
        raise ValueError("no column with a date")
    model = _model(columns)
    requests = [name for name in _known(columns, _CALLS) if not columns[name] & {"web", "search"}]
    sums = {"requests": requests[:1], **_tokens(columns), "cost_usd": _cost(columns)}
    if not any(names for key, names in sums.items() if key != "requests"):
        raise ValueError("no columns with input and output tokens, total tokens, or cost")
    currency = next((name for name, own in columns.items() if "currency" in own), None)
    found = [
        {
            "day": _day(row[day]),
            "model": model and _name(row[model]),
            **{key: _sum(key, row, sums[key]) for key in sums if key != "cost_usd"},
            "cost_usd": _sum("cost_usd", row, sums["cost_usd"]) if _in_dollars(currency and row[currency]) else None,
        }
        for row in records
        if row[day]
    ]
    told = [row for row in found if any(row[key] is not None for key in sums)]
    if records and currency and not told:
        raise ValueError(f"its costs are in {records[0][currency]}, not in USD")
    return told


def _wide(columns: Columns, records: Sequence[dict[str, str]]) -> tuple[Columns, Sequence[dict[str, str]]]:
    """Return records that say in one column which tokens, and in another how many, with a column for each kind."""
    kind = next((name for name, own in columns.items() if own & _KIND and _counts(row[name] for row in records)), None)
    quantity = next((name for name, own in columns.items() if own & _QUANTITY and not own & _NO_NUMBER), None)
    if kind is None or quantity is None or _tokens(columns) != {"request_tokens": []}:
        return columns, records
    kinds = dict.fromkeys(row[kind] or "" for row in records)
    kept = {name: own for name, own in columns.items() if name not in {kind, quantity}}
    # `request_count` counts requests, where `request_tokens` counts what was asked.
    calls = {name: _CALLS if {"request", "count"} <= _words(name) else _words(name) for name in kinds}
    wide = [dict.fromkeys(kinds, "") | row | {row[kind] or "": row[quantity]} for row in records]
    return kept | calls, wide


def _counts(kinds: Iterable[str | None]) -> bool:
    """Tell whether *kinds* are names of what was counted in tokens."""
    return any("tokens" in _words(kind) and _words(kind) & (_ASKED | _ANSWERED) for kind in set(kinds) if kind)


def _words(name: str) -> frozenset[str]:
    return frozenset(_WORD.findall(name.lower()))


def _in_dollars(currency: str | None) -> bool:
    return currency is None or currency.strip().upper() in {"", "USD", "US$", "$"}


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
    costs = [name for name in _known(columns, _MONEY) if not columns[name] & _FOREIGN]
    whole = [name for name in costs if not columns[name] & (_ASKED | _ANSWERED)]
    # Where one is the total, the others are parts of it.
    return sorted(whole, key=lambda name: "total" not in columns[name])[:1] or costs


def _day(text: str) -> date:
    """Return the UTC day of a date, a time, or seconds since 1970."""
    text = re.sub(r" (?=[+-]\d\d:?\d\d$)", "", text.strip())
    if epoch := _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(epoch[1]), UTC).date()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        for form in _WRITTEN:
            with suppress(ValueError):
                return datetime.strptime(text, form).date()  # noqa: DTZ007 # a day, of no zone
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
