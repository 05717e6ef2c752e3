-- What each agent cost
-- One row per agent, dearest first.
-- First: agent_id, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=agent_id x=cost_usd
select
    key.agent_id as agent_id, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({agent_id: agent_id})
order by cost_usd desc nulls last, total_tokens desc nulls last, agent_id;
