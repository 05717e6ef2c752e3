r"""usage.jsonl: the accounts of maestro. JSON lines below a header, one a call, appended and never rotated.

    {"usage_surface_version":2}
    {"finished_at":"2026-08-04T00:05:00.1Z","input_tokens":1200,"output_tokens":340,"reasoning_tokens":90,
     "cache_read_tokens":800,"cache_write_tokens":0,"cost_usd":0.0425,"provider":"anthropic","model":"claude-opus-5",
     "story_id":"9ae50aa4","agent_id":"coder-001","latency_ns":1500000000,"success":true}

| column | v1 (2026-07-17) | v2 (2026-08-08) |
| --- | --- | --- |
| created_at | `ts` | `finished_at` |
| request_tokens | `prompt_tokens` | `input_tokens` |
| response_tokens | `completion_tokens`, reasoning included | `output_tokens` + `reasoning_tokens` |
| cost_reported_usd | `cost_usd`; 0 beside tokens means no price: NULL | `cost_usd`, absent when unpriced; a 0 is a 0 |
| provider, latency_ms | from the model, NULL | `provider`, `latency_ns` |

`total_tokens` is input + output + reasoning, which is what maestro's own budgets count. The cache counts stand beside
it, as logged: maestro does not say whether `input_tokens` includes them, and does not add them.

As strict as maestro's own readers: a record that breaks a rule of the surface is rejected, with the rule. A failed
call has no tokens and no cost (v1 prints zeros that nobody measured: NULL); a v2 record has all five counts or,
failed, none. Unknown keys are kept in the metadata. The header makes no row.

A line that a crash cut short has the next record glued to it. Such a line is split where records begin: what is whole
is a row, the torn piece is a reject.
"""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from parsers.blocks.format import Context, Format, Parsed
from parsers.blocks.lines import RECORDS, reject
from parsers.formats.maestro.log_line import role_of
from parsers.formats.maestro.usage_rules import CHECKS_1, CHECKS_2, COUNTS
from parsers.jsonl.decode import OWN, decode
from parsers.jsonl.unknown_fields import leftovers
from parsers.rows.calls import Checks
from parsers.values.providers import provider_of
from parsers.values.typed import known, started, usd, utc

_LINE = pl.col("line")
_HEADER = '{"usage_surface_version":'
_HEADER_LINE = r"^\{\"usage_surface_version\":[12]\}\s*$"
_SORTED_1 = r'^\{"(?:agent_id|completion_tokens)":.*"prompt_tokens":.*"success":'
_SORTED_2 = r'^\{"(?:agent_id|cache_read_tokens|error)":.*"finished_at":.*"latency_ns":'
"""The records where a collector, or `jq -S`, has sorted their keys."""

_KEYS_2 = "finished_at|(?:in|out)put_tokens|reasoning_tokens|cache_(?:read|write)_tokens|cost_usd|provider|model"
_ONLY_2 = (
    rf'^\{{(?:\s*"(?:{_KEYS_2}|story_id|agent_id|error|latency_ns|success)"\s*:\s*'
    r'(?:"(?:[^"\\]|\\.)*"|[^",{}\[\]]+),?)+\}\s*$'
)
_OWN_2 = r'"latency_ns"\s*:|"finished_at"\s*:.*"success"\s*:|"success"\s*:.*"finished_at"\s*:'
"""A record of nothing but keys of the surface, in any order, is maestro's, also where one that it must have is missing:
its readers refuse such a record, and no other format may take it for a call."""

_COUNTED_1 = OWN + r'"(?:prompt|completion)_tokens":'
"""The counts are the record's own: those of a response that an application logged are in an object."""

_TORN = r'^\{"?[a-z_]{0,21}"?\{"(?:finished_at|ts|usage_surface_version)":'
_WHOLE = 2
_NO_CALLS = pl.DataFrame(schema={"source_offset": pl.Int64})
_V1 = pl.Struct(
    {
        "ts": pl.String,
        "story_id": pl.String,
        "agent_id": pl.String,
        "model": pl.String,
        "prompt_tokens": pl.Int64,
        "completion_tokens": pl.Int64,
        "cost_usd": pl.Float64,
        "success": pl.Boolean,
    }
)
_V2 = pl.Struct(
    {
        "finished_at": pl.String,
        **dict.fromkeys(COUNTS, pl.Int64),
        "cost_usd": pl.Float64,
        "provider": pl.String,
        "model": pl.String,
        "story_id": pl.String,
        "agent_id": pl.String,
        "error": pl.String,
        "latency_ns": pl.Int64,
        "success": pl.Boolean,
    }
)


def _parse(records: pl.DataFrame, context: Context) -> Parsed:
    calls, rejects, broken = _rows(records)
    pieces = _pieces(broken)
    if pieces.is_empty():
        rejects = pl.concat([rejects, broken])
    else:
        more, bad, torn = _rows(pieces)
        whole = broken.filter(~pl.col("source_end").is_in(pieces["source_end"].implode()))
        calls, rejects = pl.concat([calls, more], how="diagonal_relaxed"), pl.concat([rejects, whole, bad, torn])
    return Parsed(calls.sort("source_offset"), pl.DataFrame(), rejects.sort("source_offset"), context)


