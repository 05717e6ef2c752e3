-- What the calls of each machine cost
-- One row per host, dearest first.
-- First: host, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=host x=cost_usd none='no host'
select
    key.host as host, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({host: host})
order by cost_usd desc nulls last, total_tokens desc nulls last, host;
