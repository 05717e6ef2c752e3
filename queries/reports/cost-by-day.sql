-- What each day cost, or each hour, week or month
-- One row per period of the time zone, in order.
-- $grain: hour, day, week or month (default: day)
-- First: period, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: column x=period y=cost_usd each=$grain,day
select
    period, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by_time(coalesce($grain::varchar, 'day'))
order by period;
