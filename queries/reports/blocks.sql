-- Blocks of five hours, as plans count them: what each took, and what the active one will come to
-- One row per block, the latest first. Exit code 3 when a limit was exceeded.
-- $hours: how long a block is (default: 5)
-- $limit: tokens a block (default: no limit); `status` is `warn` where the forecast is beyond it
-- First: started_at, total_tokens, cost_usd|forecast_cost_usd
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Chart: column x=started_at y=cost_usd each=block
select
    started_at, ended_at, is_active, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens,
    total_tokens, cost_usd, unpriced_calls, tokens_per_minute, per_hour_usd, minutes_left, forecast_tokens,
    forecast_cost_usd, first_at, last_at, models,
    $limit::bigint as limit_tokens,
    total_tokens / nullif($limit::bigint, 0) as ratio,
    case
        when $limit::bigint is null then null
        when total_tokens >= $limit::bigint then 'exceeded'
        when forecast_tokens >= $limit::bigint then 'warn'
        else 'ok'
    end as status,
from blocks(coalesce($hours::integer, 5))
order by started_at desc;
