-- How near each model came to its rate limit, by clock minutes and by any 60 seconds. One row per model.
-- The largest sum over 60 seconds is exact: sums over thirds of a minute bound every window from above (four thirds
-- cover it) and the largest from below (three are one), so only minutes that could win are looked at call by call. Of two
-- minutes that hold the largest window one has half of what the largest minute has, so thirds are only made around such.
-- Until the end a model is a number: calls are kept, to be looked at several times, and names are the half of them.
create view tpm_peaks as
with timed as (
    select hash(model) as model, success, total_tokens, epoch_us(created_at) as at_us from single_calls
),
minutes as materialized (
    select
        model, at_us // 60_000_000 as minute,
        count(*) as requests,
        count(*) filter (success is not false) as calls,
        sum(total_tokens)::bigint as tokens,
    from timed
    group by all
),
peaks as (
    select model, max(tokens) as tokens from minutes group by model having max(tokens) > 0
),
heavy as (
    select distinct minutes.model, unnest([minute - 1, minute, minute + 1]) as minute
    from minutes
    inner join peaks on minutes.model = peaks.model and 2 * minutes.tokens >= peaks.tokens
),
thirds as (
    select
        timed.model, minute,
        coalesce(sum(total_tokens) filter (at_us // 20_000_000 % 3 = 0), 0)::bigint as first,
        coalesce(sum(total_tokens) filter (at_us // 20_000_000 % 3 = 1), 0)::bigint as second,
        coalesce(sum(total_tokens) filter (at_us // 20_000_000 % 3 = 2), 0)::bigint as third,
    from timed
    inner join heavy on at_us // 60_000_000 = minute and timed.model = heavy.model
    group by all
),
neighbours as (
    select
        *,
        lag(minute) over model_minutes is not distinct from minute - 1 as follows,
        if(follows, lag(first) over model_minutes, 0) as first_before,
        if(follows, lag(second) over model_minutes, 0) as second_before,
        if(follows, lag(third) over model_minutes, 0) as third_before,
    from thirds
    window model_minutes as (partition by model order by minute)
),
bounds as (
    select
        model, minute,
        greatest(second_before + third_before + first, third_before + first + second, first + second + third)
            as at_least,
        greatest(
            first_before + second_before + third_before + first,
            second_before + third_before + first + second,
            third_before + first + second + third
        ) as at_most,
    from neighbours
),
crowded as (
    select distinct model, unnest([minute - 1, minute]) as minute
    from bounds
    qualify at_most >= max(at_least) over (partition by model) and at_most > 0
),
windows as (
    select
        timed.model, timed.at_us,
        sum(timed.total_tokens) over (
            partition by timed.model order by timed.at_us range between 59_999_999 preceding and current row
        )::bigint as tokens,
    from timed
    semi join crowded on timed.at_us // 60_000_000 = crowded.minute and timed.model = crowded.model
),
rolling as (
    select
        model,
        max(tokens) as peak_rolling_60s,
        arg_max(at_us, (tokens, -at_us)) filter (tokens is not null) as peak_at,
    from windows
    group by model
),
fixed as (
    select
        model,
        sum(calls)::bigint as calls,
        sum(requests - calls)::bigint as failed_calls,
        sum(tokens)::bigint as total_tokens,
        count(*) filter (tokens > 0) as active_minutes,
        max(tokens) as peak_tpm,
        arg_max(minute, (tokens, -minute)) filter (tokens is not null) as peak_minute,
        quantile_disc(tokens, [0.5, 0.95, 0.99]) filter (tokens > 0) as quantiles,
        max(requests) as peak_rpm,
    from minutes
    group by model
)
select
    models_read.model, calls, failed_calls, total_tokens, active_minutes,
    round(total_tokens / nullif(active_minutes, 0))::bigint as avg_tpm,
    peak_tpm,
    if(peak_tpm > 0, make_timestamptz(peak_minute * 60_000_000), null) as peak_minute,
    peak_rolling_60s,
    if(peak_tpm > 0, make_timestamptz(peak_at), null) as peak_rolling_end,
    quantiles[1] as p50_tpm, quantiles[2] as p95_tpm, quantiles[3] as p99_tpm,
    peak_rpm,
from fixed
inner join models_read on fixed.model = hash(models_read.model)
left join rolling on fixed.model = rolling.model;
