-- What the calls of each hour, day, week or month cost, by the calendar of the time zone. One row per period.
create macro cost_by_time(grain) as table (
    with quarters as (
        -- A period begins at a quarter of an hour in every time zone of today; asking the calendar once for each
        -- quarter is much cheaper than for each call.
        select make_timestamptz(key.quarter * 900_000_000) as instant, columns(* exclude (key, cost_share))
        from cost_by({quarter: epoch_us(created_at) // 900_000_000})
    ),
    periods as (
        select
            period_of(instant, grain) as period,
            sum(columns(* exclude (instant, cost_usd)))::bigint,
            sum(cost_usd) as cost_usd,
        from quarters
        group by period
    )
    select *, cost_usd::double / nullif(sum(cost_usd) over (), 0)::double as cost_share from periods
);
