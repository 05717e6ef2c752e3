-- Attempts at stories. One row per story and attempt that made a call.
-- A call belongs to the attempt during which it started. Attempts are numbered over all of a story, whatever the filters
-- leave of its calls, so that attempt 2 is attempt 2 in every report.
create view story_attempts as
with failed as (
    select story_id, created_at, reason, source_id, source_offset from all_events where kind = 'story_attempt_failed'
),
requested as (
    -- Older logs have no line for the failure itself, only the architect taking up the request to queue again.
    select story_id, created_at, reason, source_id, source_offset
    from all_events as request
    where kind = 'story_requeue_requested' and not exists (
        select 1
        from failed
        where failed.story_id = request.story_id
            and failed.created_at between request.created_at - interval 1 second and request.created_at + interval 1 minute
    )
),
failures as (
    select *, row_number() over story as attempt, lag(created_at) over story as after
    from (from failed where story_id is not null union all from requested where story_id is not null)
    window story as (partition by story_id order by created_at, source_id, source_offset)
),
given_up as (
    select story_id, created_at from all_events where kind = 'story_abandoned'
),
attempts as (
    select
        story_id, attempt, after as from_time, created_at as to_time, reason,
        if(
            exists (
                select 1 from given_up
                where given_up.story_id = failures.story_id
                    and given_up.created_at >= failures.created_at
                    and given_up.created_at < failures.created_at + interval 1 minute
            ), 'abandoned', 'failed'
        ) as outcome,
    from failures
    union all
    select story_id, max(attempt) + 1, max(created_at), null, null, 'last' from failures group by story_id
)
select
    llm_calls.story_id,
    coalesce(attempts.attempt, 1) as attempt,
    min(coalesce(started_at, created_at)) as started_at,
    coalesce(any_value(attempts.to_time), max(created_at)) as ended_at,
    coalesce(any_value(attempts.outcome), 'last') as outcome,
    any_value(attempts.reason) as reason,
    coalesce(sum(requests) filter (success is not false), 0)::bigint as calls,
    count(*) filter (success is false) as failed_calls,
    sum(total_tokens)::bigint as total_tokens,
    sum(cost_usd) as cost_usd,
from llm_calls
left join attempts
    on llm_calls.story_id = attempts.story_id
    and (from_time is null or coalesce(started_at, created_at) > from_time)
    and (to_time is null or coalesce(started_at, created_at) <= to_time)
where llm_calls.story_id is not null
group by llm_calls.story_id, attempts.attempt;
