-- How fast and how reliable each model is. One row per model. Latencies are those of successful calls; the retry rate is of
-- calls whose retries can be seen, and unknown where there are none.
create view performance as
with measured as (
    select
        model,
        count(*) filter (success is not false) as calls,
        count(*) filter (success is false) as failed_calls,
        failed_calls / nullif(count(success), 0) as error_rate,
        quantile_cont(latency_ms, [0.5, 0.95, 0.99]) filter (success is not false) as latencies,
        -- In whole microseconds: sums of fractions depend on the order in which threads add.
        1_000_000 * sum(response_tokens) filter (latency_ms > 0)
            / sum(try_cast(latency_ms * 1_000 as bigint)) filter (latency_ms > 0 and response_tokens is not null)
            as output_tokens_per_second,
        count(latency_ms) as latencies_known,
        count(*) filter (attempt is not null or created_at >= since) as observed,
    from single_calls
    left join retry_formats using (format)
    group by model
),
retried as (
    select model, count(distinct (created_at, agent_id, story_id, state)) as retried
    from logged_retries
    where tries > 1 and model is not null  -- else it is not known which call was tried again
    group by model
)
select
    measured.model, calls, failed_calls, error_rate,
    latencies[1] as latency_p50_ms, latencies[2] as latency_p95_ms, latencies[3] as latency_p99_ms,
    output_tokens_per_second, latencies_known,
    coalesce(retried, 0) / nullif(observed, 0) as retry_rate,
from measured
left join retried on measured.model is not distinct from retried.model;
