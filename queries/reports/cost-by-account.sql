-- What each account cost
-- One row per account, dearest first.
-- First: account_id, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=account_id x=cost_usd none='no account'
select
    key.account_id as account_id, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({account_id: account_id})
order by cost_usd desc nulls last, total_tokens desc nulls last, account_id;
