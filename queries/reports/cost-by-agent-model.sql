-- What each agent cost, by model
-- One row per agent and model, dearest first.
-- First: agent_id, model, cost_usd, total_tokens
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Chart: bar y=agent_id x=cost_usd color=model
select
    key.agent_id as agent_id, key.model as model, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({agent_id: agent_id, model: model})
order by cost_usd desc nulls last, total_tokens desc nulls last, agent_id, model;
