-- What the same calls would have cost as another model's, elsewhere, or in another tier
-- One row per model, dearest first. A call that is one of these already costs there what was paid for it.
-- `unpriced_calls` have no price here or there; `difference_usd` is of the others.
-- $model: as calls of this model, by its prices at each call's time
-- $provider: at this provider (default: where $model is given, its maker)
-- $tier: in this tier of service, such as batch, flex, priority or standard; without a price where it isn't sold in it
-- Note: The tokens are those that were counted: another model may count the same text differently. What a log says that a call cost is compared with the price table.
-- First: model, cost_usd, cost_there_usd, difference_usd
-- Sums: calls, cost_usd, cost_there_usd, difference_usd, unpriced_calls
-- Chart: bar y=model x=cost_usd,cost_there_usd
select
    model, sum(calls)::bigint as calls, sum(cost_usd) as cost_usd, sum(cost_there_usd) as cost_there_usd,
    sum(difference_usd) as difference_usd, sum(unpriced_calls)::bigint as unpriced_calls,
    sum(failed_calls)::bigint as failed_calls,
from costs_elsewhere
where coalesce($model::varchar, $provider::varchar, $tier::varchar) is not null
group by model
order by cost_usd desc nulls last, cost_there_usd desc nulls last, model;
