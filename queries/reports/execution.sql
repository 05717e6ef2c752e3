-- Every call of one run, in order, with what the run had cost by then
-- One row per call.
-- $run: the run (default: the latest)
-- First: created_at, step_id, cost_usd, running_cost_usd
-- Sums: request_tokens, response_tokens, total_tokens, cost_usd
-- Chart: line x=created_at y=running_cost_usd
with run_calls as (
    select *, coalesce(started_at, created_at) as began_at
    from llm_calls
    where run_id = coalesce($run::varchar, (select arg_max(run_id, (created_at, run_id)) from llm_calls where run_id is not null))
)
select
    run_id, step_id, started_at, created_at, agent_id, state, model, request_tokens, response_tokens, total_tokens,
    latency_ms, success, error_type, attempt, cost_usd,
    sum(cost_usd) over (order by began_at, created_at, source_id, source_offset rows unbounded preceding)
        as running_cost_usd,
from run_calls
order by began_at, created_at, source_id, source_offset;
