-- What each run cost, by step
-- One row per run and step, dearest first.
-- Chart: bar y=run_id x=cost_usd color=step_id none='no run'
select
    key.run_id as run_id, key.step_id as step_id, calls, failed_calls, request_tokens, cache_read_tokens, response_tokens, total_tokens, cost_usd,
    unpriced_calls, cost_share,
from cost_by({run_id: run_id, step_id: step_id})
order by cost_usd desc nulls last, total_tokens desc nulls last, run_id, step_id;
