"""Application logs in JSON lines (slog, zap, structlog, pino, zerolog, python-json-logger) that mention an LLM call.

    {"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"done","model":"gpt-4o","input_tokens":900,"output_tokens":40}

A line is a call if it names a model and counts tokens under one of the usual names; `app_json_names` lists them, and
where they are looked for. Lines are offered to this format after all others. Any other name needs a mapping file.

Times are ISO 8601 or a number since 1970 whose size gives its unit away; without an offset they are UTC. The time is
when the line was written, hence when the call finished. A latency counts if its name or its text gives the unit: zap
writes bare seconds, slog nanoseconds, pino milliseconds, all under the same names.

A line that sums up several calls (`app_json_names.SUMS`), such as the result of a run, is not a call itself.

Names don't say whether the prompt includes the cache. It is assumed to, as OpenAI counts, unless more tokens are cached
than the prompt has, or the cache is counted under the names of Anthropic's API. Responses are assumed to include
reasoning.
"""

import re

import polars as pl

from parsers.formats.app_json_names import CONTAINERS, COUNTS, FIELDS, MODEL, PARTS, SUMS
from parsers.rows.calls import Meaning
from parsers.rows.json_shape import HINTS, Shape, json_format
from parsers.values.lenient import duration_ms


def _places(keys: tuple[str, ...], containers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the places of *keys*: `a.b` is looked for as one key and as two."""
    return tuple(
        f"{container}{text}"
        for container in containers
        for key in keys
        for text in ((f'"{key}"', key) if "." in key else (key,))
    )


_TOP = ("", "extra.", "fields.")
_LATENCIES = ("ms", "s", "us", "ns")

_added = [pl.col(name).cast(pl.Int64, strict=False).fill_null(0) for name in ("anthropic_read", "anthropic_write")]
_beside = pl.any_horizontal(pl.col(name).is_not_null() for name in ("anthropic_read", "anthropic_write"))
_asked = pl.col("request_tokens").cast(pl.Int64, strict=False)

_SHAPE = Shape(
    paths={
        **{name: _places(keys, _TOP) for name, keys in FIELDS.items()},
        "model": _places(MODEL, ("", "llm.", "extra.", "fields.")),
        **{name: _places(keys, CONTAINERS) for name, keys in {**COUNTS, **PARTS}.items()},
    },
    meaning=Meaning(name="app-json"),
    derived={
        "request_tokens": pl.when(_beside)
        .then(pl.coalesce((_asked + pl.sum_horizontal(_added)).cast(pl.String), "request_tokens"))
        .otherwise("request_tokens"),
        "cache_read_tokens": pl.coalesce("anthropic_read", "cache_read_tokens"),
        "cache_write_tokens": pl.coalesce("anthropic_write", "cache_write_tokens"),
        "latency": pl.coalesce(
            *(duration_ms(pl.col(f"latency_{unit}"), unit) for unit in _LATENCIES),
            duration_ms(pl.when(pl.col("latency_spelled").str.contains(r"[a-zµμ]$")).then("latency_spelled")),
        ).cast(pl.String),
    },
    internal=("anthropic_read", "anthropic_write", *(f"latency_{unit}" for unit in _LATENCIES), "latency_spelled"),
)


def _any_key(keys: tuple[str, ...]) -> str:
    return (
        "(?:"
        + "|".join(sorted({re.escape(key.rsplit(".", 1)[-1]) for key in keys} | {re.escape(k) for k in keys}))
        + ")"
    )


_LINE = pl.col("line")

FORMAT = json_format(
    "application logs in JSON lines",
    _SHAPE,
    claims=_LINE.str.contains(f'"{_any_key(tuple(key for keys in COUNTS.values() for key in keys))}"\\s*:\\s*"?\\d')
    & _LINE.str.contains(f'"{_any_key(MODEL)}"\\s*:\\s*"[^"]')
    & ~_LINE.str.contains(f'"{_any_key(SUMS)}"\\s*:'),
    hints=(*HINTS, "okens_", "okensIn", "okensOut"),
)
