-- Failed calls that were made again: the next call of that agent has the same session, story, state and model.
-- One row per chain of such calls, at the time of its last. Keys are hashed, so that all calls can be put in order cheaply.
create view repeated_failures as
with steps as (
    select
        created_at, success,
        hash(session_id, agent_id) as who,
        hash(session_id, agent_id, story_id, state, model) as what,
        source_offset,
    from llm_calls
    where agent_id is not null
),
neighbours as (
    select
        *,
        lag(not success and true) over agent_calls as after_failure,
        lag(what) over agent_calls as what_before,
        lead(what) over agent_calls as what_next,
    from steps
    window agent_calls as (partition by who order by created_at, source_offset)
),
of_chains as (
    select who, created_at, source_offset, coalesce(after_failure and what = what_before, false) as repeats
    from neighbours
    where (success is false and what = what_next) or (after_failure and what = what_before)
),
chains as (
    select
        llm_calls.*, repeats, who,
        count(*) filter (not repeats) over (partition by who order by created_at, source_offset) as chain,
    from llm_calls
    inner join of_chains using (created_at, source_offset)
    where hash(session_id, agent_id) = who
)
select
    max(created_at) as created_at, agent_id, story_id, state, model,
    count(*) as tries,
    case arg_max_null(success, (created_at, source_offset))
        when true then 'succeeded' when false then 'failed' else 'unknown'
    end as outcome,
    date_diff('millisecond', min(created_at), max(coalesce(started_at, created_at)))::double as waited_ms,
    arg_max(error_type, created_at) filter (success is false) as error_type,
    arg_max(error, created_at) filter (success is false) as error,
    sum(total_tokens) filter (success is false)::bigint as tokens_of_failed_tries,
    sum(cost_usd) filter (success is false) as cost_of_failed_tries_usd,
    'failed call then repeat' as evidence,
from chains
group by who, chain, agent_id, story_id, state, model;
