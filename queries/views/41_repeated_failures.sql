-- Failed calls that were made again: the next call of that agent has the same session, story, state and model, and did
-- not begin before the failure. Where a format has no agents, its run, step, user, role and task say who called. Agents are
-- named alike everywhere: without a session, only a call of the same file can be meant.
-- One row per chain of such calls, at the time of its last. Keys are hashed, so that all calls can be put in order cheaply.
create macro caller(session_id, source_id, agent_id, run_id, step_id, user_id, role, task) as if(
    agent_id is not null,
    hash(coalesce(session_id, source_id), agent_id),
    hash(coalesce(session_id, run_id), run_id, step_id, user_id, role, task)
);

create view repeated_failures as
with steps as (
    select
        epoch_us(created_at) as at_us,
        -- A latency that was printed with three digits may begin a call before the one that it followed.
        coalesce(epoch_us(started_at) + (10 * latency_ms)::bigint + 1_000_000, at_us) as began_by,
        caller(session_id, source_id, agent_id, run_id, step_id, user_id, role, task) as who,
        hash(who, story_id, state, model) as what,
        if(not success, what, null) as failed,
        hash(source_id) as source, source_offset,
    from single_calls
    where agent_id is not null or session_id is not null or run_id is not null
),
neighbours as (
    select
        *,
        coalesce(lag(failed) over agent_calls = what and lag(at_us) over agent_calls <= began_by, false) as repeats,
        lead(what) over agent_calls = failed and lead(began_by) over agent_calls >= at_us as is_repeated,
    from steps
    window agent_calls as (partition by who order by at_us, source, source_offset)
),
of_chains as (
    select who, make_timestamptz(at_us) as created_at, source, source_offset, repeats from neighbours where is_repeated or repeats
),
chains as (
    select
        single_calls.*, source, repeats, who,
        count(*) filter (not repeats) over (partition by who order by created_at, source, source_offset) as chain,
    from single_calls
    inner join of_chains using (created_at, source_offset)
    where hash(source_id) = source
        and caller(session_id, source_id, agent_id, run_id, step_id, user_id, role, task) = who
)
select
    max(created_at) as created_at, agent_id, story_id, state, model,
    count(*) as tries,
    case arg_max_null(success, (created_at, source, source_offset))
        when true then 'succeeded' when false then 'failed' else 'unknown'
    end as outcome,
    greatest(date_diff('millisecond', min(created_at), max(coalesce(started_at, created_at))), 0)::double as waited_ms,
    arg_max(error_type, (created_at, source, source_offset)) filter (success is false) as error_type,
    arg_max(error, (created_at, source, source_offset)) filter (success is false) as error,
    sum(total_tokens) filter (success is false)::bigint as tokens_of_failed_tries,
    sum(cost_usd) filter (success is false) as cost_of_failed_tries_usd,
    'failed call then repeat' as evidence,
from chains
group by who, chain, agent_id, story_id, state, model;
