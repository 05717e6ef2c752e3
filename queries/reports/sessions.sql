-- Sessions: when, how much, by which models and agents
-- One row per session, latest first; calls without a session are one row.
-- First: session_id, ended_at, cost_usd, total_tokens
-- Sums: calls, failed_calls, total_tokens, cost_usd
-- Divides: by model
-- Chart: span y=session_id x=started_at,ended_at none='no session'
select
    session_id, min(coalesce(started_at, created_at)) as started_at, max(created_at) as ended_at,
    coalesce(sum(requests) filter (success is not false), 0)::bigint as calls,
    count(*) filter (success is false) as failed_calls, sum(total_tokens)::bigint as total_tokens,
    sum(cost_usd) as cost_usd,
    array_to_string(list_sort(list(distinct model)), ', ') as models,
    array_to_string(list_sort(list(distinct agent_id)), ', ') as agents,
from llm_calls
group by session_id
order by ended_at desc, session_id;
