-- What each model, agent or user cost in each day, hour, week or month
-- One row per period of the time zone and value, in order, the dearest of a period first.
-- $by: a filter or a column, such as model, user, project or host; or metadata.KEY (default: model)
-- $grain: hour, day, week or month (default: day)
-- First: period, key, cost_usd, total_tokens
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Chart: column x=period y=cost_usd color=key each=$grain,day
select
    period, key, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_over_time(coalesce($by::varchar, 'model'), coalesce($grain::varchar, 'day'))
order by period, cost_usd desc nulls last, total_tokens desc nulls last, key;
