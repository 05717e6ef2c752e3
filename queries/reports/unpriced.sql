-- Models that the price table does not know
-- One row per model and provider, most tokens first.
-- First: model, unpriced_calls, total_tokens
-- Sums: calls, request_tokens, response_tokens, total_tokens, unpriced_calls, cost_reported_usd, failed_calls
-- Chart: bar y=model x=total_tokens
select
    model, provider,
    coalesce(sum(requests) filter (success is not false), 0)::bigint as calls, sum(request_tokens)::bigint as request_tokens,
    sum(response_tokens)::bigint as response_tokens, sum(total_tokens)::bigint as total_tokens,
    count(*) filter (cost_usd is null) as unpriced_calls, sum(cost_reported_usd) as cost_reported_usd,
    min(created_at) as first_at, max(created_at) as last_at,
    count(*) filter (success is false) as failed_calls,
from llm_calls
where known_model is false or (cost_usd is null and success is not false)
group by model, provider
order by total_tokens desc nulls last, model, provider;
