-- What the calls of each tool cost
-- One row per tool, dearest first.
-- First: tool, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=tool x=cost_usd none='no tool'
select
    key.tool as tool, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({tool: tool_of(format)})
order by cost_usd desc nulls last, total_tokens desc nulls last, tool;
