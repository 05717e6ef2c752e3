-- The calls that finished in one minute of one model. One row per call.
-- NULL for a model or a minute means the one with the most tokens. `concurrent_calls` are those of any model that were in
-- flight when the call finished, itself included.
create macro burst(wanted_model, wanted_minute) as table (
    with target as (
        select model, minute
        from minutes
        where (wanted_model is null or model = wanted_model)
            and (wanted_minute is null or minute = date_trunc('minute', wanted_minute))
        order by total_tokens desc nulls last, minute, model
        limit 1
    ),
    -- Bounds as scalars, so that they reach the files as a filter.
    window_calls as (
        select *
        from single_calls
        where created_at >= (select minute from target)
            and created_at < (select minute + interval 1 minute from target)
            and model is not distinct from (select model from target)
    ),
    running as (
        select coalesce(started_at, created_at) as began_at, created_at
        from single_calls
        where created_at >= (select min(created_at) from window_calls)
            and coalesce(started_at, created_at) <= (select max(created_at) from window_calls)
    ),
    concurrency as (
        select mine.source_id, mine.source_offset, count(*) as concurrent_calls
        from window_calls as mine
        inner join running as other on other.began_at <= mine.created_at and other.created_at >= mine.created_at
        group by mine.source_id, mine.source_offset
    )
    select
        * exclude (concurrent_calls),
        total_tokens / sum(total_tokens) over () as share,
        sum(total_tokens) over (
            order by total_tokens desc nulls last, created_at, source_id, source_offset rows unbounded preceding
        ) / sum(total_tokens) over () as cumulative_share,
        concurrent_calls,
    from window_calls
    left join concurrency using (source_id, source_offset)
);
