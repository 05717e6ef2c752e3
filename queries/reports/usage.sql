-- Calls, tokens and cost of the window in all
-- One row.
-- First: cost_usd, total_tokens, calls, failed_calls
select
    calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share, first_at, last_at, models, agents, sessions,
from usage_totals
order by all;
