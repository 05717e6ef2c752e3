-- What each model has counted against its limits, and what it cost today. One row per provider, model and what counts.
-- $moment: now
with spent as (
    select provider, model, sum(cost_usd)::double as cost_usd
    from llm_calls
    where created_at >= date_trunc('day', $moment::timestamptz)
    group by all
)
select nearest.*, spent.cost_usd,
from headroom($moment::timestamptz) as nearest
left join spent
    on nearest.provider is not distinct from spent.provider and nearest.model is not distinct from spent.model;
