-- Calls, tokens and cost of the whole window. One row. What `calls` are, `22_cost_by.sql` says.
create view usage_totals as
select
    coalesce(sum(requests) filter (success is not false), 0)::bigint as calls,
    count(*) filter (success is false) as failed_calls,
    sum(request_tokens)::bigint as request_tokens,
    sum(cache_read_tokens)::bigint as cache_read_tokens,
    sum(response_tokens)::bigint as response_tokens,
    sum(total_tokens)::bigint as total_tokens,
    sum(cost_usd) as cost_usd,
    count(*) filter (cost_usd is null and success is not false) as unpriced_calls,
    if(count(cost_usd) > 0, 1.0::double, null) as cost_share,
    min(created_at) as first_at,
    max(created_at) as last_at,
    count(distinct model) as models,
    count(distinct agent_id) as agents,
    count(distinct session_id) as sessions,
from llm_calls
having count(*) > 0;