def _rows(records: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the calls of *records*, the rejects, and as rejects too what is no JSON at all."""
    header, first = _LINE.str.starts_with(_HEADER), _LINE.str.starts_with('{"ts":') | _LINE.str.contains(_SORTED_1)
    odd = reject(records.filter(header & ~_LINE.str.contains(_HEADER_LINE)), "not a header of version 1 or 2")
    of_version = records.filter(first), records.filter(~first & ~header)
    read = [_read(part, version) for part, version in zip(of_version, _VERSIONS, strict=True) if not part.is_empty()]
    calls = pl.concat([good for good, _, _ in read], how="diagonal_relaxed") if read else _NO_CALLS
    return calls, pl.concat([odd, *(bad for _, bad, _ in read)]), pl.concat([odd.clear(), *(b for _, _, b in read)])


def _pieces(broken: pl.DataFrame) -> pl.DataFrame:
    """Return, of each broken line in which further records begin, the pieces, each with its place in the source."""
    pieces = []
    for line, offset, end in broken.select(RECORDS.names()).iter_rows():
        found = pl.Series([line]).str.find_many(['{"finished_at":', '{"ts":', _HEADER])[0].to_list()
        raw = line.encode()
        bounds = sorted({0, len(raw), *found})
        if len(bounds) > _WHOLE:
            pieces += [
                (raw[a:b].decode(), offset + a, end if b == len(raw) else offset + b) for a, b in pairwise(bounds)
            ]
    return pl.DataFrame(pieces, schema=RECORDS, orient="row")


def _read(records: pl.DataFrame, version: "_Version") -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return the calls of *records* of one version, the rejects, and as rejects too what is no JSON at all."""
    decoded, broken = decode(records, version.dtype)
    time = pl.col(version.dtype.fields[0].name)
    read = decoded.with_columns(pl.col("record").struct.unnest()).with_columns(created_at=utc(time))
    good, bad = version.checks.apart(read)
    return good.select(*version.columns(), _unknown(good, version.dtype)), bad, broken


def _unknown(good: pl.DataFrame, dtype: pl.Struct) -> pl.Series:
    """Return, as `metadata`, the keys of *good* records that the surface lacks. As Go writes, `":` ends each key."""
    present = pl.sum_horizontal(pl.col(f.name).is_not_null().cast(pl.UInt32) for f in dtype.fields)
    more = good.select(_LINE.str.count_matches('":', literal=True) > present).to_series()
    found = pl.Series("metadata", [None], dtype=pl.String).new_from_index(0, len(good))
    if not more.any():
        return found
    return found.scatter(more.arg_true(), leftovers(good.filter(more)))


def _columns() -> dict[str, pl.Expr]:
    """Return what both versions have."""
    agent = known(pl.col("agent_id"))
    return {
        "source_offset": pl.col("source_offset"),
        "created_at": pl.col("created_at"),
        "ts_source": pl.lit("log"),
        "story_id": known(pl.col("story_id")),
        "agent_id": agent,
        "role": role_of(agent),
        "model": known(pl.col("model")),
        "token_source": pl.when("success").then(pl.lit("provider")),
        "success": pl.col("success"),
    }


@cache
def _columns_1() -> list[pl.Expr]:
    request, response = (pl.when("success").then(name) for name in ("prompt_tokens", "completion_tokens"))
    measured = pl.col("success") & ((pl.col("cost_usd") > 0) | (request + response == 0))
    columns = _columns() | {
        "provider": provider_of(pl.col("model")),
        "request_tokens": request,
        "response_tokens": response,
        "total_tokens": request + response,
        "cost_reported_usd": pl.when(measured).then(usd(pl.col("cost_usd"))),
        "format": pl.lit("maestro-usage/v1"),
    }
    return [value.alias(name) for name, value in columns.items()]


@cache
def _columns_2() -> list[pl.Expr]:
    latency_ms = pl.col("latency_ns") / 1_000_000
    response = pl.col("output_tokens") + pl.col("reasoning_tokens")
    columns = _columns() | {
        "started_at": started(pl.col("created_at"), latency_ms),
        "provider": known(pl.col("provider")),
        "request_tokens": pl.col("input_tokens"),
        "cache_read_tokens": pl.col("cache_read_tokens"),
        "cache_write_tokens": pl.col("cache_write_tokens"),
        "response_tokens": response,
        "reasoning_tokens": pl.col("reasoning_tokens"),
        "total_tokens": pl.col("input_tokens") + response,
        "cost_reported_usd": usd(pl.col("cost_usd")),
        "latency_ms": latency_ms,
        "error": known(pl.col("error")),
        "format": pl.lit("maestro-usage/v2"),
    }
    return [value.alias(name) for name, value in columns.items()]


class _Version(NamedTuple):
    """What a version of the surface holds, which columns that makes, and what it must not be."""

    dtype: pl.Struct
    columns: Callable[[], list[pl.Expr]]
    checks: Checks


_VERSIONS = _Version(_V1, _columns_1, CHECKS_1), _Version(_V2, _columns_2, CHECKS_2)


def _claimed(lines: pl.Series) -> pl.Series:
    """Return which *lines* are records or headers, or begin with a torn one. Most need only a look at their head."""
    sure = lines.str.starts_with('{"finished_at":') | lines.str.starts_with(_HEADER)
    others = (~sure).arg_true()
    version_1 = _LINE.str.starts_with('{"ts":') & _LINE.str.contains(_COUNTED_1)
    version_2 = _LINE.str.contains(_OWN_2) & _LINE.str.contains(_ONLY_2)
    others_too = _LINE.str.contains(f"{_TORN}|{_SORTED_1}|{_SORTED_2}")
    rest = lines.gather(others).to_frame("line").select(version_1 | version_2 | others_too)
    return sure.scatter(others, rest.to_series())


FORMAT = Format(
    name="maestro-usage",
    title="usage.jsonl: maestro's accounts, versions 1 and 2",
    json=True,
    claims=_LINE.map_batches(_claimed, return_dtype=pl.Boolean, is_elementwise=True),
    parse=_parse,
    hints=('"finished_at":', '"latency_ns"', '{"ts":', '"completion_tokens":', "usage_surface_version"),
    whole=True,
)
