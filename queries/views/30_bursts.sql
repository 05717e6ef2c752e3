-- Runs of neighbouring minutes of one model in which it used many tokens. One row per burst.
-- `threshold`: tokens a minute that make a burst; NULL for the 95th percentile of the model's own active minutes.
create macro bursts(threshold) as table (
    with active as (
        select
            if(threshold < 1, error('-p threshold= takes a number of tokens from 1 on'), model) as model,
            epoch_us(minute) // 60_000_000 as number, total_tokens from minutes where total_tokens > 0
    ),
    usual as (
        select model, quantile_disc(total_tokens, 0.95) as p95 from active group by model
    ),
    high as (
        select
            active.model, number, total_tokens,
            number - row_number() over (partition by active.model order by number) as burst,
        from active
        inner join usual on active.model is not distinct from usual.model
        where total_tokens >= coalesce(threshold, p95)
    ),
    high_calls as (
        select high.model, burst, agent_id, success, single_calls.total_tokens
        from single_calls
        inner join high
            on single_calls.model is not distinct from high.model and epoch_us(created_at) // 60_000_000 = high.number
    ),
    of_agents as (
        select
            model, burst, agent_id,
            count(*) filter (success is not false) as calls,
            count(*) filter (success is false) as failed_calls,
            sum(total_tokens)::bigint as total_tokens, max(total_tokens, 3) as largest,
        from high_calls
        group by model, burst, agent_id
    ),
    of_calls as (
        select
            model, burst,
            sum(calls)::bigint as calls,
            sum(failed_calls)::bigint as failed_calls,
            sum(total_tokens)::bigint as total_tokens,
            max(list_max(largest)) as largest_call_tokens,
            list_sum(list_reverse_sort(flatten(list(largest)))[:3]) as largest_three,
            arg_max(agent_id, (total_tokens, agent_id)) filter (total_tokens is not null) as top_agent,
            max(total_tokens) as top_agent_tokens,
        from of_agents
        group by model, burst
    ),
    of_minutes as (
        select
            model, burst, min(number) as first, max(number) as last, count(*) as minutes, max(total_tokens) as peak_tpm,
        from high
        group by model, burst
    )
    select
        of_minutes.model,
        make_timestamptz(first * 60_000_000) as started_at,
        make_timestamptz((last + 1) * 60_000_000) as ended_at,
        minutes, calls, total_tokens, peak_tpm, largest_call_tokens,
        largest_call_tokens / total_tokens as largest_call_share,
        top_agent,
        top_agent_tokens / total_tokens as top_agent_share,
        case
            when largest_call_tokens >= 0.5 * total_tokens then 'one huge call'
            when largest_three >= 0.8 * total_tokens then 'a few large calls'
            when minutes >= 3 then 'sustained'
            else 'many calls'
        end as verdict,
        failed_calls,
    from of_minutes
    inner join of_calls on of_minutes.model is not distinct from of_calls.model and of_minutes.burst = of_calls.burst
);
