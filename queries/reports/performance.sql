-- How fast and how reliable each model is
-- One row per model, most calls first.
-- First: model, calls, error_rate, latency_p95_ms
-- Sums: calls, failed_calls
-- Chart: bar y=model x=latency_p50_ms,latency_p95_ms,latency_p99_ms
select
    model, calls, failed_calls, error_rate, latency_p50_ms, latency_p95_ms, latency_p99_ms, output_tokens_per_second,
    latencies_known, retry_rate,
from performance
order by calls desc, model;
