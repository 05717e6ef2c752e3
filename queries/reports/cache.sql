-- What the prompt cache saved, what writing to it cost, and whether it paid
-- One row per model and agent, the largest saving first. Prices are those of each call's time; what nobody prices is NULL.
-- `saved_usd`: what the tokens that were read from the cache would have cost more as ordinary input. `write_cost_usd`: what
-- those that were written to it cost more than ordinary input. Both are unknown where no call says anything of a cache.
-- First: model, agent_id, net_usd, read_share
-- Sums: calls, request_tokens, cache_read_tokens, cache_write_tokens, saved_usd, write_cost_usd, net_usd
-- Chart: bar y=agent_id x=net_usd color=model
select
    model, agent_id, sum(calls)::bigint as calls,
    sum(request_tokens)::bigint as request_tokens,
    sum(cache_read_tokens)::bigint as cache_read_tokens,
    sum(cache_write_tokens)::bigint as cache_write_tokens,
    sum(cache_read_tokens) / nullif(sum(request_tokens), 0) as read_share,
    sum(saved_usd) as saved_usd,
    sum(write_cost_usd) as write_cost_usd,
    sum(saved_usd) - sum(write_cost_usd) as net_usd,
    if(sum(cache_read_tokens) > 0 or sum(cache_write_tokens) > 0, sum(saved_usd) > sum(write_cost_usd), null) as paid,
    sum(unpriced_calls)::bigint as unpriced_calls,
    sum(failed_calls)::bigint as failed_calls,
from cache_costs
group by model, agent_id
order by saved_usd desc nulls last, request_tokens desc nulls last, model, agent_id;
