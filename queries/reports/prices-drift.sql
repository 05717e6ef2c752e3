-- Cost as logged against cost by our price table
-- One row per model, largest difference first; only calls that have both.
-- First: model, cost_reported_usd, cost_computed_usd
-- Sums: calls, cost_reported_usd, cost_computed_usd, difference_usd, calls_that_differ, failed_calls
-- Chart: bar y=model x=cost_reported_usd,cost_computed_usd
select
    model, provider, count(*) filter (success is not false) as calls,
    sum(cost_reported_usd) as cost_reported_usd, sum(cost_computed_usd) as cost_computed_usd,
    sum(cost_reported_usd - cost_computed_usd) as difference_usd,
    sum(cost_reported_usd)::double / nullif(sum(cost_computed_usd), 0)::double as ratio,
    count(*) filter (abs(cost_reported_usd - cost_computed_usd) > 0.000001) as calls_that_differ,
    max(abs(cost_reported_usd - cost_computed_usd)) as largest_difference_usd,
    string_agg(distinct pricing_version, ', ' order by pricing_version) as pricing_versions,
    count(*) filter (success is false) as failed_calls,
from llm_calls
where cost_reported_usd is not null and cost_computed_usd is not null
group by model, provider
order by abs(difference_usd) desc, model, provider;
