"""A TOML file of own prices: negotiated rates, local models, whatever the price table does not know or gets wrong.

[[price]]
provider = "openai"        # left out: whatever the provider
model = "gpt-4o"           # or models = ["…", "…"]; exact names, upper or lower case
start = 2026-01-01         # UTC day; left out: always, and then the price table is not asked at all
per = "1M"                 # or "1K"
input = 2.00               # USD; required, as is output
output = 8.00
cache_read = 0.20          # left out, here and below: as what it is a part of
cache_write = 2.50
cache_write_1h = 4.00
reasoning = 8.00
input_audio = 40.00        # and cache_audio, output_audio; the same of image, and of video, which has no cache
search = 10.00             # USD for 1,000 searches of the web, whatever `per` says
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ingest.errors import IngestError, reason
from ingest.prices.entries import UNITS, Period, Rates, Tier, rates
from parsers.values.by_hand import toml_in
from parsers.values.messages import line_of

_PER = {"1M": Decimal(1), "1K": Decimal(1_000)}
_RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning", *UNITS)
_KEYS = ("provider", "model", "models", "start", "per", *_RATES)
_DEAREST = Decimal(1_000_000)


class Override(NamedTuple):
    """One own price of one model. *provider* and *model* are lower case; *start* None means always."""

    provider: str | None
    model: str
    period: Period
    origin: str


def load(path: Path) -> tuple[Override, ...]:
    """Read the own prices in the file at *path*.

    Raises:
        IngestError: It can't be read, isn't TOML, or says something that isn't a price; the message names the line.
    """
    try:
        text, listed = toml_in(path, IngestError, Decimal)
    except OSError as error:
        raise IngestError(f"{path} can't be read: {reason(error)}; name another file with --prices") from error
    unknown = sorted(set(listed) - {"price"})
    if unknown or not isinstance(listed.get("price", []), list):
        raise IngestError(f"{path}: unexpected {', '.join(unknown) or 'price'}; each price is a table [[price]]")
    overrides = []
    for index, entry in enumerate(listed.get("price", [])):
        place = _Place(path, text, index)
        if not isinstance(entry, Mapping):
            raise place.error(None, "a price is a table: write [[price]] and one key a line below it")
        overrides += _read(entry, place)
    _reject_twins(overrides, path)
    return tuple(overrides)


class _Place(NamedTuple):
    """Where the *number*-th price stands in the file, to say so in errors."""

    path: Path
    text: str
    number: int

    def error(self, key: str | None, problem: str) -> IngestError:
        return IngestError(f"{self.path}, line {line_of(self.text, key, 'price', self.number)}: {problem}")


def _read(entry: Mapping[str, Any], place: _Place) -> list[Override]:
    for key in entry:
        if key not in _KEYS:
            raise place.error(key, f"unknown key {key!r}; the keys are {', '.join(_KEYS)}")
    period = Period(_start(entry, place), None, (Tier(0, _rates(entry, place)),))
    provider = entry.get("provider")
    if provider is not None and not (isinstance(provider, str) and provider.strip()):
        raise place.error("provider", 'provider must be a name, such as provider = "openai"; leave it out for any')
    name = None if provider is None else provider.strip().lower()
    origin = f"{place.path.name}, line {line_of(place.text, None, 'price', place.number)}"
    return [Override(name, model, period, origin) for model in _models(entry, place)]


def _models(entry: Mapping[str, Any], place: _Place) -> list[str]:
    if ("model" in entry) == ("models" in entry):
        raise place.error("models", 'name the model once: either model = "…" or models = ["…", "…"]')
    key = "model" if "model" in entry else "models"
    models = [entry[key]] if key == "model" else entry[key]
    if not isinstance(models, list) or not models or not all(isinstance(m, str) and m.strip() for m in models):
        shape = 'a name, such as model = "gpt-4o"' if key == "model" else 'a list of names, such as models = ["gpt-4o"]'
        raise place.error(key, f"{key} must be {shape}")
    return [model.strip().lower() for model in models]


def _start(entry: Mapping[str, Any], place: _Place) -> date | None:
    start = entry.get("start")
    if isinstance(start, str):
        try:
            start = date.fromisoformat(start)
        except ValueError:
            raise place.error("start", f'{start!r} is not a day; write start = "2026-01-31"') from None
    if start is not None and (not isinstance(start, date) or isinstance(start, datetime)):
        raise place.error("start", 'start must be a UTC day without a time; write start = "2026-01-31"')
    return start


def _rates(entry: Mapping[str, Any], place: _Place) -> Rates:
    per = entry.get("per", "1M")
    if per not in _PER:
        raise place.error("per", f'per = {per!r} is neither "1M" nor "1K": say how many tokens the prices are for')
    for key in ("input", "output"):
        if key not in entry:
            raise place.error(None, f"no {key} price; add {key} = … in USD per {per} tokens (0 when it is free)")
    usd = {key: _usd(entry[key], key, place) * (1 if key == "search" else _PER[per]) for key in _RATES if key in entry}
    try:
        return rates(usd)
    except ValueError as error:
        raise place.error(None, f"{error}; round it") from error


def _usd(value: object, key: str, place: _Place) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise place.error(key, f"{key} must be a number of USD, such as {key} = 2.50")
    usd = Decimal(value)
    if not usd.is_finite() or not 0 <= usd <= _DEAREST:
        raise place.error(key, f"{key} = {value} is no price; give USD from 0 to {_DEAREST:,}")
    return usd


def _reject_twins(overrides: list[Override], path: Path) -> None:
    seen: dict[tuple[str | None, str, date | None], str] = {}
    for override in overrides:
        key = (override.provider, override.model, override.period.start)
        if key in seen:
            when = f"from {override.period.start}" if override.period.start else "without a start"
            raise IngestError(
                f"{path}: {override.model} has two prices {when} ({seen[key]} and {override.origin}): remove one"
            )
        seen[key] = override.origin
