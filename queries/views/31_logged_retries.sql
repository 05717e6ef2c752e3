-- Retries that the logs tell of. One row per call and kind of evidence.
-- A retry line says neither model nor story: it belongs to a call of its agent, in the same log and session, that was then
-- in flight. Of several such calls it is one's: the n-th line of a number is the n-th call's.
create view logged_retries as
with retry_lines as (
    select
        row_number() over () as line,
        source_id, session_id, created_at, agent_id, attempt, wait_ms, reason, kind like '%exhausted' as was_last,
    from llm_events
    where kind in ('api_retry', 'api_retries_exhausted', 'stream_retry', 'stream_retries_exhausted')
),
retried_agents as (select distinct agent_id from retry_lines),
in_flight as (
    select
        line.*,
        list(
            {
                finished_at: call.created_at, story_id: call.story_id, state: call.state, model: call.model,
                success: call.success, error_type: call.error_type, error: call.error, source_id: call.source_id,
                source_offset: call.source_offset
            }
            order by call.started_at, call.created_at, call.source_offset
        ) filter (call.source_id is not null) as candidates,
    from retry_lines as line
    left join (
        select * from single_calls semi join retried_agents using (agent_id)
        where created_at >= (select min(created_at) from retry_lines)
            and started_at <= (select max(created_at) from retry_lines)
    ) as call
        on call.agent_id = line.agent_id
        and call.source_id = line.source_id
        and (call.session_id = line.session_id or line.session_id is null or call.session_id is null)
        and line.created_at between call.started_at and call.created_at
    group by all
),
retried_calls as (
    select
        * exclude (candidates),
        unnest(candidates[(row_number() over equal_lines - 1) % len(candidates) + 1]),
    from in_flight
    window equal_lines as (partition by source_id, session_id, agent_id, attempt, was_last, candidates order by created_at)
),
by_lines as (
    select
        coalesce(finished_at, max(created_at)) as created_at, agent_id, story_id, state, model,
        max(attempt) as tries,
        case
            when any_value(success) then 'succeeded'
            when not any_value(success) or bool_or(was_last) then 'failed'
            else 'unknown'
        end as outcome,
        sum(wait_ms) as waited_ms,
        any_value(error_type) as error_type,
        arg_max(coalesce(reason, error), (created_at, coalesce(reason, error))) as error,
        'retry lines' as evidence,
    from retried_calls
    group by
        agent_id, story_id, state, model, finished_at, source_id, source_offset, if(finished_at is null, line, null)
),
-- agentic-runtime numbers the try of a step that failed, not the one that follows.
by_steps as (
    select
        max(created_at) as created_at, min(agent_id) as agent_id, min(story_id) as story_id,
        null as state, min(model) as model,
        max(attempt) + 1 as tries,
        'unknown' as outcome,
        sum(wait_ms) as waited_ms,
        null as error_type,
        arg_max(reason, (created_at, source_id, source_offset)) as error,
        'retry lines' as evidence,
    from llm_events
    where kind = 'step_retry'
    group by run_id, step_id, json_extract_string(metadata, '$.execution_index')
),
by_field as (
    select
        created_at, agent_id, story_id, state, model, attempt as tries,
        case when success then 'succeeded' when not success then 'failed' else 'unknown' end as outcome,
        null::double as waited_ms, error_type, error, 'attempt field' as evidence,
    from single_calls
    where attempt > 1
)
from by_lines
union all by name
from by_steps
union all by name
from by_field;
