-- Calls of `maestro_pairs`. One row per call: as logged, with what only the usage file knows (cache, provider, latency).
create view paired_calls as
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
