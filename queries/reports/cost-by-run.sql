-- What each run cost
-- One row per run, dearest first; `steps` are the different ones that called a model.
-- First: run_id, cost_usd, total_tokens, calls
-- Sums: calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd, unpriced_calls
-- Divides: by model
-- Chart: bar y=run_id x=cost_usd none='no run'
select
    key.run_id as run_id, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share, steps,
from cost_by({run_id: run_id})
left join (select run_id, count(distinct step_id) as steps from llm_calls group by run_id) as of_run
    on key.run_id is not distinct from of_run.run_id
order by cost_usd desc nulls last, total_tokens desc nulls last, run_id;
