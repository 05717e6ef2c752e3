-- What each session cost
-- One row per session, dearest first.
-- First: session_id, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=session_id x=cost_usd none='no session'
select
    key.session_id as session_id, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({session_id: session_id})
order by cost_usd desc nulls last, total_tokens desc nulls last, session_id;
