-- Hours that stand out from a model's and agent's own history. One row per hour, model, agent and measure.
-- A value stands out when it exceeds the median by `factor` times the (scaled) median absolute deviation, and by half;
-- a history is at least 12 hours with calls. An error rate stands out from 10% and three failures on.
create macro anomalies(factor) as table (
    with hours as materialized (
        select
            model, agent_id, local_hour(created_at) as hour,
            count(*) filter (success is not false) as calls,
            count(*) filter (success is false) as failed_calls,
            sum(total_tokens)::double as tokens,
            sum(cost_usd)::double as cost_usd,
            -- With one failure in few calls a rate says little: as if two more had succeeded.
            count(*) filter (success is false) / (count(*) + 2) as error_rate,
            max(total_tokens) as largest_call_tokens,
            -- Of equal calls the earliest, of those of one moment always the same: in one number, as structs compare slowly.
            arg_max(
                {created_at: created_at, path: source_path, place: source_offset},
                total_tokens * 4_611_686_018_427_387_904::hugeint
                - epoch_us(created_at) % 3_600_000_000 * 1_073_741_824
                + (hash(source_id, source_offset) >> 34)
            ) filter (total_tokens is not null) as largest_call,
        from single_calls
        group by all
    ),
    medians as (
        select
            model, agent_id,
            median(columns(['tokens', 'cost_usd', 'error_rate'])) as 'usual_\0',
            count(columns(['tokens', 'cost_usd', 'error_rate'])) as 'known_\0',
        from hours
        group by all
    ),
    spreads as (
        select
            medians.*,
            1.4826 * median(abs(tokens - usual_tokens)) as spread_tokens,
            1.4826 * median(abs(cost_usd - usual_cost_usd)) as spread_cost_usd,
            1.4826 * median(abs(error_rate - usual_error_rate)) as spread_error_rate,
        from hours
        inner join medians
            on hours.model is not distinct from medians.model and hours.agent_id is not distinct from medians.agent_id
        group by all
    ),
    histories as (
        select
            model, agent_id,
            unnest([
                {measure: 'tokens', known: known_tokens, usual: usual_tokens, spread: spread_tokens},
                {measure: 'cost_usd', known: known_cost_usd, usual: usual_cost_usd, spread: spread_cost_usd},
                {measure: 'error_rate', known: known_error_rate, usual: usual_error_rate, spread: spread_error_rate}
            ], max_depth := 2),
        from spreads
    ),
    measured as (
        select
            hours.*, measure, usual, spread,
            case measure when 'tokens' then tokens when 'cost_usd' then cost_usd else error_rate end as amount,
        from hours
        inner join histories
            on hours.model is not distinct from histories.model
            and hours.agent_id is not distinct from histories.agent_id
            and known >= 12
    )
    select
        hour, model, agent_id, measure, amount as value, usual as median, spread as mad,
        (amount - usual) / nullif(spread, 0) as score,
        calls, failed_calls, largest_call_tokens,
        largest_call.created_at as largest_call_at, largest_call.path as largest_call_path,
        largest_call.place as largest_call_offset,
    from measured
    where amount > usual + factor * spread
        and amount > 1.5 * usual
        and (measure <> 'error_rate' or (failed_calls >= 3 and amount >= 0.1))
);
