-- What it costs: this day, this hour, the current block of five hours, and what the day will come to at the rate of the
-- last hour. One row.
-- $moment: now
with spent as (
    select
        sum(cost_usd) filter (created_at >= date_trunc('day', $moment::timestamptz))::double as today_usd,
        sum(cost_usd) filter (created_at >= date_trunc('hour', $moment::timestamptz))::double as hour_usd,
        sum(cost_usd) filter (created_at > $moment::timestamptz - interval 1 hour)::double as last_hour_usd,
        count(*) filter (
            cost_usd is null and success is not false and created_at >= date_trunc('day', $moment::timestamptz)
        ) as unpriced_calls,
        max(created_at) as last_call_at,
    from llm_calls
    where created_at <= $moment::timestamptz
)
select
    spent.*,
    block.cost_usd::double as block_usd, block.forecast_cost_usd as block_forecast_usd, block.ended_at as block_ends_at,
    coalesce(today_usd, 0) + coalesce(last_hour_usd, 0)
        * epoch(date_trunc('day', $moment::timestamptz) + interval 1 day - $moment::timestamptz) / 3_600 as forecast_usd,
    (select max(committed_at) from batches) as committed_at,
from spent
left join (from blocks(5) where is_active) as block on true;
