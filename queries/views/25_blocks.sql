-- Calls in blocks of some hours, as plans of coding agents count them: a block begins at the full hour (UTC) of its first
-- call, and the next one with the first call after its end. One row per block. What `calls` are, `22_cost_by.sql` says.
-- A block is active until its end; its forecast goes on at the rate between its first call and its last.
create macro blocks(hours) as table (
    with by_hour as (
        select
            epoch_us(created_at) // 3_600_000_000 as hour,
            min(created_at) as first_at, max(created_at) as last_at,
            coalesce(sum(requests) filter (success is not false), 0)::bigint as calls,
            count(*) filter (success is false) as failed_calls,
            sum(request_tokens)::bigint as request_tokens,
            sum(cache_read_tokens)::bigint as cache_read_tokens,
            sum(response_tokens)::bigint as response_tokens,
            sum(total_tokens)::bigint as total_tokens,
            sum(cost_usd) as cost_usd,
            count(*) filter (cost_usd is null and success is not false) as unpriced_calls,
            list(distinct model) as models,
        from llm_calls
        group by hour
    ),
    begun as (
        select
            unnest(
                list_reduce(
                    list([hour] order by hour),
                    lambda begun, later: if(later[1] >= begun[-1] + hours, list_concat(begun, later), begun)
                )
            ) as begin_hour,
        from by_hour
    ),
    blocks as (
        select
            make_timestamptz(begin_hour * 3_600_000_000) as started_at,
            make_timestamptz((begin_hour + if(hours >= 1, hours, error('-p hours= takes 1 or more'))) * 3_600_000_000)
                as ended_at,
            min(first_at) as first_at, max(last_at) as last_at,
            sum(columns(['calls', 'failed_calls', 'request_tokens', 'cache_read_tokens', 'response_tokens']))::bigint,
            sum(columns(['total_tokens', 'unpriced_calls']))::bigint,
            sum(cost_usd) as cost_usd,
            array_to_string(list_sort(list_distinct(flatten(list(models)))), ', ') as models,
        from by_hour
        asof inner join begun on by_hour.hour >= begun.begin_hour
        group by begin_hour
    ),
    paced as (
        select
            *,
            coalesce(getvariable('now')::timestamptz, now()) as moment,
            moment >= started_at and moment < ended_at as is_active,
            nullif(epoch_us(last_at) - epoch_us(first_at), 0) / 60_000_000 as minutes,
            if(is_active, (epoch_us(ended_at) - epoch_us(moment)) / 60_000_000, null) as minutes_left,
        from blocks
    )
    select
        * exclude (moment, minutes, minutes_left),
        total_tokens / minutes as tokens_per_minute,
        cost_usd::double / minutes * 60 as per_hour_usd,
        round(minutes_left)::bigint as minutes_left,
        round(total_tokens * (1 + minutes_left / minutes))::bigint as forecast_tokens,
        cost_usd::double * (1 + minutes_left / minutes) as forecast_cost_usd,
    from paced
);
