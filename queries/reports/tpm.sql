-- Tokens per minute per model: average, peak, and the peak of any 60 seconds
-- One row per model, highest peak first.
-- First: model, peak_tpm, peak_minute, avg_tpm
-- Sums: calls, failed_calls, total_tokens
-- Chart: bar y=model x=peak_tpm,p95_tpm,avg_tpm
select
    model, calls, failed_calls, total_tokens, active_minutes, avg_tpm, peak_tpm, peak_minute, peak_rolling_60s,
    peak_rolling_end, p50_tpm, p95_tpm, p99_tpm, peak_rpm,
from tpm_peaks
order by peak_tpm desc nulls last, model;
