-- Tokens or dollars against a daily limit. One row per user (or agent, …) and day of the time zone.
-- Only days that reach the warning line are looked at call by call; 0 is no limit. `amount` are tokens, or tenths of a
-- nanodollar, in which every cost is whole, so that a limit is reached exactly.
create macro budget(by_what, unit, a_day, warn_at) as table (
    with asked as (
        select case
            when a_day < 0 or a_day > 9e18 then error('-p limit= takes a number from 0 to 9e18')
            when warn_at < 0 or warn_at > 1 then error('-p warn= takes a share from 0 to 1')
            when unit = 'usd' then round(a_day * 10_000_000_000)::hugeint
            when unit <> 'tokens' then error('-p unit= takes tokens or usd')
            when a_day <> floor(a_day) then error('-p limit= takes whole tokens')
            else a_day::hugeint
        end as amount
    ),
    keyed as (
        select
            key_of(by_what) as key, epoch_us(created_at) // 900_000_000 as quarter,
            if(unit = 'usd', (cost_usd * 10_000_000_000)::bigint, total_tokens) as amount,
            *,
        from llm_calls
    ),
    quarters as (
        select
            key, quarter, date_trunc('day', make_timestamptz(quarter * 900_000_000)) as day,
            sum(total_tokens)::bigint as tokens, sum(cost_usd) as usd,
            if(unit = 'usd', (usd * 10_000_000_000)::hugeint, tokens) as amount,
        from keyed
        group by key, quarter
    ),
    days as (
        select
            key, day, sum(amount)::hugeint as used, sum(tokens)::bigint as used_tokens, sum(usd) as used_usd,
        from quarters
        group by key, day
    ),
    near as (
        -- By quarters, not from midnight to midnight: in some zones a day has none, or two, when summer time changes.
        select key, quarter, day
        from quarters
        where a_day > 0
        qualify sum(amount) over (partition by key, day) >= warn_at * (select amount from asked)
    ),
    running as (
        select
            near.key, near.day, created_at, model, success, requests, cost_usd, request_tokens, cache_read_tokens, response_tokens,
            asked.amount as a_day,
            sum(keyed.amount) over (
                partition by near.key, near.day order by created_at, source_id, source_offset rows unbounded preceding
            ) as used,
            used - coalesce(keyed.amount, 0) as used_before,
        from keyed
        cross join asked
        inner join near
            on keyed.key is not distinct from near.key and keyed.quarter = near.quarter
    ),
    tiers as (
        select model, arg_max_null(columns(['to_model', 'input_usd', 'cached_usd', 'output_usd']), (own, len(prefix)))
        from (select distinct model from running)
        inner join downgrades on starts_with(model, prefix)
        group by model
    ),
    crossings as (
        select
            key, day,
            min(created_at) filter (used >= warn_at * a_day) as crossed_warning_at,
            min(created_at) filter (used >= a_day) as crossed_limit_at,
            coalesce(sum(requests) filter (used > a_day and success is not false), 0)::bigint as calls_over,
            array_to_string(
                list_sort(list(distinct to_model) filter (used_before >= warn_at * a_day)), ', '
            ) as downgrade_to,
            sum(
                (
                    cost_usd - (
                        (request_tokens - coalesce(cache_read_tokens, 0)) * input_usd
                        + coalesce(cache_read_tokens, 0) * cached_usd
                        + response_tokens * output_usd
                    ) / 1_000_000
                )::decimal(38, 10)  -- as floating sums depend on the order in which threads add
            ) filter (used_before >= warn_at * a_day and to_model is not null)::double as downgrade_saving_usd,
        from running
        left join tiers using (model)
        group by key, day
    )
    select
        days.key, days.day, used_tokens,
        if(unit = 'tokens', asked.amount, null)::bigint as limit_tokens,
        used / nullif(asked.amount, 0) as ratio,
        case
            when asked.amount > 0 and used >= asked.amount then 'exceeded'
            when asked.amount > 0 and used >= warn_at * asked.amount then 'warn'
            else 'ok'
        end as status,
        crossed_warning_at, crossed_limit_at, coalesce(calls_over, 0) as calls_over,
        nullif(downgrade_to, '') as downgrade_to, downgrade_saving_usd,
        used_usd,
        if(unit = 'usd', a_day, null) as limit_usd,
    from days
    cross join asked
    left join crossings on days.key is not distinct from crossings.key and days.day = crossings.day
);
