"""What calls would have cost otherwise: without the prompt cache, as another model, or in another tier of service.

Every answer is a difference of what `price` says of the same calls, changed: there is no second arithmetic.
"""

from dataclasses import dataclass

import polars as pl

from ingest.prices import match
from ingest.prices.price import Prices, price
from ingest.prices.tiers import STANDARD, in_tier, offers, tier_of, tiers
from parsers.values.messages import nearest
from parsers.values.providers import provider_of

_COST = "cost_computed_usd"


@dataclass(frozen=True)
class Alternatives:
    """Prices of calls as they might have been, by one price table. Calls have the columns that `price` reads."""

    prices: Prices

    @property
    def tiers(self) -> tuple[str, ...]:
        """The names of tiers that `elsewhere` takes."""
        return (STANDARD, *tiers())

    def uncached(self, calls: pl.DataFrame) -> pl.DataFrame:
        """Return *calls* with `saved_usd` and `write_cost_usd`, NULL where a call has no price, or says of no cache.

        - `saved_usd`: what the tokens that were read from the cache would have cost more as ordinary input.
        - `write_cost_usd`: what those that were written to it cost more than ordinary input.
        """
        parts = ("cache_read_tokens", "cache_write_tokens")
        paid = price(calls, self.prices)[_COST]
        unread = price(calls.with_columns(cache_read_tokens=0), self.prices)[_COST]
        plain = price(calls.with_columns(cache_read_tokens=0, cache_write_tokens=0), self.prices)[_COST]
        told = pl.any_horizontal(pl.col(parts).is_not_null())
        return calls.with_columns(
            saved_usd=pl.when(told).then(pl.lit(unread - paid)),
            # The counts of a call without a price of its own may contradict each other: then nothing is known.
            write_cost_usd=pl.when(told & pl.lit(paid).is_not_null()).then(pl.lit(unread - plain)),
        )

    def elsewhere(
        self, calls: pl.DataFrame, *, model: str | None = None, provider: str | None = None, tier: str | None = None
    ) -> pl.DataFrame:
        """Return *calls* with `cost_there_usd`: as calls of *model* at *provider*, by default its maker, in *tier*.

        A call that is one of these already costs what was paid for it. NULL: there is no such price.
        """
        seller = provider or (model and pl.select(provider_of(pl.lit(model))).item())
        there = calls.with_columns(
            *([] if model is None else [pl.lit(model).alias("model")]),
            *([] if seller is None and model is None else [pl.lit(seller, pl.String).alias("provider")]),
            *([] if tier is None else [in_tier(tier).alias("metadata")]),
        )
        cost = price(there, self.prices)[_COST]
        offered = pl.lit(value=True) if tier in {None, STANDARD} else pl.lit(self._offered(there, str(tier)))
        wanted = {"model": model, "provider": provider}
        same = [pl.col(name) == value for name, value in wanted.items() if value is not None]
        unchanged = pl.all_horizontal(*same, *([] if tier is None else [tier_of() == tier]))
        return calls.with_columns(
            cost_there_usd=pl.when(unchanged.fill_null(value=False))
            .then("cost_usd")
            .otherwise(pl.when(offered).then(pl.lit(cost)))
        )

    def remark(self, *, model: str | None = None, provider: str | None = None) -> str | None:
        """Say that no table has *provider*, or *model* there, and what may have been meant; None if one has it."""
        own = {name for override in self.prices.overrides if (name := override.provider)}
        if provider is not None and provider not in own and match.provider_id(provider) is None:
            known = {*own, *(listed.id for listed in match.providers())}
            return f"no provider {provider!r} has a price{nearest(provider, known)}"
        if model is None or self.prices.entry(provider, model) is not None or match.find(provider, model):
            return None
        where = "" if provider is None else f" at {provider}"
        known = {*match.names(provider), *(override.model for override in self.prices.overrides)}
        return f"no model {model!r} has a price{where}{nearest(model.lower(), known)}"

    def _offered(self, calls: pl.DataFrame, tier: str) -> pl.Series:
        """Return for each of *calls* whether its model is sold in *tier*, as far as the rules know."""
        keys = ("provider", "model", "day")
        days = calls.select("provider", "model", day=pl.col("created_at").dt.date())
        kinds = days.unique()
        known = [
            None
            if None in (model, day) or (entry := self.prices.entry(provider, model)) is None
            else offers(entry, tier, day)
            for provider, model, day in kinds.rows()
        ]
        rated = kinds.with_columns(offered=pl.Series(known, dtype=pl.Boolean))
        return days.join(rated, on=keys, how="left", nulls_equal=True, maintain_order="left")["offered"]
