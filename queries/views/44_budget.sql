-- Tokens against a daily limit. One row per user (or agent, …) and day of the time zone.
-- Only days that reach the warning line are looked at call by call; 0 is no limit.
create macro budget(by_what, tokens_a_day, warn_at) as table (
    with keyed as (
        select
            case
                when tokens_a_day < 0 or warn_at < 0 then error('-p limit= and -p warn= take numbers from 0 on')
                when by_what = 'user' then user_id
                when by_what = 'account' then account_id
                when by_what = 'agent' then agent_id
                when by_what = 'model' then model
                when by_what = 'story' then story_id
                when by_what = 'session' then session_id
                else error('-p by= takes user, account, agent, model, story or session')
            end as key,
            epoch_us(created_at) // 900_000_000 as quarter,
            *,
        from llm_calls
    ),
    quarters as (
        select
            key, quarter, date_trunc('day', make_timestamptz(quarter * 900_000_000)) as day,
            sum(total_tokens)::bigint as tokens,
        from keyed
        group by key, quarter
    ),
    days as (
        select key, day, sum(tokens)::bigint as used_tokens from quarters group by key, day
    ),
    near as (
        -- By quarters, not from midnight to midnight: in some zones a day has none, or two, when summer time changes.
        select key, quarter, day
        from quarters
        where tokens_a_day > 0
        qualify sum(tokens) over (partition by key, day) >= warn_at * tokens_a_day
    ),
    running as (
        select
            near.key, near.day, created_at, model, cost_usd, request_tokens, cache_read_tokens, response_tokens,
            sum(total_tokens) over (
                partition by near.key, near.day order by created_at, source_id, source_offset rows unbounded preceding
            ) as used,
            used - coalesce(total_tokens, 0) as used_before,
        from keyed
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
            min(created_at) filter (used >= warn_at * tokens_a_day) as crossed_warning_at,
            min(created_at) filter (used > tokens_a_day) as crossed_limit_at,
            count(*) filter (used > tokens_a_day) as calls_over,
            array_to_string(
                list_sort(list(distinct to_model) filter (used_before >= warn_at * tokens_a_day)), ', '
            ) as downgrade_to,
            sum(
                cost_usd - (
                    (request_tokens - coalesce(cache_read_tokens, 0)) * input_usd
                    + coalesce(cache_read_tokens, 0) * cached_usd
                    + response_tokens * output_usd
                ) / 1_000_000
            ) filter (used_before >= warn_at * tokens_a_day and to_model is not null) as downgrade_saving_usd,
        from running
        left join tiers using (model)
        group by key, day
    )
    select
        days.key, days.day, used_tokens, tokens_a_day as limit_tokens,
        used_tokens / nullif(tokens_a_day, 0) as ratio,
        case
            when tokens_a_day > 0 and used_tokens > tokens_a_day then 'exceeded'
            when tokens_a_day > 0 and used_tokens >= warn_at * tokens_a_day then 'warn'
            else 'ok'
        end as status,
        crossed_warning_at, crossed_limit_at, coalesce(calls_over, 0) as calls_over,
        nullif(downgrade_to, '') as downgrade_to, downgrade_saving_usd,
    from days
    left join crossings on days.key is not distinct from crossings.key and days.day = crossings.day
);
