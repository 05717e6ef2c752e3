-- What each user cost
-- One row per user, dearest first.
-- First: user_id, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=user_id x=cost_usd none='no user'
select
    key.user_id as user_id, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({user_id: user_id})
order by cost_usd desc nulls last, total_tokens desc nulls last, user_id;
