"""The tables `cache_costs` and `costs_elsewhere`: calls at prices that they might have had, for `cache` and `what-if`.

Prices are no part of a warehouse. Who opens one hands them over as a `Pricing`, through which a million calls go at a
time; kept are sums of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Protocol

import duckdb
import polars as pl

from parsers.values.messages import nearest
from queries.connection.frames import Stream, create, frame
from queries.errors import QueryError, WordError

_BATCH = 1_000_000

_CALLS = """
    select
        model, provider, agent_id, success, requests, created_at, request_tokens, cache_read_tokens, cache_write_tokens,
        response_tokens, reasoning_tokens, metadata, cost_reported_usd, cost_usd,
    from llm_calls
"""
_COUNTED = """
    coalesce(sum(requests) filter (success is not false), 0)::bigint as calls,
    count(*) filter (success is false) as failed_calls,
"""
_CACHE = f"""
    model, agent_id, {_COUNTED}
    sum(request_tokens)::bigint as request_tokens,
    sum(cache_read_tokens)::bigint as cache_read_tokens,
    sum(cache_write_tokens)::bigint as cache_write_tokens,
    sum(saved_usd) as saved_usd,
    sum(write_cost_usd) as write_cost_usd,
    count(*) filter (saved_usd is null and coalesce(cache_read_tokens, cache_write_tokens) is not null)
        as unpriced_calls,
"""
# What has no price here has none there either, so that the columns are of the same calls.
_ELSEWHERE = f"""
    model, {_COUNTED}
    sum(cost_usd) as cost_usd,
    sum(cost_there_usd) filter (cost_usd is not null) as cost_there_usd,
    sum(cost_there_usd - cost_usd) as difference_usd,
    count(*) filter (success is not false and (cost_usd is null or cost_there_usd is null)) as unpriced_calls,
"""


class Pricing(Protocol):
    """What a price table says of calls as they might have been; `ingest.prices.elsewhere.Alternatives` is one."""

    @property
    def tiers(self) -> Sequence[str]:
        """The names of tiers of service that there are."""

    def uncached(self, calls: pl.DataFrame) -> pl.DataFrame:
        """Return *calls* with `saved_usd` and `write_cost_usd`, NULL where that can't be told."""

    def elsewhere(
        self, calls: pl.DataFrame, *, model: str | None = None, provider: str | None = None, tier: str | None = None
    ) -> pl.DataFrame:
        """Return *calls* with `cost_there_usd`, NULL where there is no such price."""

    def remark(self, *, model: str | None = None, provider: str | None = None) -> str | None:
        """Say that nobody has a price of what was asked for, and what may have been meant; None if somebody has."""


@contextmanager
def cache_costs(connection: duckdb.DuckDBPyConnection, pricing: Pricing | None) -> Iterator[None]:
    """Give *connection* the table `cache_costs` while a report runs."""
    with _summed(connection, "cache_costs", _CACHE, _given(pricing).uncached):
        yield


@contextmanager
def costs_elsewhere(
    connection: duckdb.DuckDBPyConnection, pricing: Pricing | None, bound: Mapping[str, Any]
) -> Iterator[None]:
    """Give *connection* the table `costs_elsewhere` while a report runs that takes `model`, `provider` and `tier`."""
    prices, place = _given(pricing), {name: bound.get(name) for name in ("model", "provider", "tier")}
    if not any(place.values()):
        raise WordError("what-if needs -p model=NAME, -p provider=NAME or -p tier=NAME: where else the calls might go")
    tier = place["tier"]
    if tier is not None and tier not in prices.tiers:
        raise WordError(f"-p tier= takes {', '.join(prices.tiers)}, not {tier!r}{nearest(tier, prices.tiers)}")
    with _summed(connection, "costs_elsewhere", _ELSEWHERE, lambda calls: prices.elsewhere(calls, **place)):
        yield


def remarks(pricing: Pricing | None, bound: Mapping[str, Any]) -> list[str]:
    """Return what a reader of `what-if` must know, where calls have no price there because of a name."""
    said = _given(pricing).remark(model=bound.get("model"), provider=bound.get("provider"))
    return [] if said is None else [said]


def _given(pricing: Pricing | None) -> Pricing:
    if pricing is None:
        raise QueryError("this report needs prices: queries.run(…, pricing=ingest.alternatives(warehouse))")
    return pricing


@contextmanager
def _summed(
    connection: duckdb.DuckDBPyConnection, name: str, sums: str, priced: Callable[[pl.DataFrame], pl.DataFrame]
) -> Iterator[None]:
    """Give *connection* the table *name*: *sums*, grouped by what isn't one, of each million of *priced* calls."""
    asked = connection.sql(_CALLS)
    nothing = frame(asked.limit(0))
    with connection.cursor() as beside:  # as asking itself anything would end the stream of calls
        parts = []
        for batch in chain([nothing], asked.to_arrow_reader(_BATCH)):
            # By the UTC day, as prices are dated, whatever the zone of the connection.
            calls = pl.DataFrame(batch).with_columns(pl.col("created_at").dt.convert_time_zone("UTC"))
            # No view of it, which would keep each million until the connection is closed.
            parts.append(frame(beside.from_arrow(Stream(priced(calls))).aggregate(sums)))
    create(connection, name, pl.concat(parts))
    try:
        yield
    finally:
        connection.execute(f"drop table {name}")
