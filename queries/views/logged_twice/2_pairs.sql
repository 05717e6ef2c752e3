-- Calls that maestro wrote to both its log and its usage file. One row per call: where it stands in each.
-- Both lines are written by one function, so equal calls are paired in order within a run of less than two seconds' pause.
create or replace view maestro_pairs as
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
    where starts_with(format, 'maestro-log/') or starts_with(format, 'maestro-usage/')
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

-- Calls of `maestro_pairs`. One row per call: as logged, with what only the usage file knows (cache, provider, latency).
create or replace view paired_calls as
select
    log.* replace (
        coalesce(usage.started_at, log.started_at) as started_at,
        coalesce(usage.latency_ms, log.latency_ms) as latency_ms,
        coalesce(usage.provider, log.provider) as provider,
        coalesce(usage.cache_read_tokens, log.cache_read_tokens) as cache_read_tokens,
        coalesce(usage.cache_write_tokens, log.cache_write_tokens) as cache_write_tokens,
        coalesce(usage.reasoning_tokens, log.reasoning_tokens) as reasoning_tokens,
        coalesce(log.cost_reported_usd, usage.cost_reported_usd) as cost_reported_usd,
        coalesce(usage.cost_computed_usd, log.cost_computed_usd) as cost_computed_usd,
        coalesce(
            log.cost_reported_usd, usage.cost_reported_usd, usage.cost_computed_usd, log.cost_computed_usd
        ) as cost_usd,
        case
            when log.cost_reported_usd is null and usage.cost_reported_usd is not null then 'reported'
            when log.cost_usd is null and usage.cost_usd is not null then usage.cost_source
            else log.cost_source
        end as cost_source
    ),
from maestro_pairs as pair
inner join base_calls as log
    on log.source_id = pair.log_source_id and log.source_offset = pair.log_source_offset
    and starts_with(log.format, 'maestro-log/')
inner join base_calls as usage
    on usage.source_id = pair.usage_source_id and usage.source_offset = pair.usage_source_offset
    and starts_with(usage.format, 'maestro-usage/');
