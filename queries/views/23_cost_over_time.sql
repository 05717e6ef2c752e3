-- What the calls of each key cost in each hour, day, week or month, by the calendar of the time zone. One row per period
-- and key; a key is a value of what `key_of` takes.
create macro cost_over_time(what, grain) as table (
    with quarters as (
        -- As in `cost_by_time`: the calendar is asked once for each quarter of an hour.
        select
            make_timestamptz(key.quarter * 900_000_000) as instant, key.key as key, columns(* exclude (key, cost_share))
        from cost_by({quarter: epoch_us(created_at) // 900_000_000, key: key_of(what)})
    ),
    periods as (
        select
            period_of(instant, grain) as period, key,
            sum(columns(* exclude (instant, key, cost_usd)))::bigint,
            sum(cost_usd) as cost_usd,
        from quarters
        group by period, key
    )
    select *, cost_usd::double / nullif(sum(cost_usd) over (), 0)::double as cost_share from periods
);
