-- Who it is: the largest agents, projects, users or models of the last minutes. One row per value.
-- $moment: now
-- $minutes: how many minutes count
-- $by: agent, project, user or model
select
    key_of($by::varchar) as name, sum(total_tokens)::bigint as total_tokens, sum(cost_usd)::double as cost_usd,
    count(*) filter (success is not false) as calls, count(*) filter (success is false) as failed_calls,
from llm_calls
where created_at > $moment::timestamptz - to_minutes($minutes::bigint) and created_at <= $moment::timestamptz
group by name
order by total_tokens desc nulls last, cost_usd desc nulls last, name
limit 8;
