-- Hours that stand out from a model's and agent's own history. One row per hour, model, agent and measure.
-- A value stands out when it exceeds the median by `factor` times the (scaled) median absolute deviation, and by half;
-- a history is at least 12 hours with calls. An error rate stands out from 10% and three failures on.
create macro anomalies(factor) as table (
    with quarters as (
        select
            model, agent_id, epoch_us(created_at) // 900_000_000 as quarter,
            count(*) filter (success is not false) as calls,
            count(*) filter (success is false) as failed_calls,
            sum(total_tokens)::bigint as tokens,
            sum(cost_usd) as cost_usd,
            max(total_tokens) as largest_call_tokens,
            -- Of equal calls the earliest, of those of one moment always the same: in one number, as structs compare slowly.
            arg_max(
                {created_at: created_at, path: source_path, place: source_offset},
                total_tokens * 4_611_686_018_427_387_904::hugeint
                - epoch_us(created_at) % 900_000_000 * 4_294_967_296
                + (hash(source_id, source_offset) >> 32)
            ) filter (total_tokens is not null) as largest_call,
        from single_calls
        group by all
    ),
    hours as (
        select
            model, agent_id, local_hour(make_timestamptz(quarter * 900_000_000)) as hour,
            sum(calls)::bigint as calls,
            sum(failed_calls)::bigint as failed_calls,
            sum(tokens)::double as tokens,
            sum(cost_usd)::double as cost_usd,
            -- With one failure in few calls a rate says little: as if two more had succeeded.
            sum(failed_calls) / (sum(calls + failed_calls) + 2) as error_rate,
            max(largest_call_tokens) as largest_call_tokens,
            arg_max(largest_call, (largest_call_tokens, -quarter)) filter (largest_call_tokens is not null) as largest_call,
        from quarters
        group by all
    ),
    measures as (
        unpivot hours on tokens, cost_usd, error_rate into name measure value amount
    ),
    medians as (
        select
            *,
            median(amount) over history as usual,
            count(*) over history as hours_known,
        from measures
        window history as (partition by model, agent_id, measure)
    ),
    spreads as (
        select *, 1.4826 * median(abs(amount - usual)) over (partition by model, agent_id, measure) as spread
        from medians
    )
    select
        hour, model, agent_id, measure, amount as value, usual as median, spread as mad,
        (amount - usual) / nullif(spread, 0) as score,
        calls, failed_calls, largest_call_tokens,
        largest_call.created_at as largest_call_at, largest_call.path as largest_call_path,
        largest_call.place as largest_call_offset,
    from spreads
    where hours_known >= 12
        and amount > usual + factor * spread
        and amount > 1.5 * usual
        and (measure <> 'error_rate' or (failed_calls >= 3 and amount >= 0.1))
);
