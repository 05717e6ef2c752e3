-- Calls that maestro wrote to both its log and its usage file. One row per call: where it stands in each.
-- Both lines are written by one function, so equal calls are paired in order within a run of less than two seconds' pause.
create view maestro_pairs as
with lines as (
    select
        source_id, source_offset, created_at, starts_with(format, 'maestro-usage/') as is_usage,
        struct_pack(
            model := model, agent := agent_id, story := story_id,
            request := coalesce(request_tokens, 0), response := coalesce(response_tokens, 0),
            success := success
        ) as what,
    from base_calls
    anti join teed_calls using (source_id, source_offset)
    where getvariable('shape').pairs
        and (starts_with(format, 'maestro-log/') or starts_with(format, 'maestro-usage/'))
),
pauses as (
    select *, created_at - lag(created_at) over equal_calls > interval 2 seconds as after_pause
    from lines
    window equal_calls as (partition by what order by created_at, source_id, source_offset)
),
runs as (
    select *, count(*) filter (after_pause) over equal_calls as run
    from pauses
    window equal_calls as (partition by what order by created_at, source_id, source_offset)
),
numbered as (
    select *, row_number() over (partition by what, run, is_usage order by created_at, source_id, source_offset) as nth
    from runs
)
select
    any_value(source_id) filter (not is_usage) as log_source_id,
    any_value(source_offset) filter (not is_usage) as log_source_offset,
    any_value(source_id) filter (is_usage) as usage_source_id,
    any_value(source_offset) filter (is_usage) as usage_source_offset,
from numbered
group by what, run, nth
having count(*) = 2 and max(created_at) - min(created_at) <= interval 2 seconds;
