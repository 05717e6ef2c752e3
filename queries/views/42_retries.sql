-- Calls that needed more than one try, or that failed and were made again. One row per such call and kind of evidence.
-- A provider's own retries are seen only where a format logs them; what their failed tries used is never known.
create view retries as
with retry_lines as (
    select
        created_at, agent_id, kind, attempt, wait_ms, reason, kind like '%exhausted' as was_last,
    from llm_events
    where kind in ('api_retry', 'api_retries_exhausted', 'stream_retry', 'stream_retries_exhausted')
),
retried_agents as (select distinct agent_id from retry_lines),
retried_calls as (
    -- A retry line says neither model nor story: it belongs to the call of its agent that was then in flight.
    select
        line.*, call.created_at as finished_at, call.story_id, call.state, call.model, call.success, call.error_type,
        call.error, call.source_id, call.source_offset,
    from retry_lines as line
    left join (
        select * from llm_calls semi join retried_agents using (agent_id)
        where created_at >= (select min(created_at) from retry_lines)
            and started_at <= (select max(created_at) from retry_lines)
    ) as call
        on call.agent_id = line.agent_id and line.created_at between call.started_at and call.created_at
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
        arg_max(coalesce(reason, error), created_at) as error,
        null::bigint as tokens_of_failed_tries, null::decimal(38, 10) as cost_of_failed_tries_usd,
        'retry lines' as evidence,
    from retried_calls
    group by agent_id, story_id, state, model, finished_at, source_id, source_offset, if(finished_at is null, created_at, null)
),
by_field as (
    select
        created_at, agent_id, story_id, state, model, attempt as tries,
        case when success then 'succeeded' when not success then 'failed' else 'unknown' end as outcome,
        null::double as waited_ms, error_type, error,
        null::bigint as tokens_of_failed_tries, null::decimal(38, 10) as cost_of_failed_tries_usd,
        'attempt field' as evidence,
    from llm_calls
    where attempt > 1
)
from by_lines
union all by name
from by_field
union all by name
from repeated_failures;
