-- What each kind of agent cost
-- One row per role, dearest first.
-- First: role, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=role x=cost_usd none='no role'
select
    key.role as role, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({role: role})
order by cost_usd desc nulls last, total_tokens desc nulls last, role;
