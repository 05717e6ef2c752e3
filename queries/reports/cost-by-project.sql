-- What each project cost
-- One row per project, dearest first.
-- First: project, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=project x=cost_usd none='no project'
select
    key.project as project, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({project: project})
order by cost_usd desc nulls last, total_tokens desc nulls last, project;
