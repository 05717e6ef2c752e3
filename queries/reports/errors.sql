-- Failed calls by type, model and agent, with the latest example
-- One row per type, model and agent, most frequent first.
-- First: error_type, model, errors, last_at
-- Sums: errors, total_tokens, cost_usd
-- Chart: bar y=error_type x=errors color=model
select
    error_type, model, agent_id, count(*) as errors, count(distinct story_id) as stories,
    sum(total_tokens)::bigint as total_tokens, sum(cost_usd) as cost_usd,
    min(created_at) as first_at, max(created_at) as last_at,
    max_by(left(error, 200), (created_at, source_id, source_offset)) as latest_error,
    max_by(source_path, (created_at, source_id, source_offset)) as latest_source_path,
    max_by(source_offset, (created_at, source_id, source_offset)) as latest_source_offset,
from llm_calls
where success is false
group by error_type, model, agent_id
order by errors desc, error_type, model, agent_id;
